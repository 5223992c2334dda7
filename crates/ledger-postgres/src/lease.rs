//! Who writes: a row with an epoch and a time until when nobody else may take over.
//!
//! The time is the database's and only says when to take over; what keeps a writer that was taken over from storing
//! anything is the epoch, which each of its statements asks for in the same row.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Clock, SystemClock};
use portcullis_ledger::{LedgerError, Signing};
use sqlx::PgConnection;

use crate::error::{database, late};
use crate::values::unsigned;
use crate::{Address, PostgresLedger};

/// How a writer writes.
#[derive(Clone)]
pub struct WriterOptions {
    /// What people read as the writer's name.
    pub holder: String,
    /// How long after its last sign of life another may take over.
    pub lease: Duration,
    /// How checkpoints are signed; without it, nothing proves the record against its own writer.
    pub signing: Option<Signing>,
    /// Where the time of storing comes from.
    pub clock: Arc<dyn Clock>,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            holder: "unnamed".into(),
            lease: Duration::from_secs(15),
            signing: None,
            clock: Arc::new(SystemClock),
        }
    }
}

/// What stands in the row when the lease was taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) epoch: i64,
    pub(crate) size: u64,
    pub(crate) journal_seq: u64,
}

/// A writer that waits for its turn, connected.
pub struct Standby {
    address: Address,
    options: WriterOptions,
    connection: Option<PgConnection>,
}

impl Standby {
    /// Connects, and makes schema and tables where they are missing.
    ///
    /// # Errors
    /// [`LedgerError::Database`] if it cannot be reached; [`LedgerError::Format`] if a later release made the
    /// tables.
    pub async fn prepare(address: Address, options: WriterOptions) -> Result<Self, LedgerError> {
        let mut connection = address.connect_to_write().await?;
        let prepared = address.prepare(&mut connection);
        tokio::time::timeout(address.longest(), prepared)
            .await
            .map_err(late("make the tables"))??;
        Ok(Self { address, options, connection: Some(connection) })
    }

    /// Takes the lease if nobody has it, and opens the record for writing.
    ///
    /// # Errors
    /// [`LedgerError::Database`] if that cannot be done now; [`LedgerError::NotAsSigned`] or
    /// [`LedgerError::Corrupt`] if the record is not the one that was signed: nothing is stored on top of that.
    pub async fn take(&mut self) -> Result<Option<PostgresLedger>, LedgerError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.address.connect_to_write().await?,
        };
        let longest = self.address.longest();
        let taken = tokio::time::timeout(longest, take(&mut connection, &self.options));
        let Some(head) = taken.await.map_err(late("take the lease"))?? else {
            self.connection = Some(connection);
            return Ok(None);
        };
        let opened =
            PostgresLedger::open(self.address.clone(), self.options.clone(), &mut connection, head);
        match tokio::time::timeout(longest, opened).await.map_err(late("open the record"))? {
            Ok(open) => {
                tracing::info!(epoch = head.epoch, entries = head.size, "this is the writer now");
                metrics::counter!("portcullis_audit_takeovers_total").increment(1);
                Ok(Some(open.with(connection).await))
            }
            Err(error) => {
                // Whoever comes next need not wait to find the same.
                if let Err(error) = release(&mut connection, head.epoch).await {
                    tracing::warn!(%error, "lease not given back");
                }
                Err(error)
            }
        }
    }

    /// Waits until the lease is free and takes it. A database that is away is waited for; `told` hears with each look
    /// whether it is there.
    ///
    /// # Errors
    /// As [`Standby::take`], but not [`LedgerError::Database`] and [`LedgerError::Full`].
    pub async fn wait(
        &mut self,
        mut told: impl FnMut(bool),
    ) -> Result<PostgresLedger, LedgerError> {
        let pause =
            (self.options.lease / 10).clamp(Duration::from_millis(10), Duration::from_secs(1));
        loop {
            match self.take().await {
                Ok(Some(ledger)) => return Ok(ledger),
                Ok(None) => told(true),
                Err(error @ (LedgerError::Database { .. } | LedgerError::Full)) => {
                    told(false);
                    tracing::warn!(%error, "standing by without the database");
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
        }
    }
}

async fn take(
    connection: &mut PgConnection,
    options: &WriterOptions,
) -> Result<Option<Head>, LedgerError> {
    let taken: Option<(i64, i64, i64)> = sqlx::query_as(
        "UPDATE head SET epoch = epoch + 1, holder = $1,
             until = clock_timestamp() + $2 * interval '1 millisecond'
         WHERE until < clock_timestamp() RETURNING epoch, size, journal_seq",
    )
    .bind(&options.holder)
    .bind(milliseconds(options.lease))
    .fetch_optional(connection)
    .await
    .map_err(database("take the lease"))?;
    Ok(taken.map(|(epoch, size, journal_seq)| Head {
        epoch,
        size: unsigned(size),
        journal_seq: unsigned(journal_seq),
    }))
}

/// Holds the lease for longer; `false` if another one has it.
pub(crate) async fn renew(
    connection: &mut PgConnection,
    epoch: i64,
    lease: Duration,
) -> Result<bool, LedgerError> {
    let renewed = sqlx::query(
        "UPDATE head SET until = clock_timestamp() + $2 * interval '1 millisecond' WHERE epoch = $1",
    )
    .bind(epoch)
    .bind(milliseconds(lease))
    .execute(connection)
    .await
    .map_err(database("renew the lease"))?;
    Ok(renewed.rows_affected() == 1)
}

/// Lets the next one take over at once.
pub(crate) async fn release(connection: &mut PgConnection, epoch: i64) -> Result<(), LedgerError> {
    sqlx::query("UPDATE head SET until = '-infinity' WHERE epoch = $1")
        .bind(epoch)
        .execute(connection)
        .await
        .map_err(database("give the lease back"))?;
    Ok(())
}

/// What stands in the row now.
pub(crate) async fn head(connection: &mut PgConnection) -> Result<Head, LedgerError> {
    let (epoch, size, journal_seq): (i64, i64, i64) =
        sqlx::query_as("SELECT epoch, size, journal_seq FROM head")
            .fetch_one(connection)
            .await
            .map_err(database("read the head"))?;
    Ok(Head { epoch, size: unsigned(size), journal_seq: unsigned(journal_seq) })
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
