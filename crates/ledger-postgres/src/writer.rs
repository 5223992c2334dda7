//! What the one writer does in the database: a batch, the lease, a checkpoint, each only while it is the writer.

use std::collections::HashMap;
use std::time::Instant;

use portcullis_ledger::{Appended, Flaw, LedgerError, Record};
use portcullis_merkle::{Checkpoint, Frontier, TreeError};
use sqlx::PgConnection;
use tokio::sync::watch;

use crate::batch::Batch;
use crate::error::{broken, database, is_there, late};
use crate::lease::{self, WriterOptions, milliseconds};
use crate::tree::{self, TREE};
use crate::values::{signed, unsigned};
use crate::{Address, checkpoints};

/// Why a writer is none any more.
const TAKEN: &str = "another writer has taken over";

/// How often a batch that finds the record other than it believed looks again.
const TRIES: usize = 5;

/// All of a batch, or nothing: only while the epoch is the writer's own and the record has the size that it
/// believes. One statement is one transaction, and leaves none open when its writer dies.
const STORE: &str = "
    WITH mine AS (
        UPDATE head SET size = $1, journal_seq = $2, until = clock_timestamp() + $3 * interval '1 millisecond'
        WHERE epoch = $4 AND size = $5 RETURNING 1
    ), stored AS (
        INSERT INTO entries (seq, key, journal_seq, at, bot, kind, frame)
        SELECT * FROM UNNEST($6::bigint[], $7::bytea[], $8::bigint[], $9::timestamptz[], $10::text[],
            $11::text[], $12::bytea[])
        WHERE EXISTS (SELECT FROM mine)
    ), grown AS (
        INSERT INTO tree (first, hashes)
        SELECT $13, $14 WHERE EXISTS (SELECT FROM mine) AND length($14::bytea) > 0
    )
    SELECT EXISTS (SELECT FROM mine)";

/// What the writer knows, and how it asks the database.
pub(crate) struct Writer {
    pub(crate) address: Address,
    pub(crate) options: WriterOptions,
    /// Absent while a statement is under way and after one that failed.
    pub(crate) connection: Option<PgConnection>,
    pub(crate) epoch: i64,
    pub(crate) frontier: Frontier,
    pub(crate) journal_seq: u64,
    pub(crate) newest: Option<Checkpoint>,
    pub(crate) unsigned_since: Option<Instant>,
    /// What is in memory may not be what is stored.
    pub(crate) stale: bool,
    pub(crate) fenced: bool,
    pub(crate) renewed: Instant,
    pub(crate) position: watch::Sender<(u64, u64)>,
    pub(crate) checkpoint: watch::Sender<Option<Checkpoint>>,
    pub(crate) answers: watch::Sender<bool>,
}

/// What became of a batch.
enum Outcome {
    Stored,
    /// Some of its keys are there already.
    There,
    /// The record is not what the writer believed, or not its own.
    Moved,
}

/// The edge of the tree of so many entries.
pub(crate) async fn restore(
    connection: &mut PgConnection,
    size: u64,
) -> Result<Frontier, LedgerError> {
    let restored = tree::compute(connection, |kept| Frontier::restore(size, kept)).await?;
    restored.map_err(|_: TreeError| broken(TREE, None, Flaw::Tree))
}

impl Writer {
    /// Stores records, all or nothing.
    pub(crate) async fn store(&mut self, records: &[Record]) -> Result<Vec<Appended>, LedgerError> {
        let mut known = HashMap::new();
        for _ in 0..TRIES {
            self.refresh().await?;
            let clock = self.options.clock.clone();
            let batch = Batch::build(records, &self.frontier, self.journal_seq, &known, &*clock)?;
            if batch.seqs.is_empty() && batch.journal_seq == self.journal_seq {
                return Ok(self.stored(batch));
            }
            let begun = clock.instant();
            match self.commit(&batch).await? {
                Outcome::Stored => {
                    let took = clock.instant() - begun;
                    metrics::histogram!("portcullis_audit_commit_seconds")
                        .record(took.as_secs_f64());
                    metrics::histogram!("portcullis_audit_batch_entries")
                        .record(batch.seqs.len() as f64);
                    return Ok(self.stored(batch));
                }
                Outcome::There => {
                    let keys = batch.keys.iter().map(|key| key.to_vec()).collect();
                    known.extend(self.look_up(keys).await?);
                }
                Outcome::Moved => self.stale = true,
            }
        }
        let why = "holds another record with each look".into();
        Err(LedgerError::Database { doing: "store entries", why })
    }

    fn stored(&mut self, batch: Batch<'_>) -> Vec<Appended> {
        metrics::counter!("portcullis_audit_duplicates_total").increment(batch.duplicates);
        if let Some(lag) = batch.lag {
            metrics::gauge!("portcullis_audit_lag_seconds").set(lag);
        }
        (self.frontier, self.journal_seq) = (batch.frontier, batch.journal_seq);
        self.publish();
        batch.answers
    }

    fn publish(&self) {
        let size = self.frontier.size();
        metrics::gauge!("portcullis_audit_ledger_position").set(size as f64);
        self.position.send_replace((size, self.journal_seq));
    }

    /// Asks the database something within the time. Whoever stops waiting leaves no half-used connection behind.
    async fn ask<T>(
        &mut self,
        doing: &'static str,
        what: impl AsyncFnOnce(&mut PgConnection) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let asked = async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => self.address.connect_to_write().await?,
            };
            let answer = what(&mut connection).await?;
            Ok((answer, connection))
        };
        let asked = tokio::time::timeout(self.address.longest(), asked).await;
        let asked = asked.map_err(late(doing)).and_then(|asked| asked);
        self.answers
            .send_if_modified(|answers| std::mem::replace(answers, asked.is_ok()) != asked.is_ok());
        let (answer, connection) = asked.inspect_err(|_| self.stale = true)?;
        self.connection = Some(connection);
        Ok(answer)
    }

    /// Brings what is in memory up to what is stored, where that may differ.
    pub(crate) async fn refresh(&mut self) -> Result<(), LedgerError> {
        if self.fenced {
            return Err(LedgerError::Fenced);
        }
        if !self.stale && self.connection.is_some() {
            return Ok(());
        }
        let (epoch, have) = (self.epoch, self.frontier.size());
        let found = self
            .ask("read the head", async move |connection| {
                let head = lease::head(connection).await?;
                if head.epoch != epoch || head.size == have {
                    return Ok((head, None));
                }
                if head.size < have {
                    // Somebody put an older copy in the place of the record.
                    let size = have;
                    return Err(LedgerError::NotAsSigned { size, good: 0, entries: head.size });
                }
                Ok((head, Some(restore(connection, head.size).await?)))
            })
            .await;
        let (head, frontier) = found?;
        if head.epoch != self.epoch {
            return Err(self.fence(TAKEN));
        }
        if let Some(frontier) = frontier {
            self.frontier = frontier;
        }
        self.journal_seq = head.journal_seq;
        self.stale = false;
        self.publish();
        Ok(())
    }

    pub(crate) fn fence(&mut self, why: &'static str) -> LedgerError {
        if !self.fenced {
            self.fenced = true;
            tracing::warn!(epoch = self.epoch, why, "no longer the writer");
            metrics::counter!("portcullis_audit_fenced_total").increment(1);
            metrics::gauge!("portcullis_audit_active").set(0.0);
        }
        LedgerError::Fenced
    }

    async fn commit(&mut self, batch: &Batch<'_>) -> Result<Outcome, LedgerError> {
        let (epoch, expected) = (self.epoch, signed(self.frontier.size()));
        let lease = milliseconds(self.options.lease);
        // Until there is an answer nobody knows what is stored.
        self.stale = true;
        let outcome = self
            .ask("store entries", async |connection| {
                let answer: Result<bool, sqlx::Error> = sqlx::query_scalar(STORE)
                    .bind(signed(batch.frontier.size()))
                    .bind(signed(batch.journal_seq))
                    .bind(lease)
                    .bind(epoch)
                    .bind(expected)
                    .bind(&batch.seqs)
                    .bind(batch.keys.iter().map(|key| &**key).collect::<Vec<&[u8]>>())
                    .bind(&batch.journal_seqs)
                    .bind(&batch.ats)
                    .bind(&batch.bots)
                    .bind(batch.kinds.iter().map(|kind| &**kind).collect::<Vec<&str>>())
                    .bind(batch.frames())
                    .bind(signed(batch.first_hash))
                    .bind(&batch.hashes)
                    .fetch_one(connection)
                    .await;
                match answer {
                    Ok(true) => Ok(Outcome::Stored),
                    Ok(false) => Ok(Outcome::Moved),
                    Err(error) if is_there(&error) => Ok(Outcome::There),
                    Err(error) => Err(database("store entries")(error)),
                }
            })
            .await?;
        self.stale = matches!(outcome, Outcome::Moved);
        if matches!(outcome, Outcome::Stored) {
            self.renewed = self.options.clock.instant();
        }
        Ok(outcome)
    }

    /// The numbers of those keys that are stored.
    async fn look_up(&mut self, keys: Vec<Vec<u8>>) -> Result<Vec<(Vec<u8>, u64)>, LedgerError> {
        let doing = "look for entries";
        let found: Vec<(Vec<u8>, i64)> = self
            .ask(doing, async move |connection| {
                sqlx::query_as("SELECT key, seq FROM entries WHERE key = ANY($1)")
                    .bind(keys)
                    .fetch_all(connection)
                    .await
                    .map_err(database(doing))
            })
            .await?;
        Ok(found.into_iter().map(|(key, seq)| (key, unsigned(seq))).collect())
    }

    pub(crate) async fn keep_up(&mut self) -> Result<(), LedgerError> {
        self.refresh().await?;
        if self.options.clock.instant() - self.renewed >= self.options.lease / 3 {
            let (epoch, lease) = (self.epoch, self.options.lease);
            let renewed = self.ask("renew the lease", async move |connection| {
                lease::renew(connection, epoch, lease).await
            });
            if !renewed.await? {
                return Err(self.fence(TAKEN));
            }
            self.renewed = self.options.clock.instant();
        }
        self.sign(false).await
    }

    /// Signs a checkpoint where one is due; `all` signs whatever is not signed.
    pub(crate) async fn sign(&mut self, all: bool) -> Result<(), LedgerError> {
        let Some(signing) = self.options.signing.clone() else { return Ok(()) };
        self.refresh().await?;
        let now = self.options.clock.instant();
        let size = self.frontier.size();
        let unsigned = size - self.newest.as_ref().map_or(0, |newest| newest.size).min(size);
        metrics::gauge!("portcullis_audit_unsigned_entries").set(unsigned as f64);
        if unsigned == 0 {
            self.unsigned_since = None;
            return Ok(());
        }
        let since = *self.unsigned_since.get_or_insert(now);
        if !all && unsigned < signing.entries && now - since < signing.within {
            return Ok(());
        }
        let checkpoint = signing
            .signer
            .sign(size, self.frontier.root())
            .map_err(|_| LedgerError::Refused("checkpoint not signed"))?;
        let (epoch, kept) = (self.epoch, checkpoint.clone());
        let mine = self.ask("keep a checkpoint", async move |connection| {
            checkpoints::keep(connection, epoch, &kept).await
        });
        if !mine.await? {
            return Err(self.fence(TAKEN));
        }
        metrics::counter!("portcullis_audit_checkpoints_total").increment(1);
        metrics::gauge!("portcullis_audit_unsigned_entries").set(0.0);
        self.newest = Some(checkpoint.clone());
        self.unsigned_since = None;
        self.checkpoint.send_replace(Some(checkpoint));
        Ok(())
    }
}
