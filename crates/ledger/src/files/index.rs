//! Which ids are stored, and where: a redb table that can be rebuilt from the segments.
//!
//! Commits follow the sync of the segment, so that the index never knows more than the disk; most are
//! not synced themselves, and after a crash the index catches up from the segments.

use std::path::Path;

use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};

use super::record::Payload;
use super::segment::{Frames, Layout, corrupt};
use crate::{Flaw, LedgerError};

/// id → number, segment, offset.
const IDS: TableDefinition<'_, &str, (u64, u64, u64)> = TableDefinition::new("ids");
/// Key 0 → the position up to which everything is in the index.
const META: TableDefinition<'_, u8, (u64, u64, u64, u64, u64)> = TableDefinition::new("meta1");

const CACHE: usize = 16 << 20;
const CATCH_UP: usize = 20_000;

/// How far the index has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The segment of the last entry.
    pub(crate) segment: u64,
    /// Where that entry begins.
    pub(crate) last: u64,
    /// Where the next one will begin.
    pub(crate) end: u64,
    /// The number of the next one.
    pub(crate) next_seq: u64,
    /// The highest sequence number of the journal that was stored.
    pub(crate) journal_seq: u64,
}

/// The index.
pub(crate) struct Index {
    db: Database,
}

/// Changes that become visible together.
pub(crate) struct Changes {
    txn: WriteTransaction,
}

impl Index {
    /// Opens the index, or makes an empty one.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE);
        let index = Self { db: builder.create(path).map_err(LedgerError::index)? };
        let read = index.db.begin_read().map_err(LedgerError::index)?;
        if read.open_table(IDS).is_err() || read.open_table(META).is_err() {
            let changes = index.begin(true)?;
            changes.txn.open_table(IDS).map_err(LedgerError::index)?;
            changes.txn.open_table(META).map_err(LedgerError::index)?;
            changes.txn.commit().map_err(LedgerError::index)?;
        }
        drop(read);
        Ok(index)
    }

    /// How far it has come; `None` if it is empty.
    pub(crate) fn position(&self) -> Result<Option<Position>, LedgerError> {
        let txn = self.db.begin_read().map_err(LedgerError::index)?;
        let table = txn.open_table(META).map_err(LedgerError::index)?;
        let found = table.get(0).map_err(LedgerError::index)?;
        Ok(found.map(|found| {
            let (segment, last, end, next_seq, journal_seq) = found.value();
            Position { segment, last, end, next_seq, journal_seq }
        }))
    }

    /// The number of the entry with this id.
    pub(crate) fn find(&self, id: &str) -> Result<Option<u64>, LedgerError> {
        let txn = self.db.begin_read().map_err(LedgerError::index)?;
        let table = txn.open_table(IDS).map_err(LedgerError::index)?;
        let found = table.get(id).map_err(LedgerError::index)?;
        Ok(found.map(|found| found.value().0))
    }

    /// Begins a set of changes; with `durable`, their commit and all earlier ones are on the disk when
    /// it returns.
    pub(crate) fn begin(&self, durable: bool) -> Result<Changes, LedgerError> {
        let mut txn = self.db.begin_write().map_err(LedgerError::index)?;
        let durability = if durable { Durability::Immediate } else { Durability::None };
        txn.set_durability(durability).map_err(LedgerError::index)?;
        Ok(Changes { txn })
    }

    /// Makes every earlier commit durable.
    pub(crate) fn sync(&self) -> Result<(), LedgerError> {
        self.begin(true)?.txn.commit().map_err(LedgerError::index)
    }

    /// Whether what the index knows last stands in the segments.
    pub(crate) fn fits(&self, layout: &Layout, position: &Position) -> bool {
        let check = || -> Option<bool> {
            let mut frames =
                Frames::open(layout, position.segment, position.last, position.end).ok()?;
            let placed = frames.advance().ok()??;
            let payload = Payload::read(placed.frame.payload)?;
            let known = self.find(&payload.id()?).ok()?;
            let seq = payload.seq;
            Some(
                seq + 1 == position.next_seq
                    && known == Some(seq)
                    && frames.offset() == position.end,
            )
        };
        check() == Some(true)
    }

    /// Adds everything in the segments after `from` and returns the new position and how many entries
    /// were added. `end` is where the last segment ends. Whoever is stopped on the way goes on from there.
    pub(crate) fn catch_up(
        &self,
        layout: &Layout,
        from: Option<Position>,
        segments: &[u64],
        end: u64,
    ) -> Result<(Option<Position>, u64), LedgerError> {
        let (mut position, mut added) = (from, 0);
        for &first in segments.iter().filter(|first| from.is_none_or(|at| **first >= at.segment)) {
            let end = if segments.last() == Some(&first) {
                end
            } else {
                let io = LedgerError::io("read a segment");
                std::fs::metadata(layout.segment(first)).map_err(io)?.len()
            };
            let begin = position.filter(|at| at.segment == first).map_or(0, |at| at.end);
            let mut frames = Frames::open(layout, first, begin, end)?;
            // What the last segment holds may not be on the disk yet.
            let (durable, mut more) = (segments.last() != Some(&first), true);
            while more {
                let changes = self.begin(durable)?;
                more = changes.take(&mut frames, first, &mut position, &mut added)?;
                if let Some(position) = &position {
                    changes.commit(position)?;
                }
            }
        }
        if added > 0 {
            self.sync()?;
        }
        Ok((position, added))
    }
}

impl Changes {
    /// Adds an id; gives back the number of the entry that has it already.
    pub(crate) fn insert(
        &self,
        id: &str,
        seq: u64,
        segment: u64,
        offset: u64,
    ) -> Result<Option<u64>, LedgerError> {
        let mut ids = self.txn.open_table(IDS).map_err(LedgerError::index)?;
        if let Some(known) = ids.get(id).map_err(LedgerError::index)? {
            return Ok(Some(known.value().0));
        }
        ids.insert(id, (seq, segment, offset)).map_err(LedgerError::index)?;
        Ok(None)
    }

    /// Makes the changes visible, together with the position that they lead to.
    pub(crate) fn commit(self, position: &Position) -> Result<(), LedgerError> {
        let Position { segment, last, end, next_seq, journal_seq } = *position;
        self.txn
            .open_table(META)
            .map_err(LedgerError::index)?
            .insert(0, (segment, last, end, next_seq, journal_seq))
            .map_err(LedgerError::index)?;
        self.txn.commit().map_err(LedgerError::index)
    }

    /// Takes the next frames into the index; says whether there may be more.
    fn take(
        &self,
        frames: &mut Frames,
        first: u64,
        position: &mut Option<Position>,
        added: &mut u64,
    ) -> Result<bool, LedgerError> {
        for _ in 0..CATCH_UP {
            let seq = position.map_or(1, |at| at.next_seq);
            let Some(placed) = frames.advance()? else { return Ok(false) };
            let flaw = |flaw| corrupt(first, placed.offset, Some(seq), flaw);
            let payload = Payload::read(placed.frame.payload).ok_or_else(|| flaw(Flaw::Payload))?;
            if payload.seq != seq {
                return Err(flaw(Flaw::Sequence));
            }
            let id = payload.id().ok_or_else(|| flaw(Flaw::Payload))?;
            self.insert(&id, seq, first, placed.offset)?;
            let journal_seq = position.map_or(0, |at| at.journal_seq);
            *position = Some(Position {
                segment: first,
                last: placed.offset,
                end: placed.offset + placed.frame.size(),
                next_seq: seq + 1,
                journal_seq: journal_seq.max(payload.journal_seq.unwrap_or(0)),
            });
            *added += 1;
        }
        Ok(true)
    }
}
