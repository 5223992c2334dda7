//! The hashes of the Merkle tree on disk: `audit/tree`, 32 bytes a hash, in the order in which they are
//! complete (`portcullis_merkle::stored_hash_index`). It is made again from the segments where it is
//! missing or torn; what a checkpoint has signed is compared with that.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

use portcullis_merkle::{
    Checkpoint, Frontier, HASH_SIZE, Hash, HashReader, TreeError, leaf_hash, stored_hash_count,
    tree_hash,
};

use super::blocks::Blocks;
use super::segment::{Frames, Layout};
use crate::LedgerError;

const SIZE: u64 = HASH_SIZE as u64;
/// Hashes are written when this many bytes have gathered.
const CHUNK: usize = 1 << 20;

/// Reads kept hashes.
pub(crate) struct TreeFile {
    file: File,
    hashes: u64,
}

impl TreeFile {
    /// Opens the file; one that is not there holds nothing.
    pub(crate) fn open(layout: &Layout) -> Result<Option<Self>, LedgerError> {
        let file = match File::open(layout.tree()) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LedgerError::io("read the tree")(error)),
        };
        let hashes = file.metadata().map_err(LedgerError::io("read the tree"))?.len() / SIZE;
        Ok(Some(Self { file, hashes }))
    }

    /// Whether everything is there for a tree of this many entries.
    pub(crate) fn holds(&self, size: u64) -> bool {
        self.hashes >= stored_hash_count(size)
    }

    /// Whether a tree of this many entries is there and has this root.
    pub(crate) fn fits(&self, checkpoint: &Checkpoint) -> bool {
        self.holds(checkpoint.size)
            && tree_hash(checkpoint.size, self).is_ok_and(|root| root == checkpoint.root)
    }
}

impl HashReader for TreeFile {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, TreeError> {
        let read = |index: &u64| {
            let mut hash = [0; HASH_SIZE];
            self.file
                .read_exact_at(&mut hash, index * SIZE)
                .map_err(|_| TreeError::IndexesNotInTree)?;
            Ok(Hash(hash))
        };
        indexes.iter().map(read).collect()
    }
}

/// The tree of the ledger that is being written.
pub(super) struct Tree {
    file: File,
    frontier: Frontier,
    /// Bytes that are in the file.
    written: u64,
    /// Hashes that are not in the file yet.
    pending: Vec<u8>,
}

impl Tree {
    /// Opens the tree for `entries` entries: takes over what the newest checkpoint vouches for, and makes
    /// the rest from the segments.
    ///
    /// # Errors
    /// [`LedgerError::NotAsSigned`] where the entries do not lead to the signed root.
    pub(super) fn open(
        layout: &Layout,
        segments: &[Blocks],
        newest: Option<&Checkpoint>,
    ) -> Result<Self, LedgerError> {
        let entries = segments.last().map_or(0, |blocks| blocks.next_seq() - 1);
        if let Some(newest) = newest
            && newest.size > entries
        {
            return Err(LedgerError::NotAsSigned { size: newest.size, good: 0, entries });
        }
        let (unreadable, io) = (unreadable, LedgerError::io("open the tree"));
        let kept = TreeFile::open(layout)?;
        let frontier = match (kept, newest) {
            (Some(kept), Some(newest)) if kept.fits(newest) => {
                Frontier::restore(newest.size, &kept).map_err(unreadable)?
            }
            _ => Frontier::new(),
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(layout.tree())
            .map_err(&io)?;
        let written = stored_hash_count(frontier.size()) * SIZE;
        file.set_len(written).map_err(&io)?;
        let mut tree = Self { file, frontier, written, pending: Vec::new() };
        tree.catch_up(layout, segments, newest)?;
        tree.write()?;
        Ok(tree)
    }

    fn catch_up(
        &mut self,
        layout: &Layout,
        segments: &[Blocks],
        newest: Option<&Checkpoint>,
    ) -> Result<(), LedgerError> {
        for blocks in segments {
            let Some(block) = blocks.holding(self.size() + 1) else { continue };
            let mut seq = block.first_seq;
            let mut frames = Frames::open(layout, blocks.first, block.offset, blocks.end())?;
            while let Some(placed) = frames.advance()? {
                if seq > self.size() {
                    self.add(leaf_hash(placed.frame.bytes));
                    if newest.is_some_and(|newest| self.differs(newest)) {
                        let entries = segments.last().map_or(0, |last| last.next_seq() - 1);
                        return Err(LedgerError::NotAsSigned {
                            size: self.size(),
                            good: 0,
                            entries,
                        });
                    }
                    if self.pending.len() >= CHUNK {
                        self.write()?;
                    }
                }
                seq += 1;
            }
        }
        Ok(())
    }

    fn differs(&self, checkpoint: &Checkpoint) -> bool {
        self.size() == checkpoint.size && self.root() != checkpoint.root
    }

    /// Adds an entry's hash, in memory.
    pub(super) fn add(&mut self, leaf: Hash) {
        let pending = &mut self.pending;
        self.frontier.push(leaf, |hash| pending.extend_from_slice(&hash.0));
    }

    /// Entries in the tree.
    pub(super) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root over all of them.
    pub(super) fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Writes what was added. What cannot be written now stays in memory for the next time.
    pub(super) fn write(&mut self) -> Result<(), LedgerError> {
        self.file
            .write_all_at(&self.pending, self.written)
            .map_err(LedgerError::io("write the tree"))?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Writes and syncs.
    pub(super) fn sync(&mut self) -> Result<(), LedgerError> {
        self.write()?;
        self.file.sync_data().map_err(LedgerError::io("sync the tree"))
    }
}

fn unreadable(_: TreeError) -> LedgerError {
    LedgerError::io("read the tree")(std::io::ErrorKind::UnexpectedEof.into())
}
