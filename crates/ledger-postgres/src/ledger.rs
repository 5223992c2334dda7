//! The record, open for writing: one writer, until another one has taken over.

use std::time::Duration;

use async_trait::async_trait;
use portcullis_ledger::{Appended, Flaw, LedgerError, Record, Store};
use portcullis_merkle::Checkpoint;
use sqlx::{Connection, PgConnection};
use tokio::sync::{Mutex, watch};

use crate::error::{broken, database, late};
use crate::lease::{self, Head, WriterOptions};
use crate::values::unsigned;
use crate::writer::{Writer, restore};
use crate::{Address, checkpoints};

/// Records and bytes that one statement stores at most.
const RECORDS: usize = 4096;
const BYTES: usize = 16 << 20;

/// The record, open for writing.
pub struct PostgresLedger {
    writer: Mutex<Writer>,
    lease: Duration,
    longest: Duration,
    /// Number of the last entry and of the last journal sequence number.
    position: watch::Receiver<(u64, u64)>,
    checkpoint: watch::Receiver<Option<Checkpoint>>,
    answers: watch::Receiver<bool>,
}

impl PostgresLedger {
    /// Opens what the lease was taken for.
    pub(crate) async fn open(
        address: Address,
        options: WriterOptions,
        connection: &mut PgConnection,
        head: Head,
    ) -> Result<Self, LedgerError> {
        let last: Option<i64> = sqlx::query_scalar("SELECT max(seq) FROM entries")
            .fetch_one(&mut *connection)
            .await
            .map_err(database("open the record"))?;
        let last = last.map_or(0, unsigned);
        if last != head.size {
            let flaw = if last < head.size { Flaw::Removed } else { Flaw::Added };
            return Err(broken("entries", Some(last.min(head.size) + 1), flaw));
        }
        let newest = checkpoints::newest(connection).await?;
        if let Some(newest) = &newest {
            let signing = options.signing.as_ref();
            if signing.is_some_and(|signing| !signing.signer.has_signed(newest)) {
                return Err(LedgerError::OtherKey { size: newest.size });
            }
            checkpoints::compare(connection, newest, head.size).await?;
        }
        let frontier = restore(connection, head.size).await?;
        metrics::gauge!("portcullis_audit_ledger_position").set(head.size as f64);
        metrics::gauge!("portcullis_audit_active").set(1.0);
        let (lease, longest) = (options.lease, address.longest());
        let writer = Writer {
            renewed: options.clock.instant(),
            address,
            options,
            connection: None,
            epoch: head.epoch,
            frontier,
            journal_seq: head.journal_seq,
            position: watch::Sender::new((head.size, head.journal_seq)),
            checkpoint: watch::Sender::new(newest.clone()),
            answers: watch::Sender::new(true),
            newest,
            unsigned_since: None,
            stale: false,
            fenced: false,
        };
        Ok(Self {
            lease,
            longest,
            position: writer.position.subscribe(),
            checkpoint: writer.checkpoint.subscribe(),
            answers: writer.answers.subscribe(),
            writer: Mutex::new(writer),
        })
    }

    pub(crate) async fn with(self, connection: PgConnection) -> Self {
        self.writer.lock().await.connection = Some(connection);
        self
    }

    /// The number of the last entry that is stored; 0 in an empty record.
    pub fn last_seq(&self) -> u64 {
        self.position.borrow().0
    }

    /// The newest signed checkpoint, now and later: for those who publish it.
    pub fn checkpoints(&self) -> watch::Receiver<Option<Checkpoint>> {
        self.checkpoint.clone()
    }

    /// Whether the database did what it was last asked.
    pub fn answers(&self) -> watch::Receiver<bool> {
        self.answers.clone()
    }

    /// Holds the lease and signs what is due, until another writer has taken over, or the lease has run out without the
    /// database: then another one may be about to. While the database is away for less than that it goes on trying.
    pub async fn keep_up(&self) -> LedgerError {
        let pause = (self.lease / 6).clamp(Duration::from_millis(10), Duration::from_secs(1));
        loop {
            tokio::time::sleep(pause).await;
            let mut writer = self.writer.lock().await;
            match writer.keep_up().await {
                Ok(()) => {}
                Err(LedgerError::Fenced) => return LedgerError::Fenced,
                Err(error) => {
                    tracing::warn!(%error, "lease or checkpoint not kept");
                    if writer.options.clock.instant() - writer.renewed >= self.lease {
                        return writer.fence("the lease has run out without the database");
                    }
                }
            }
        }
    }

    /// Signs what is not signed, and lets the next writer take over at once.
    ///
    /// # Errors
    /// If the database cannot be reached: then the lease ends by itself.
    pub async fn close(&self) -> Result<(), LedgerError> {
        let mut writer = self.writer.lock().await;
        metrics::gauge!("portcullis_audit_active").set(0.0);
        writer.sign(true).await?;
        let epoch = writer.epoch;
        writer.refresh().await?;
        writer.fenced = true;
        let Some(mut connection) = writer.connection.take() else { return Ok(()) };
        let released = tokio::time::timeout(self.longest, lease::release(&mut connection, epoch));
        released.await.map_err(late("give the lease back"))??;
        // The lease is free: what the server says to a goodbye changes nothing.
        let _ = connection.close().await;
        Ok(())
    }
}

#[async_trait]
impl Store for PostgresLedger {
    /// With an error the first of the records may be stored. [`LedgerError::Fenced`] is for good.
    async fn append_all(&self, records: Vec<Record>) -> Result<Vec<Appended>, LedgerError> {
        let mut appended = Vec::with_capacity(records.len());
        let mut rest = records.as_slice();
        let mut writer = self.writer.lock().await;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(portion(rest));
            appended.extend(writer.store(part).await?);
            rest = after;
        }
        Ok(appended)
    }

    fn last_journal_seq(&self) -> u64 {
        self.position.borrow().1
    }
}

/// How many of the records go into one statement.
fn portion(records: &[Record]) -> usize {
    let mut bytes = 0;
    let fitting = records.iter().take(RECORDS).take_while(|record| {
        bytes += record.weight();
        bytes <= BYTES
    });
    fitting.count().max(1)
}
