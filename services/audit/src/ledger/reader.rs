//! Reading a ledger that somebody else may be writing.

use std::fs::{self, File};
use std::path::Path;

use super::blocks::Blocks;
use super::check::{self, CheckReport};
use super::segment::{self, Layout, corrupt};
use crate::search::{Query, Rows};
use crate::{Flaw, LedgerError};

/// A ledger as it was when this was opened. Writes nothing and takes no lock.
pub struct LedgerReader {
    layout: Layout,
    segments: Vec<Blocks>,
    unfinished: u64,
    live: bool,
}

impl LedgerReader {
    /// Opens the ledger in the folder `root`. Reads what the kept maps do not cover: at most the last
    /// segment, normally.
    ///
    /// # Errors
    /// If there is no ledger, or where it is broken before its unfinished end.
    pub fn open(root: &Path) -> Result<Self, LedgerError> {
        let layout = Layout::new(root);
        let live = is_live(&layout);
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
        Ok(Self { layout, segments, unfinished, live })
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
        Rows::new(&self.layout, &self.segments, query)
    }

    /// Reads every byte of the record and names the first broken entry. What is unfinished at the end is
    /// broken, unless a writer is at work. That shows damage, not a writer that rewrote its own record.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] with the first broken entry.
    pub fn check(&self) -> Result<CheckReport, LedgerError> {
        let report = check::check(&self.layout, &self.segments)?;
        if self.unfinished > 0 && !self.live {
            let first = self.segments.last().map_or(1, |blocks| blocks.first);
            let offset = self.segments.last().map_or(0, Blocks::end);
            return Err(corrupt(first, offset, Some(report.entries + 1), Flaw::Short));
        }
        Ok(CheckReport { unfinished: self.unfinished, ..report })
    }
}

/// Whether a writer holds the lock now.
fn is_live(layout: &Layout) -> bool {
    File::open(layout.lock())
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}
