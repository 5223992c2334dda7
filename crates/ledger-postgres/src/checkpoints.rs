//! Signed checkpoints in their table: the newest, and whether the record still is what it says.

use portcullis_ledger::{Flaw, LedgerError};
use portcullis_merkle::{Checkpoint, tree_hash};
use sqlx::PgConnection;

use crate::error::{broken, database};
use crate::tree;
use crate::values::{signed, unsigned};

/// The table of the checkpoints.
pub(crate) const CHECKPOINTS: &str = "checkpoints";

/// All that are kept, the oldest first; their signatures are not checked.
pub(crate) async fn all(connection: &mut PgConnection) -> Result<Vec<Checkpoint>, LedgerError> {
    read(connection, "SELECT size, note FROM checkpoints ORDER BY size").await
}

/// The newest one.
pub(crate) async fn newest(
    connection: &mut PgConnection,
) -> Result<Option<Checkpoint>, LedgerError> {
    let newest = "SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1";
    Ok(read(connection, newest).await?.pop())
}

async fn read(
    connection: &mut PgConnection,
    query: &'static str,
) -> Result<Vec<Checkpoint>, LedgerError> {
    let rows: Vec<(i64, String)> = sqlx::query_as(query)
        .fetch_all(connection)
        .await
        .map_err(database("read the checkpoints"))?;
    rows.into_iter()
        .map(|(size, note)| {
            Checkpoint::claimed(&note)
                .ok()
                .filter(|claimed| claimed.size == unsigned(size))
                .ok_or_else(|| broken(CHECKPOINTS, Some(unsigned(size)), Flaw::Signature))
        })
        .collect()
}

/// Keeps one, if its writer is still the writer; `false` if another one is.
pub(crate) async fn keep(
    connection: &mut PgConnection,
    epoch: i64,
    checkpoint: &Checkpoint,
) -> Result<bool, LedgerError> {
    let (mine,): (bool,) = sqlx::query_as(
        "WITH mine AS (SELECT 1 FROM head WHERE epoch = $1 AND size >= $2 FOR UPDATE),
         kept AS (
             INSERT INTO checkpoints (size, note) SELECT $2, $3 WHERE EXISTS (SELECT FROM mine)
             ON CONFLICT (size) DO NOTHING
         )
         SELECT EXISTS (SELECT FROM mine)",
    )
    .bind(epoch)
    .bind(signed(checkpoint.size))
    .bind(&checkpoint.note)
    .fetch_one(connection)
    .await
    .map_err(database("keep a checkpoint"))?;
    Ok(mine)
}

/// Compares the record with its newest checkpoint.
///
/// # Errors
/// [`LedgerError::NotAsSigned`] if it is shorter or leads to another root.
pub(crate) async fn compare(
    connection: &mut PgConnection,
    newest: &Checkpoint,
    entries: u64,
) -> Result<(), LedgerError> {
    let not_as_signed = LedgerError::NotAsSigned { size: newest.size, good: 0, entries };
    if newest.size > entries {
        return Err(not_as_signed);
    }
    let size = newest.size;
    let root = tree::compute(connection, |kept| tree_hash(size, kept)).await?;
    if root.is_ok_and(|root| root == newest.root) { Ok(()) } else { Err(not_as_signed) }
}
