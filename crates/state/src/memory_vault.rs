//! The vault of one process, in memory.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use lru::LruCache;
use portcullis_core::{BotId, Clock};

use crate::StateError;
use crate::vault::{Entrusted, Kept, VAULT_VALUES, Vault};

struct Shelf {
    values: Vec<Kept>,
    until: Instant,
}

impl Shelf {
    /// The number of a value that is known, or of a new one, or none where the shelf is full.
    fn number(&mut self, value: &Entrusted) -> Option<u32> {
        let is_it = |kept: &&Kept| kept.entity == value.entity && value.hashes.contains(&kept.hash);
        if let Some(known) = self.values.iter().find(is_it) {
            return Some(known.number);
        }
        if self.values.len() >= VAULT_VALUES {
            return None;
        }
        let of_entity = self.values.iter().filter(|kept| kept.entity == value.entity).count();
        let number = u32::try_from(of_entity).ok()? + 1;
        self.values.push(Kept {
            entity: value.entity.clone(),
            number,
            hash: value.hashes.first()?.clone(),
            sealed: value.sealed.clone(),
        });
        Some(number)
    }
}

/// Keeps the values of a bounded number of conversations; the one that was longest without use goes first.
pub struct MemoryVault {
    clock: Arc<dyn Clock>,
    shelves: Mutex<LruCache<(BotId, String), Shelf>>,
}

impl MemoryVault {
    /// An empty vault for so many conversations.
    pub fn new(clock: Arc<dyn Clock>, capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        Self { clock, shelves: Mutex::new(LruCache::new(capacity)) }
    }
}

#[async_trait]
impl Vault for MemoryVault {
    async fn entrust(
        &self,
        bot: &BotId,
        key: &str,
        values: &[Entrusted],
        ttl: Duration,
    ) -> Result<Vec<Option<u32>>, StateError> {
        let now = self.clock.instant();
        let id = (bot.clone(), key.to_owned());
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let known = shelves.pop(&id).filter(|shelf| shelf.until > now);
        let mut shelf = known.unwrap_or_else(|| Shelf { values: Vec::new(), until: now });
        shelf.until = now + ttl;
        let numbers = values.iter().map(|value| shelf.number(value)).collect();
        shelves.put(id, shelf);
        Ok(numbers)
    }

    async fn all(&self, bot: &BotId, key: &str) -> Result<Vec<Kept>, StateError> {
        let now = self.clock.instant();
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = shelves.get(&(bot.clone(), key.to_owned())).filter(|shelf| shelf.until > now);
        Ok(shelf.map(|shelf| shelf.values.clone()).unwrap_or_default())
    }
}
