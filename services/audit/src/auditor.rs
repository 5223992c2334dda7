//! Carries a journal into the ledger: each entry once, in order, acknowledged when it is durable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use portcullis_bus::{Deliveries, Delivery, Journal, JournalError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use portcullis_core::Entry;
use portcullis_ledger::{Gap, Keep, LedgerError, Record, Store};

/// The name under which the auditor follows a journal.
const READER: &str = "audit";

/// Keeps entries that could not be read, for an operator.
#[async_trait]
pub trait Dead: Send + Sync + 'static {
    /// Keeps it, with what is wrong with it (a category, never a quotation): durable when this returns. The same may
    /// come again.
    async fn keep(&self, unread: &dyn Delivery, why: &str) -> Result<(), JournalError>;
}

/// How the auditor works.
#[derive(Debug, Clone, Copy)]
pub struct AuditorOptions {
    /// Deliveries stored with one sync at most.
    pub batch: usize,
    /// How long to gather deliveries before they are stored with one sync. Nobody waits for the auditor, and
    /// a sync for each entry would take the disk from those who are waited for.
    pub gather: Duration,
    /// How long a missing sequence number is waited for before it is a gap, counted from what came after it. Longer than
    /// the journal takes to deliver again what was not acknowledged.
    pub patience: Duration,
    /// How long to wait after a failure.
    pub back_off: Duration,
}

impl Default for AuditorOptions {
    fn default() -> Self {
        Self {
            batch: 1024,
            gather: Duration::from_millis(20),
            patience: Duration::from_secs(40),
            back_off: Duration::from_secs(1),
        }
    }
}

/// Follows a journal into a ledger.
pub struct Auditor {
    journal: Arc<dyn Journal>,
    ledger: Arc<dyn Store>,
    dead: Arc<dyn Dead>,
    keep: Option<Arc<dyn Keep>>,
    options: AuditorOptions,
}

/// Deliveries by their numbers, and since when each number has been here.
type Waiting = BTreeMap<u64, (Instant, Box<dyn Delivery>)>;

impl Auditor {
    /// An auditor that does nothing until it is run.
    pub fn new(
        journal: Arc<dyn Journal>,
        ledger: Arc<dyn Store>,
        dead: Arc<dyn Dead>,
        options: AuditorOptions,
    ) -> Self {
        Self { journal, ledger, dead, keep: None, options }
    }

    /// Stores entries as `keep` gives them.
    #[must_use]
    pub fn keeping(mut self, keep: Arc<dyn Keep>) -> Self {
        self.keep = Some(keep);
        self
    }

    /// Works until `shutdown`. Failures of journal, ledger and dead letters are waited out; nothing is
    /// acknowledged before it is durable, so that a crash at any point costs no entry.
    ///
    /// # Errors
    /// [`LedgerError::Stopped`] when the ledger must be opened again; [`LedgerError::Fenced`] when another writer
    /// has taken it over.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), LedgerError> {
        loop {
            let ended = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                ended = self.follow() => ended,
            };
            match ended {
                Err(Interrupted::Ledger(error @ (LedgerError::Stopped | LedgerError::Fenced))) => {
                    return Err(error);
                }
                Err(Interrupted::Ledger(error)) => tracing::warn!(%error, "entries not stored"),
                Err(Interrupted::Journal(error)) => tracing::warn!(%error, "journal interrupted"),
                Ok(()) => tracing::info!("journal ended"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(self.options.back_off) => {}
            }
        }
    }

    /// Follows until something fails. Deliveries not acknowledged by then come again.
    async fn follow(&self) -> Result<(), Interrupted> {
        let mut deliveries = self.journal.follow(READER).await?;
        let mut waiting = Waiting::new();
        loop {
            // A journal delivers again what waits here, so that it may never be silent for long: what counts is when the
            // hole was seen.
            let first_seen = waiting.first_key_value().map(|(_, (since, _))| *since);
            let next = match first_seen {
                None => deliveries.next().await,
                Some(since) => {
                    let until = since + self.options.patience;
                    match tokio::time::timeout_at(until, deliveries.next()).await {
                        Ok(next) => next,
                        // What is missing has not come: the ledger says so, and goes on.
                        Err(_elapsed) => {
                            self.store(&mut waiting).await?;
                            continue;
                        }
                    }
                }
            };
            let Some(first) = next else { return Ok(()) };
            take(&mut waiting, first?);
            tokio::time::sleep(self.options.gather).await;
            self.take_ready(&mut deliveries, &mut waiting)?;
            self.store(&mut waiting).await?;
        }
    }

    /// Takes what has arrived already, up to a batch.
    fn take_ready(
        &self,
        deliveries: &mut Deliveries,
        waiting: &mut Waiting,
    ) -> Result<(), Interrupted> {
        for _ in 1..self.options.batch {
            match deliveries.next().now_or_never() {
                Some(Some(delivery)) => take(waiting, delivery?),
                Some(None) | None => break,
            }
        }
        Ok(())
    }

    /// Stores what follows the last stored entry without a hole, and what came late. A hole is a gap where what follows
    /// it has waited long enough; each is, where too much waits.
    async fn store(&self, waiting: &mut Waiting) -> Result<(), Interrupted> {
        let is_crowded = waiting.len() >= self.options.batch.max(1) * 4;
        let mut last = self.ledger.last_journal_seq();
        let (mut records, mut done) = (Vec::new(), Vec::new());
        while let Some(entry) = waiting.first_entry() {
            let (sequence, since) = (*entry.key(), entry.get().0);
            if sequence > last + 1 {
                if !is_crowded && since.elapsed() < self.options.patience {
                    break;
                }
                let gap = Gap { after: last, next: sequence };
                tracing::warn!(after = last, next = sequence, "gap in the journal");
                metrics::counter!("portcullis_audit_gaps_total").increment(1);
                metrics::counter!("portcullis_audit_missing_total").increment(gap.missing());
                records.push(Record::gap(gap));
            } else if sequence <= last {
                metrics::counter!("portcullis_audit_late_total").increment(1);
            }
            last = last.max(sequence);
            let (_, delivery) = entry.remove();
            records.push(self.record(&*delivery).await?);
            done.push(delivery);
        }
        if let Some(keep) = self.keep.clone() {
            // It may wait for the disk.
            let settled = tokio::task::spawn_blocking(move || keep.settle()).await;
            settled.map_err(|_ended| LedgerError::Stopped)??;
        }
        self.ledger.append_all(records).await?;
        let acks = done.into_iter().map(|delivery| delivery.ack());
        for acked in futures::future::join_all(acks).await {
            acked?;
        }
        Ok(())
    }

    /// What is stored for a delivery. One that cannot be read goes to the dead letters first.
    async fn record(&self, delivery: &dyn Delivery) -> Result<Record, Interrupted> {
        let (sequence, raw) = (delivery.sequence(), delivery.raw());
        let read = delivery.entry().map_err(str::to_owned).and_then(|entry| {
            if raw.len() > MAX_ENTRY {
                return Err("too long".to_owned());
            }
            Ok(entry)
        });
        let read = match read {
            Ok(entry) => match self.received(entry, raw, sequence) {
                Ok(record) => Ok(record),
                Err(LedgerError::Refused(why)) => Err(why.to_owned()),
                // It may be better later: nothing is acknowledged until then.
                Err(error) => return Err(error.into()),
            },
            Err(why) => Err(why),
        };
        match read {
            Ok(record) => Ok(record),
            Err(why) => {
                self.dead.keep(delivery, &why).await?;
                tracing::error!(sequence, "entry unreadable, kept with the dead letters");
                metrics::counter!("portcullis_audit_dead_total").increment(1);
                Ok(Record::dead(raw.len() as u64, sequence))
            }
        }
    }
}

impl Auditor {
    fn received(&self, entry: &Entry, raw: &[u8], sequence: u64) -> Result<Record, LedgerError> {
        let kept = self.keep.as_ref().map(|keep| keep.keep(entry, raw)).transpose()?.flatten();
        Record::received(entry, kept.as_deref().unwrap_or(raw), sequence)
    }
}

/// The longest entry in bytes that fits a frame with room to spare.
const MAX_ENTRY: usize = 15 << 20;

enum Interrupted {
    Journal(JournalError),
    Ledger(LedgerError),
}

impl From<JournalError> for Interrupted {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl From<LedgerError> for Interrupted {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

/// Puts a delivery in its place. Of two with one sequence number the newer can be acknowledged, and the older says since
/// when it is here.
fn take(waiting: &mut Waiting, delivery: Box<dyn Delivery>) {
    let place = waiting.get(&delivery.sequence());
    let since = place.map_or_else(Instant::now, |(since, _)| *since);
    waiting.insert(delivery.sequence(), (since, delivery));
}
