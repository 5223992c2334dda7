//! The port that keeps cases for humans. It sees sealed bytes only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use portcullis_core::BotId;

/// Why a case could not be kept, found or taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeldError {
    /// The store is away or did not acknowledge in time.
    #[error("held store away")]
    Away,
}

/// A sealed case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldItem {
    /// The bot.
    pub bot: BotId,
    /// Its key, made by ingress from direction and id (`[a-z0-9]+`).
    pub key: String,
    /// The sealed case.
    pub sealed: Bytes,
}

/// Keeps sealed cases until they are resolved.
#[async_trait]
pub trait Held: Send + Sync + 'static {
    /// Keeps a case: durable when this returns. The same key twice keeps the first.
    async fn put(&self, item: HeldItem) -> Result<(), HeldError>;
    /// The case with this key.
    async fn get(&self, bot: &BotId, key: &str) -> Result<Option<HeldItem>, HeldError>;
    /// All cases, of one bot or of all.
    async fn list(&self, bot: Option<&BotId>) -> Result<Vec<HeldItem>, HeldError>;
    /// Forgets a case, if it is there.
    async fn remove(&self, bot: &BotId, key: &str) -> Result<(), HeldError>;
}

/// Bytes of cases that wait in memory; past it new ones are refused, as on the bus.
const ROOM: usize = 256 * 1024 * 1024;

/// Cases in memory.
#[derive(Clone, Default)]
pub struct MemoryHeld(Arc<Mutex<BTreeMap<(BotId, String), Bytes>>>);

impl MemoryHeld {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(BotId, String), Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Held for MemoryHeld {
    async fn put(&self, item: HeldItem) -> Result<(), HeldError> {
        let mut cases = self.lock();
        let taken: usize = cases.values().map(Bytes::len).sum();
        if taken + item.sealed.len() > ROOM {
            return Err(HeldError::Away);
        }
        cases.entry((item.bot, item.key)).or_insert(item.sealed);
        Ok(())
    }

    async fn get(&self, bot: &BotId, key: &str) -> Result<Option<HeldItem>, HeldError> {
        let id = (bot.clone(), key.to_owned());
        Ok(self.lock().get(&id).cloned().map(|sealed| HeldItem { bot: id.0, key: id.1, sealed }))
    }

    async fn list(&self, bot: Option<&BotId>) -> Result<Vec<HeldItem>, HeldError> {
        Ok(self
            .lock()
            .iter()
            .filter(|((owner, _), _)| bot.is_none_or(|bot| bot == owner))
            .map(|((bot, key), sealed)| HeldItem {
                bot: bot.clone(),
                key: key.clone(),
                sealed: sealed.clone(),
            })
            .collect())
    }

    async fn remove(&self, bot: &BotId, key: &str) -> Result<(), HeldError> {
        self.lock().remove(&(bot.clone(), key.to_owned()));
        Ok(())
    }
}
