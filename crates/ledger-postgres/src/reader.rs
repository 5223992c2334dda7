//! Reading the record beside its writer: searching, verifying, proving.

use std::sync::Arc;

use portcullis_ledger::{LedgerError, Query, Reveal, Row, Verified};
use portcullis_merkle::{Checkpoint, Proof, ProofError};
use sqlx::PgPool;
use sqlx::pool::PoolConnection;
use sqlx::postgres::Postgres;

use crate::error::database;
use crate::search::Rows;
use crate::values::{signed, unsigned};
use crate::verify::{self, Against};
use crate::{Address, checkpoints, tree};

/// Reads a record in PostgreSQL.
#[derive(Clone)]
pub struct PostgresReader {
    pool: PgPool,
    reveal: Option<Arc<dyn Reveal>>,
}

impl PostgresReader {
    /// Reads over this many connections; it connects when it first needs one. To be called within a Tokio runtime.
    pub fn new(address: &Address, connections: u32) -> Self {
        Self { pool: address.pool(connections), reveal: None }
    }

    /// Reads what is sealed, too: rows that are found carry it, and text is looked for in it.
    #[must_use]
    pub fn revealing(mut self, reveal: Arc<dyn Reveal>) -> Self {
        self.reveal = Some(reveal);
        self
    }

    /// The number of the last entry; 0 in an empty record.
    ///
    /// # Errors
    /// If the database cannot be reached or holds no record.
    pub async fn last_seq(&self) -> Result<u64, LedgerError> {
        let size: i64 = sqlx::query_scalar("SELECT size FROM head")
            .fetch_one(&self.pool)
            .await
            .map_err(database("read the head"))?;
        Ok(unsigned(size))
    }

    /// Finds entries: page by page.
    pub fn search(&self, query: Query) -> Rows {
        Rows::new(self.pool.clone(), query, self.reveal.clone())
    }

    /// Reads every entry, hash and checkpoint and names the first broken entry.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] with the first broken entry, or [`LedgerError::NotAsSigned`].
    pub async fn verify(&self, against: &Against<'_>) -> Result<Verified, LedgerError> {
        verify::verify(&self.pool, against).await
    }

    /// The checkpoints that the record itself keeps, the oldest first; their signatures are not checked.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn checkpoints(&self) -> Result<Vec<Checkpoint>, LedgerError> {
        checkpoints::all(&mut *self.connection().await?).await
    }

    /// Proves to somebody who has the public key alone that a row is in the record that `checkpoint` signed.
    ///
    /// # Errors
    /// If the record cannot be read; the inner error if the checkpoint is older than the row, or does not
    /// fit the record.
    pub async fn prove(
        &self,
        row: &Row,
        checkpoint: &Checkpoint,
    ) -> Result<Result<Proof, ProofError>, LedgerError> {
        let mut connection = self.connection().await?;
        let frame: Option<Vec<u8>> = sqlx::query_scalar("SELECT frame FROM entries WHERE seq = $1")
            .bind(signed(row.seq))
            .fetch_optional(&mut *connection)
            .await
            .map_err(database("read an entry"))?;
        let Some(frame) = frame else { return Ok(Err(ProofError::NotCovered)) };
        let index = row.seq.saturating_sub(1);
        tree::compute(&mut connection, |kept| Proof::make(index, &frame, checkpoint, kept)).await
    }

    async fn connection(&self) -> Result<PoolConnection<Postgres>, LedgerError> {
        self.pool.acquire().await.map_err(database("connect"))
    }
}
