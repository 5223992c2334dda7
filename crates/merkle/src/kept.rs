//! For tests: the hashes of a tree in memory.

use crate::{Hash, HashReader, TreeError};

/// Hashes kept in memory.
pub(crate) struct Kept(pub(crate) Vec<Hash>);

impl HashReader for Kept {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, TreeError> {
        Ok(indexes.iter().map(|at| self.0[*at as usize]).collect())
    }
}
