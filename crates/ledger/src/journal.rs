//! The ledger as the journal of a single process: written and synced once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use async_trait::async_trait;
use portcullis_bus::{Deliveries, Delivery, Journal, JournalError};
use portcullis_core::Entry;

use crate::files::record::Payload;
use crate::files::{Hint, Shared, read_from};
use crate::{Keep, Ledger, LedgerError, Record};

/// Entries that a follower reads at a time.
const READ: usize = 256;

/// A journal whose entries are those of a [`Ledger`].
///
/// Acknowledged positions are written at least every second and when the ledger is dropped; after a
/// crash the entries acknowledged since come again. The ledger's own remarks are not delivered.
#[derive(Clone)]
pub struct LedgerJournal {
    ledger: Arc<Ledger>,
    keep: Option<Arc<dyn Keep>>,
    /// The last entry could not be made ready to be stored: said once, not for each.
    failing: Arc<AtomicBool>,
}

impl LedgerJournal {
    /// Makes a ledger a journal.
    pub fn new(ledger: Arc<Ledger>) -> Self {
        Self { ledger, keep: None, failing: Arc::default() }
    }

    /// Stores entries as `keep` gives them.
    #[must_use]
    pub fn keeping(mut self, keep: Arc<dyn Keep>) -> Self {
        self.keep = Some(keep);
        self
    }

    /// The ledger.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }
}

#[async_trait]
impl Journal for LedgerJournal {
    async fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        let Some(keep) = self.keep.clone() else {
            self.ledger.append(Record::new(entry)?).await?;
            return Ok(());
        };
        let entry = entry.clone();
        // It may write and sync keys.
        let kept = tokio::task::spawn_blocking(move || {
            let raw = serde_json::to_vec(&entry)
                .map_err(|_| LedgerError::Refused("entry cannot be written as JSON"))?;
            let kept = keep.keep(&entry, &raw)?;
            keep.settle()?;
            Record::kept(&entry, kept.as_deref().unwrap_or(&raw), None)
        });
        let kept = kept.await.map_err(|_ended| LedgerError::Stopped)?;
        match &kept {
            Ok(_) if self.failing.swap(false, Relaxed) => tracing::info!("keys are kept again"),
            Ok(_) | Err(LedgerError::Refused(_)) => {}
            Err(error) if !self.failing.swap(true, Relaxed) => {
                tracing::error!(%error, "the keys of persons cannot be written: nothing is stored");
            }
            Err(_) => {}
        }
        self.ledger.append(kept?).await?;
        Ok(())
    }

    async fn follow(&self, reader: &str) -> Result<Deliveries, JournalError> {
        let shared = Arc::clone(self.ledger.shared());
        let next = shared.positions.acked(reader) + 1;
        let grown = shared.watch();
        let follower = Follower {
            shared,
            reader: reader.into(),
            grown,
            next,
            hint: Hint::default(),
            read: VecDeque::new(),
        };
        Ok(Box::pin(futures::stream::unfold(follower, |mut follower| async move {
            let delivery = follower.deliver().await?;
            Some((delivery, follower))
        })))
    }
}

struct Follower {
    shared: Arc<Shared>,
    reader: Arc<str>,
    grown: tokio::sync::watch::Receiver<(u64, u64)>,
    next: u64,
    hint: Hint,
    read: VecDeque<Kept>,
}

/// One entry of the ledger on its way to a reader.
struct Kept {
    seq: u64,
    raw: Option<Vec<u8>>,
    entry: Option<Entry>,
}

impl Follower {
    /// The next entry, once there is one; `None` when the ledger is closed.
    async fn deliver(&mut self) -> Option<Result<Box<dyn Delivery>, JournalError>> {
        loop {
            while let Some(kept) = self.read.pop_front() {
                let Some(raw) = kept.raw else { continue };
                return Some(Ok(Box::new(LedgerDelivery {
                    shared: Arc::clone(&self.shared),
                    reader: Arc::clone(&self.reader),
                    seq: kept.seq,
                    raw,
                    entry: kept.entry,
                })));
            }
            if self.grown.wait_for(|at| at.0 >= self.next).await.is_err() {
                return None;
            }
            match self.read_more().await {
                Ok(()) => {}
                Err(error) => {
                    tracing::error!(%error, "ledger unreadable for a follower");
                    return Some(Err(error.into()));
                }
            }
        }
    }

    async fn read_more(&mut self) -> Result<(), LedgerError> {
        let (shared, next, mut hint) = (Arc::clone(&self.shared), self.next, self.hint);
        let read = tokio::task::spawn_blocking(move || {
            read_from(&shared, next, &mut hint, READ, keep).map(|kept| (kept, hint))
        });
        let (kept, hint) = read.await.map_err(|_ended| LedgerError::Stopped)??;
        self.next += kept.len() as u64;
        self.hint = hint;
        self.read.extend(kept);
        Ok(())
    }
}

fn keep(payload: &Payload<'_>) -> Kept {
    let raw = payload.entry.map(|raw| raw.get().as_bytes().to_vec());
    let entry = payload.entry.and_then(|raw| serde_json::from_str(raw.get()).ok());
    Kept { seq: payload.seq, raw, entry }
}

struct LedgerDelivery {
    shared: Arc<Shared>,
    reader: Arc<str>,
    seq: u64,
    raw: Vec<u8>,
    entry: Option<Entry>,
}

#[async_trait]
impl Delivery for LedgerDelivery {
    fn sequence(&self) -> u64 {
        self.seq
    }

    fn entry(&self) -> Result<&Entry, &str> {
        self.entry.as_ref().ok_or("not an entry of this release")
    }

    fn raw(&self) -> &[u8] {
        &self.raw
    }

    async fn ack(self: Box<Self>) -> Result<(), JournalError> {
        self.shared.positions.ack(&self.reader, self.seq);
        Ok(())
    }

    /// It comes again when the reader follows anew, unless a later one has been acknowledged.
    async fn retry(self: Box<Self>) -> Result<(), JournalError> {
        Ok(())
    }
}
