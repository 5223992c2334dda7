//! Evidence: the Merkle tree over a log (RFC 6962), signed checkpoints of it (C2SP `tlog-checkpoint` on
//! C2SP `signed-note`, Ed25519), and proofs that one entry is in it. No I/O.
//!
//! [`Frontier`] grows a tree and gives its root. [`Signer`] signs a [`Checkpoint`], [`PublicKey`] reads
//! one. [`Proof`] carries one entry to somebody who has nothing else.

mod checkpoint;
mod frontier;
#[cfg(test)]
mod kept;
mod proof;

pub use checkpoint::{Checkpoint, CheckpointError, KeyError, PublicKey, Signer, notes};
pub use frontier::Frontier;
pub use proof::{Proof, ProofError};
pub use tlog_tiles::tlog::{
    Error as TreeError, HASH_SIZE, Hash, HashReader, record_hash as leaf_hash, stored_hash_count,
    stored_hash_index, tree_hash,
};
