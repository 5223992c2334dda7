//! A coarse map of each segment: for every run of entries its place in the file, its numbers, its
//! times and a filter of its bots; and of each entry 16 bits of its id. Search reads only the blocks that can hold what is
//! asked.
//!
//! Kept beside the index as `<segment>.blocks`; a missing or damaged file is made again.

use std::fs;
use std::hash::BuildHasher;

use jiff::Timestamp;

use super::record::Payload;
use super::segment::{self, Frames, Layout, corrupt};
use crate::{Flaw, LedgerError};

const MAGIC: u64 = u64::from_le_bytes(*b"PLBLOCK2");
const ENTRIES: u64 = 256;
const BYTES: u64 = 256 << 10;
/// Numbers of a block, and those before the blocks.
const WORDS: usize = 7;
const HEAD: usize = 3;

/// A run of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    /// Where it begins in the segment.
    pub(crate) offset: u64,
    /// One past its last byte.
    pub(crate) end: u64,
    /// Number of its first entry.
    pub(crate) first_seq: u64,
    /// Number after its last entry.
    pub(crate) next_seq: u64,
    /// Earliest time in it, in microseconds since 1970.
    pub(crate) min_at: i64,
    /// Latest time in it.
    pub(crate) max_at: i64,
    /// One bit for each bot in it (several bots may share one); entries without a bot set all.
    pub(crate) bots: u64,
}

/// The map of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocks {
    /// Number of the segment's first entry.
    pub(crate) first: u64,
    /// The runs, in order and without holes.
    pub(crate) list: Vec<Block>,
    /// What is kept of each entry's id, in order: see [`short`].
    names: Vec<u16>,
}

/// What is kept of an id: 16 bits of the CRC-32 of its last part, which is the message's own id.
fn short(id: &str) -> u16 {
    let message = id.rsplit('/').next().unwrap_or(id);
    (crc32fast::hash(message.as_bytes()) & 0xffff) as u16
}

/// The bit that stands for a bot.
pub(crate) fn bot_bit(bot: &str) -> u64 {
    1 << (foldhash::fast::FixedState::with_seed(0).hash_one(bot) % 64)
}

/// What the map takes from an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    /// Microseconds since 1970.
    pub(crate) at: i64,
    /// See [`Block::bots`].
    pub(crate) bots: u64,
    /// See [`short`].
    name: u16,
}

impl Mark {
    pub(crate) fn new(id: &str, at: Timestamp, bot: Option<&str>) -> Self {
        Self { at: at.as_microsecond(), bots: bot.map_or(u64::MAX, bot_bit), name: short(id) }
    }

    fn of(payload: &Payload<'_>) -> Self {
        match payload.head() {
            Some(head) => Self::new(&head.id, head.at, Some(&head.bot)),
            None => Self::new(&payload.id().unwrap_or_default(), payload.stored_at, None),
        }
    }
}

impl Blocks {
    /// The map of an empty segment.
    pub(crate) fn new(first: u64) -> Self {
        Self { first, list: Vec::new(), names: Vec::new() }
    }

    /// Bytes of the segment that the map covers.
    pub(crate) fn end(&self) -> u64 {
        self.list.last().map_or(segment::HEADER, |block| block.end)
    }

    /// The number after the last entry that the map covers.
    pub(crate) fn next_seq(&self) -> u64 {
        self.list.last().map_or(self.first, |block| block.next_seq)
    }

    /// Adds the entry that stands after what is covered and takes `size` bytes.
    pub(crate) fn push(&mut self, size: u64, mark: Mark) {
        let (offset, seq) = (self.end(), self.next_seq());
        self.names.push(mark.name);
        match self.list.last_mut() {
            Some(block)
                if block.next_seq - block.first_seq < ENTRIES
                    && block.end - block.offset < BYTES =>
            {
                block.end += size;
                block.next_seq += 1;
                block.min_at = block.min_at.min(mark.at);
                block.max_at = block.max_at.max(mark.at);
                block.bots |= mark.bots;
            }
            _ => self.list.push(Block {
                offset,
                end: offset + size,
                first_seq: seq,
                next_seq: seq + 1,
                min_at: mark.at,
                max_at: mark.at,
                bots: mark.bots,
            }),
        }
    }

    /// Whether an entry with this id, or with this last part of its id, may be in the block.
    pub(crate) fn may_hold(&self, block: &Block, id: &str) -> bool {
        let at = |seq: u64| usize::try_from(seq - self.first).unwrap_or(usize::MAX);
        let names = self.names.get(at(block.first_seq)..at(block.next_seq));
        names.is_none_or(|names| names.contains(&short(id)))
    }

    /// Takes over what another map of the same segment has beyond the last block of this one.
    pub(crate) fn catch_up(&mut self, other: &Self) {
        let settled = self.list.len().saturating_sub(1);
        self.list.truncate(settled);
        self.list.extend_from_slice(other.list.get(settled..).unwrap_or_default());
        self.names.extend_from_slice(other.names.get(self.names.len()..).unwrap_or_default());
    }

    /// The block that holds the entry with this number.
    pub(crate) fn holding(&self, seq: u64) -> Option<&Block> {
        let at = self.list.partition_point(|block| block.next_seq <= seq);
        self.list.get(at).filter(|block| block.first_seq <= seq)
    }

    /// Reads what is not covered yet, up to byte `end`.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] at the first frame that is broken or out of sequence.
    pub(crate) fn extend(&mut self, layout: &Layout, end: u64) -> Result<(), LedgerError> {
        let mut frames = Frames::open(layout, self.first, self.end(), end)?;
        while let Some(placed) = frames.advance()? {
            let seq = self.next_seq();
            let flaw = |flaw| corrupt(self.first, placed.offset, Some(seq), flaw);
            let payload = Payload::read(placed.frame.payload).ok_or_else(|| flaw(Flaw::Payload))?;
            if payload.seq != seq {
                return Err(flaw(Flaw::Sequence));
            }
            self.push(placed.frame.size(), Mark::of(&payload));
        }
        Ok(())
    }

    /// Reads the kept map of a segment, if it is whole and covers no more than `end` bytes.
    pub(crate) fn load(layout: &Layout, first: u64, end: u64) -> Option<Self> {
        let bytes = fs::read(path(layout, first)).ok()?;
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(body).to_le_bytes() != *crc {
            return None;
        }
        let (head, rest) = body.split_at_checked(HEAD * 8)?;
        let words = |bytes: &[u8]| -> Vec<u64> {
            let words = bytes.chunks_exact(8).filter_map(|word| word.try_into().ok());
            words.map(u64::from_le_bytes).collect()
        };
        let [MAGIC, named, count] = *words(head).as_slice() else { return None };
        if named != first {
            return None;
        }
        let size = usize::try_from(count).ok()?.checked_mul(WORDS * 8)?;
        let (runs, names) = rest.split_at_checked(size)?;
        let list: Vec<Block> = words(runs)
            .chunks_exact(WORDS)
            .filter_map(|words| match *words {
                [offset, end, first_seq, next_seq, min_at, max_at, bots] => Some(Block {
                    offset,
                    end,
                    first_seq,
                    next_seq,
                    min_at: min_at.cast_signed(),
                    max_at: max_at.cast_signed(),
                    bots,
                }),
                _ => None,
            })
            .collect();
        let names = names.chunks_exact(2).filter_map(|name| name.try_into().ok());
        let names = names.map(u16::from_le_bytes).collect();
        Some(Self { first, list, names }).filter(|blocks| blocks.end() <= end)
    }

    /// Keeps the map. Not synced: the checksum tells a half-written one.
    pub(crate) fn store(&self, layout: &Layout) -> Result<(), LedgerError> {
        let head = [MAGIC, self.first, self.list.len() as u64];
        let words = head.into_iter().chain(self.list.iter().flat_map(|block| {
            [
                block.offset,
                block.end,
                block.first_seq,
                block.next_seq,
                block.min_at.cast_unsigned(),
                block.max_at.cast_unsigned(),
                block.bots,
            ]
        }));
        let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        bytes.extend(self.names.iter().flat_map(|name| name.to_le_bytes()));
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        let (path, io) = (path(layout, self.first), LedgerError::io("write the map of a segment"));
        let draft = path.with_extension("draft");
        fs::write(&draft, bytes).map_err(&io)?;
        fs::rename(&draft, &path).map_err(&io)
    }
}

fn path(layout: &Layout, first: u64) -> std::path::PathBuf {
    layout.index().join(format!("{first:020}.blocks"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_map_reads_as_written_and_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        fs::create_dir_all(layout.index()).unwrap();
        let mut blocks = Blocks::new(10);
        for at in 0..600 {
            blocks.push(
                100,
                Mark {
                    at: -at,
                    bots: 1 << (at % 3),
                    name: short(&format!("verdict/shop/inbound/{at}")),
                },
            );
        }
        assert_eq!(blocks.list.len(), 3);
        assert_eq!(blocks.next_seq(), 610);
        assert_eq!(blocks.holding(266).map(|block| block.first_seq), Some(266));
        assert_eq!(blocks.holding(610), None);
        let may = |id: &str| blocks.list.iter().map(|b| blocks.may_hold(b, id)).collect::<Vec<_>>();
        assert_eq!(may("300"), [false, true, false]);
        assert_eq!(may("verdict/shop/inbound/7"), [true, false, false]);
        blocks.store(&layout).unwrap();
        assert_eq!(Blocks::load(&layout, 10, blocks.end()), Some(blocks.clone()));
        assert_eq!(Blocks::load(&layout, 10, blocks.end() - 1), None);
        let path = path(&layout, 10);
        let mut bytes = fs::read(&path).unwrap();
        bytes[40] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(Blocks::load(&layout, 10, u64::MAX), None);
    }
}
