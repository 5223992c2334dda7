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
use super::signing::Kept;
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
    /// Opens the tree: takes over what the newest of the checkpoints vouches for, and makes the rest from the segments.
    ///
    /// # Errors
    /// [`LedgerError::NotAsSigned`] where the entries do not lead to the signed root; nothing is changed then.
    pub(super) fn open(
        layout: &Layout,
        segments: &[Blocks],
        newest: Option<&Checkpoint>,
    ) -> Result<Self, LedgerError> {
        let (unreadable, io) = (unreadable, LedgerError::io("open the tree"));
        let kept = TreeFile::open(layout)?;
        let frontier = match (kept, newest) {
            (Some(kept), Some(newest)) if newest.size <= entries(segments) && kept.fits(newest) => {
                Frontier::restore(newest.size, &kept).map_err(unreadable)?
            }
            (_, Some(newest)) => {
                refuse_unless_signed(layout, segments, newest.size)?;
                Frontier::new()
            }
            (_, None) => Frontier::new(),
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
        let size = tree.size();
        each_after(layout, segments, size, |leaf| {
            tree.add(leaf);
            if tree.pending.len() >= CHUNK { tree.write() } else { Ok(()) }
        })?;
        tree.write()?;
        Ok(tree)
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

fn entries(segments: &[Blocks]) -> u64 {
    segments.last().map_or(0, |blocks| blocks.next_seq() - 1)
}

/// The hash of each entry after the first `size`, in order.
fn each_after(
    layout: &Layout,
    segments: &[Blocks],
    size: u64,
    mut take: impl FnMut(Hash) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    let mut next = size + 1;
    for blocks in segments {
        let Some(block) = blocks.holding(next) else { continue };
        let mut seq = block.first_seq;
        let mut frames = Frames::open(layout, blocks.first, block.offset, blocks.end())?;
        while let Some(placed) = frames.advance()? {
            if seq >= next {
                take(leaf_hash(placed.frame.bytes))?;
                next = seq + 1;
            }
            seq += 1;
        }
    }
    Ok(())
}

/// Reads every entry and compares with each checkpoint, the newest of which is over `size` entries; writes nothing.
fn refuse_unless_signed(
    layout: &Layout,
    segments: &[Blocks],
    size: u64,
) -> Result<(), LedgerError> {
    let (mut frontier, mut good, mut signed) = (Frontier::new(), 0, Vec::new());
    Kept::read(layout, |_, point| signed.push((point.size, point.root)))?;
    let mut points = signed.into_iter().peekable();
    each_after(layout, segments, 0, |leaf| {
        frontier.push(leaf, |_| {});
        while let Some((size, root)) = points.next_if(|(size, _)| *size <= frontier.size()) {
            let fits = size == frontier.size() && root == frontier.root();
            good = if fits { size } else { good };
        }
        Ok(())
    })?;
    if good == size {
        return Ok(());
    }
    Err(LedgerError::NotAsSigned { size, good, entries: entries(segments) })
}

fn unreadable(_: TreeError) -> LedgerError {
    LedgerError::io("read the tree")(std::io::ErrorKind::UnexpectedEof.into())
}
