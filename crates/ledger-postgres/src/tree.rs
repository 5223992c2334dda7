//! The kept hashes of the tree: those that a computation asks for, fetched together.

use std::cell::RefCell;
use std::collections::HashMap;

use portcullis_ledger::{Flaw, LedgerError};
use portcullis_merkle::{HASH_SIZE, Hash, HashReader, TreeError};
use sqlx::PgConnection;

use crate::error::{broken, database};
use crate::values::{signed, unsigned};

/// The table of the hashes.
pub(crate) const TREE: &str = "tree";

/// Knows some hashes, and remembers which others were asked for.
pub(crate) struct Known<'a> {
    hashes: &'a HashMap<u64, Hash>,
    missing: RefCell<Vec<u64>>,
}

impl HashReader for Known<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, TreeError> {
        let mut missing = self.missing.borrow_mut();
        missing.extend(indexes.iter().filter(|at| !self.hashes.contains_key(at)));
        if !missing.is_empty() {
            return Err(TreeError::IndexesNotInTree);
        }
        Ok(indexes.iter().filter_map(|at| self.hashes.get(at).copied()).collect())
    }
}

/// What `compute` makes of the kept hashes. It is called again until it has all that it asks for.
///
/// # Errors
/// [`LedgerError::Corrupt`] if a hash that it asks for is not kept.
pub(crate) async fn compute<T>(
    connection: &mut PgConnection,
    compute: impl Fn(&Known<'_>) -> T,
) -> Result<T, LedgerError> {
    let mut hashes = HashMap::new();
    loop {
        let (made, missing) = {
            let known = Known { hashes: &hashes, missing: RefCell::default() };
            let made = compute(&known);
            (made, known.missing.into_inner())
        };
        if missing.is_empty() {
            return Ok(made);
        }
        fetch(connection, &missing, &mut hashes).await?;
        if let Some(lost) = missing.iter().find(|at| !hashes.contains_key(at)) {
            tracing::error!(hash = lost, "hash of the tree not kept");
            return Err(broken(TREE, None, Flaw::Tree));
        }
    }
}

/// Reads hashes by their numbers ([`portcullis_merkle::stored_hash_index`]); what is not there stays absent.
pub(crate) async fn fetch(
    connection: &mut PgConnection,
    indexes: &[u64],
    into: &mut HashMap<u64, Hash>,
) -> Result<(), LedgerError> {
    let wanted: Vec<i64> = indexes.iter().map(|at| signed(*at)).collect();
    let found: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT wanted.at, substring(kept.hashes FROM ((wanted.at - kept.first) * 32 + 1)::int FOR 32)
         FROM UNNEST($1::bigint[]) AS wanted(at)
         CROSS JOIN LATERAL (
             SELECT first, hashes FROM tree WHERE first <= wanted.at ORDER BY first DESC LIMIT 1
         ) AS kept",
    )
    .bind(wanted)
    .fetch_all(connection)
    .await
    .map_err(database("read the tree"))?;
    for (at, hash) in found {
        if let Ok(hash) = <[u8; HASH_SIZE]>::try_from(hash.as_slice()) {
            into.insert(unsigned(at), Hash(hash));
        }
    }
    Ok(())
}
