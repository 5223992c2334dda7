//! A proof that an entry is in a log, which can be checked with the log's public key and nothing else.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use tlog_tiles::tlog::{Hash, HashReader, check_record, prove_record, record_hash};

use crate::{Checkpoint, CheckpointError, PublicKey};

const FORMAT: &str = "portcullis-proof/1";

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not a proof of this form.
    #[error("not a proof of the form {FORMAT}")]
    Format,
    /// The entry is not among those that the checkpoint covers.
    #[error("the checkpoint does not cover the entry")]
    NotCovered,
    /// The kept hashes could not be read.
    #[error("the tree could not be read")]
    Unreadable,
    /// The checkpoint is not believed.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Entry, path and checkpoint do not fit together: something was changed.
    #[error("the entry is not in the log that was signed")]
    Mismatch,
}

/// An entry, its path to the root, and the signed root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// What this is: `portcullis-proof/1`.
    pub format: String,
    /// The entry's place in the log, from 0.
    pub index: u64,
    /// The bytes whose hash is the leaf, in base64.
    pub leaf: String,
    /// The hashes beside the way from the leaf to the root, from below (RFC 6962, section 2.1.1), in base64.
    pub path: Vec<String>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

impl Proof {
    /// Makes the proof for the entry at `index` under a checkpoint.
    ///
    /// # Errors
    /// [`ProofError::NotCovered`] if the checkpoint is older than the entry; [`ProofError::Mismatch`] if
    /// the kept hashes do not lead from these bytes to the signed root.
    pub fn make(
        index: u64,
        leaf: &[u8],
        checkpoint: &Checkpoint,
        tree: &impl HashReader,
    ) -> Result<Self, ProofError> {
        if index >= checkpoint.size {
            return Err(ProofError::NotCovered);
        }
        let path =
            prove_record(checkpoint.size, index, tree).map_err(|_| ProofError::Unreadable)?;
        check_record(&path, checkpoint.size, checkpoint.root, index, record_hash(leaf))
            .map_err(|_| ProofError::Mismatch)?;
        Ok(Self {
            format: FORMAT.to_owned(),
            index,
            leaf: BASE64_STANDARD.encode(leaf),
            path: path.iter().map(Hash::to_string).collect(),
            checkpoint: checkpoint.note.clone(),
        })
    }

    /// Checks everything and gives the entry's bytes and the checkpoint that vouches for them.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn check(&self, key: &PublicKey) -> Result<(Vec<u8>, Checkpoint), ProofError> {
        if self.format != FORMAT {
            return Err(ProofError::Format);
        }
        let checkpoint = key.open(&self.checkpoint)?;
        if self.index >= checkpoint.size {
            return Err(ProofError::NotCovered);
        }
        let leaf = BASE64_STANDARD.decode(&self.leaf).map_err(|_| ProofError::Format)?;
        let path = self
            .path
            .iter()
            .map(|hash| Hash::parse_hash(hash))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| ProofError::Format)?;
        check_record(&path, checkpoint.size, checkpoint.root, self.index, record_hash(&leaf))
            .map_err(|_| ProofError::Mismatch)?;
        Ok((leaf, checkpoint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kept::Kept;
    use crate::{Frontier, Signer};

    #[test]
    fn every_entry_of_every_small_log_is_proven_and_no_other() {
        let signer = Signer::parse(&Signer::generate("log").unwrap()).unwrap();
        let key = PublicKey::parse(signer.public()).unwrap();
        let (mut frontier, mut kept) = (Frontier::new(), Kept(Vec::new()));
        for size in 1..20_u64 {
            frontier.push(record_hash(&[size as u8 - 1]), |hash| kept.0.push(hash));
            let checkpoint = signer.sign(size, frontier.root()).unwrap();
            for index in 0..size {
                let proof = Proof::make(index, &[index as u8], &checkpoint, &kept).unwrap();
                assert_eq!(proof.check(&key).unwrap(), (vec![index as u8], checkpoint.clone()));
                let wrong = Proof::make(index, &[99], &checkpoint, &kept);
                assert_eq!(wrong, Err(ProofError::Mismatch));
                for other in [
                    Proof { index: index + 1, ..proof.clone() },
                    Proof { leaf: BASE64_STANDARD.encode([99]), ..proof.clone() },
                    Proof { path: vec![frontier.root().to_string(); 7], ..proof.clone() },
                    Proof { format: "other".into(), ..proof.clone() },
                    Proof { checkpoint: proof.checkpoint.replace("log", "lug"), ..proof },
                ] {
                    assert!(other.check(&key).is_err());
                }
            }
            let late = Proof::make(size, &[0], &checkpoint, &kept);
            assert_eq!(late, Err(ProofError::NotCovered));
        }
    }
}
