//! The port that keeps what happened, and its form in memory.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::stream::BoxStream;
use portcullis_core::Entry;
use tokio::sync::Notify;

/// Why an entry could not be kept or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The store is away or did not acknowledge in time.
    #[error("journal away")]
    Away,
    /// The store is full and refuses new entries.
    #[error("journal full")]
    Full,
    /// This entry can never be kept, whatever is tried again.
    #[error("journal refused the entry")]
    Refused,
}

/// One entry on its way to a reader, to be acknowledged when the reader has made it durable.
#[async_trait]
pub trait Delivery: Send + Sync {
    /// Which journal it is of, where the record has several.
    fn journal(&self) -> u16 {
        0
    }
    /// Position in that journal, rising by one with each entry of it.
    fn sequence(&self) -> u64;
    /// The entry, or why it could not be read.
    fn entry(&self) -> Result<&Entry, &str>;
    /// The bytes as they were kept.
    fn raw(&self) -> &[u8];
    /// The reader is done with it.
    async fn ack(self: Box<Self>) -> Result<(), JournalError>;
    /// The reader could not use it now: it comes again.
    async fn retry(self: Box<Self>) -> Result<(), JournalError>;
}

/// A stream of deliveries to one reader.
pub type Deliveries = BoxStream<'static, Result<Box<dyn Delivery>, JournalError>>;

/// Keeps what happened.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Keeps an entry: durable when this returns. The same id twice is one entry.
    async fn append(&self, entry: &Entry) -> Result<(), JournalError>;

    /// Reads everything in order under a reader's name; what that reader has acknowledged does not
    /// come again.
    async fn follow(&self, reader: &str) -> Result<Deliveries, JournalError>;
}

/// A journal in memory, for tests and for commands that keep nothing.
#[derive(Clone, Default)]
pub struct MemoryJournal {
    inner: Arc<Mutex<Memory>>,
    grown: Arc<Notify>,
}

#[derive(Default)]
struct Memory {
    entries: Vec<Entry>,
    ids: HashSet<String>,
    acked: HashMap<String, usize>,
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything kept so far, in order.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    async fn wait_for(&self, at: usize) -> Entry {
        loop {
            let grown = self.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            if let Some(entry) = self.lock().entries.get(at) {
                return entry.clone();
            }
            grown.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        let mut memory = self.lock();
        if memory.ids.insert(entry.id.clone()) {
            memory.entries.push(entry.clone());
        }
        drop(memory);
        self.grown.notify_waiters();
        Ok(())
    }

    async fn follow(&self, reader: &str) -> Result<Deliveries, JournalError> {
        let start = self.lock().acked.get(reader).copied().unwrap_or(0);
        let (journal, reader) = (self.clone(), reader.to_owned());
        Ok(Box::pin(futures::stream::unfold(start, move |at| {
            let (journal, reader) = (journal.clone(), reader.clone());
            async move {
                let entry = journal.wait_for(at).await;
                let raw = serde_json::to_vec(&entry).unwrap_or_default();
                let delivery = MemoryDelivery { journal, reader, at, entry, raw };
                Some((Ok(Box::new(delivery) as Box<dyn Delivery>), at + 1))
            }
        })))
    }
}

struct MemoryDelivery {
    journal: MemoryJournal,
    reader: String,
    at: usize,
    entry: Entry,
    raw: Vec<u8>,
}

#[async_trait]
impl Delivery for MemoryDelivery {
    fn sequence(&self) -> u64 {
        self.at as u64 + 1
    }

    fn entry(&self) -> Result<&Entry, &str> {
        Ok(&self.entry)
    }

    fn raw(&self) -> &[u8] {
        &self.raw
    }

    async fn ack(self: Box<Self>) -> Result<(), JournalError> {
        let mut memory = self.journal.lock();
        let acked = memory.acked.entry(self.reader.clone()).or_default();
        *acked = (*acked).max(self.at + 1);
        Ok(())
    }

    async fn retry(self: Box<Self>) -> Result<(), JournalError> {
        Ok(())
    }
}
