//! The port that delivers to bots what they did not wait for.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use portcullis_core::BotId;

/// What is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// The verdict of a submitted message, or the problem record of a malformed one.
    Verdict,
    /// The resolution of a held message.
    Resolution,
}

/// One piece of mail for a bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// What it is.
    pub kind: MailKind,
    /// For whom.
    pub bot: BotId,
    /// Identity: the same twice is delivered once (within the store's window).
    pub id: String,
    /// JSON.
    pub body: Bytes,
}

/// Why mail could not be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    /// The store is away or did not acknowledge in time.
    #[error("outbox away")]
    Away,
}

/// Stores mail for bots; each bot reads its own.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Stores mail: durable when this returns.
    async fn send(&self, mail: Mail) -> Result<(), OutboxError>;
}

/// Mail in memory.
#[derive(Clone, Default)]
pub struct MemoryOutbox(Arc<Mutex<Vec<Mail>>>);

/// Mail that the form in memory keeps: bots of a single process ask `GET /v1/checks/{id}`.
const KEPT: usize = 1024;

impl MemoryOutbox {
    /// An empty outbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// The newest mail, oldest first.
    pub fn sent(&self) -> Vec<Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn send(&self, mail: Mail) -> Result<(), OutboxError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.iter().any(|other| other.id == mail.id && other.kind == mail.kind) {
            return Ok(());
        }
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push(mail);
        Ok(())
    }
}
