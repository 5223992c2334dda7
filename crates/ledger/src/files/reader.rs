//! Reading a ledger that somebody else may be writing.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use portcullis_merkle::{Checkpoint, Proof, ProofError};

use super::blocks::Blocks;
use super::segment::{self, Frames, Layout, corrupt};
use super::signing::Kept;
use super::tree::TreeFile;
use super::verify::{self, Verified, Verify};
use crate::search::{Query, Rows};
use crate::{Flaw, LedgerError, Reveal, Row};

/// A ledger as it was when this was opened. Writes nothing and takes no lock.
pub struct LedgerReader {
    layout: Layout,
    segments: Vec<Blocks>,
    unfinished: u64,
    reveal: Option<Arc<dyn Reveal>>,
}

impl LedgerReader {
    /// Opens the ledger in the folder `root`. Reads what the kept maps do not cover: at most the last
    /// segment, normally.
    ///
    /// # Errors
    /// If there is no ledger, or where it is broken before its unfinished end.
    pub fn open(root: &Path) -> Result<Self, LedgerError> {
        let layout = Layout::new(root);
        let (firsts, _) = layout.segments()?;
        let (mut segments, mut unfinished, mut expected) = (Vec::new(), 0, 1);
        for &first in &firsts {
            let io = LedgerError::io("read a segment");
            let length = fs::metadata(layout.segment(first)).map_err(io)?.len();
            let last = firsts.last() == Some(&first);
            if last && length < segment::HEADER {
                unfinished = length;
                break;
            }
            if first != expected {
                return Err(corrupt(first, 0, Some(expected), Flaw::Sequence));
            }
            let mut blocks =
                Blocks::load(&layout, first, length).unwrap_or_else(|| Blocks::new(first));
            match blocks.extend(&layout, length) {
                // Another process may be writing just there; `check` is what tells damage from that.
                Err(LedgerError::Corrupt { .. }) if last => unfinished = length - blocks.end(),
                read => read?,
            }
            expected = blocks.next_seq();
            segments.push(blocks);
        }
        Ok(Self { layout, segments, unfinished, reveal: None })
    }

    /// Reads what is sealed, too: rows that are found carry it, and text is looked for in it.
    #[must_use]
    pub fn revealing(mut self, reveal: Arc<dyn Reveal>) -> Self {
        self.reveal = Some(reveal);
        self
    }

    /// The number of the last entry; 0 in an empty ledger.
    pub fn last_seq(&self) -> u64 {
        self.segments.last().map_or(0, |blocks| blocks.next_seq() - 1)
    }

    /// Bytes at the end that are no whole entry: one that is just being written, a torn write, or damage.
    pub fn unfinished(&self) -> u64 {
        self.unfinished
    }

    /// Finds entries. Reads while it is iterated: block by block.
    pub fn search(&self, query: Query) -> Rows {
        Rows::new(&self.layout, &self.segments, query, self.reveal.clone())
    }

    /// Reads every byte of the record and names the first broken entry: see [`Verify`]. What is unfinished
    /// at the end is broken, unless a writer is at work.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] with the first broken entry, or [`LedgerError::NotAsSigned`].
    pub fn verify(root: &Path, verify: &Verify<'_>) -> Result<Verified, LedgerError> {
        verify::verify(&Layout::new(root), verify)
    }

    /// How many bytes of entries [`LedgerReader::verify`] will read: for a progress bar.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn bytes(root: &Path) -> Result<u64, LedgerError> {
        verify::bytes(&Layout::new(root))
    }

    /// The checkpoints that the record itself keeps, the oldest first; their signatures are not checked.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] if the file is damaged.
    pub fn checkpoints(&self) -> Result<Vec<Checkpoint>, LedgerError> {
        let mut all = Vec::new();
        Kept::read(&self.layout, |_, checkpoint| all.push(checkpoint.clone()))?;
        Ok(all)
    }

    /// Proves to somebody who has the public key alone that a row is in the record that `checkpoint` signed.
    ///
    /// # Errors
    /// If the record cannot be read; the inner error if the checkpoint is older than the row, or does not
    /// fit the record.
    pub fn prove(
        &self,
        row: &Row,
        checkpoint: &Checkpoint,
    ) -> Result<Result<Proof, ProofError>, LedgerError> {
        let Some(tree) = TreeFile::open(&self.layout)? else {
            return Ok(Err(ProofError::Unreadable));
        };
        let Some(bytes) = self.frame(row.seq)? else { return Ok(Err(ProofError::NotCovered)) };
        Ok(Proof::make(row.seq - 1, &bytes, checkpoint, &tree))
    }

    /// The bytes of an entry as they stand in the record.
    fn frame(&self, seq: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        let found = self
            .segments
            .iter()
            .find_map(|blocks| blocks.holding(seq).map(|block| (blocks.first, *block)));
        let Some((segment, block)) = found else { return Ok(None) };
        let mut frames = Frames::open(&self.layout, segment, block.offset, block.end)?;
        for _ in block.first_seq..seq {
            frames.advance()?;
        }
        Ok(frames.advance()?.map(|placed| placed.frame.bytes.to_vec()))
    }
}

/// Whether a writer holds the lock now.
pub(super) fn is_live(layout: &Layout) -> bool {
    File::open(layout.lock())
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}
