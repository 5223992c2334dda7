//! Opening for writing: the lock, the torn end, the maps and the index.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use super::blocks::Blocks;
use super::index::{Index, Position};
use super::segment::{self, Frames, Layout, corrupt};
use super::signing::{Checkpoints, Kept, Signing};
use super::tree::Tree;
use super::{frame, writer};
use crate::{Flaw, LedgerError};

/// What opening had to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReport {
    /// Entries in the ledger.
    pub entries: u64,
    /// The torn end that was cut off, if there was one. It held nothing that an append had returned
    /// for, unless the disk itself loses what it has synced.
    pub cut: Option<Cut>,
    /// What became of the index.
    pub index: IndexState,
    /// Entries that the index knew and that the segments no longer have: somebody or something removed
    /// the end of the record, or the index is of another ledger. 0 is normal.
    pub missing: u64,
}

/// A torn end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The file's name within `audit/`.
    pub file: String,
    /// From where on it was cut.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// What opening did with the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexState {
    /// It was up to date.
    Current,
    /// It took in this many entries that it had not known.
    CaughtUp(u64),
    /// It was missing, damaged or of another record, and was made again from this many entries.
    Rebuilt(u64),
}

/// A ledger that is ready for its writer.
pub(super) struct Opened {
    pub(super) layout: Layout,
    pub(super) segments: Vec<Blocks>,
    pub(super) index: Arc<Index>,
    pub(super) next_seq: u64,
    pub(super) journal_seq: u64,
    pub(super) report: OpenReport,
    pub(super) lock: File,
    pub(super) tree: Tree,
    pub(super) checkpoints: Checkpoints,
}

/// See [`super::Ledger::open`].
pub(super) fn open(root: &Path, signing: Option<&Signing>) -> Result<Opened, LedgerError> {
    let layout = Layout::new(root);
    for folder in [layout.audit(), layout.index()] {
        fs::create_dir_all(folder).map_err(LedgerError::io("make the folder"))?;
    }
    let lock = lock(&layout)?;
    let (mut firsts, foreign) = layout.segments()?;
    if !foreign.is_empty() {
        tracing::warn!(
            files = foreign.len(),
            "files in the record's folder that are not the record"
        );
    }
    let kept = Kept::read(&layout, |_, _| {})?;
    kept.check(signing)?;
    let index = Index::open(&index_path(&layout));
    let known = index.as_ref().ok().and_then(|index| index.position().ok().flatten());

    let header = torn_header(&layout, &mut firsts)?;
    let (end, torn) = match firsts.last() {
        Some(&last) => find_end(&layout, last, known.as_ref())?,
        None => (segment::HEADER, 0),
    };
    let mut segments = maps(&layout, &firsts, end)?;
    // Before anything is cut: a record that is refused stays as it was found.
    let tree = Tree::open(&layout, &segments, kept.newest.as_ref())?;
    let cut = cut(&layout, header, firsts.last().map(|&last| (last, end, torn)))?;
    if firsts.is_empty() {
        writer::create_segment(&layout, 1)?;
        firsts.push(1);
        segments.push(Blocks::new(1));
    }
    let next_seq = segments.last().map_or(1, Blocks::next_seq);
    let missing = known.map_or(0, |known| known.next_seq.saturating_sub(next_seq));
    if missing > 0 {
        tracing::error!(entries = missing, "the record is shorter than its index");
    }
    let checkpoints = Checkpoints::open(&layout, kept)?;
    let (index, position, state) = mend_index(&layout, index, known, &firsts, end)?;
    let report = OpenReport { entries: next_seq - 1, cut, index: state, missing };
    let journal_seq = position.map_or(0, |position| position.journal_seq);
    Ok(Opened {
        layout,
        segments,
        index: Arc::new(index),
        next_seq,
        journal_seq,
        report,
        lock,
        tree,
        checkpoints,
    })
}

fn lock(layout: &Layout) -> Result<File, LedgerError> {
    let io = LedgerError::io("lock the ledger");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(layout.lock())
        .map_err(&io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(LedgerError::Locked),
        Err(fs::TryLockError::Error(error)) => Err(io(error)),
    }
}

fn index_path(layout: &Layout) -> std::path::PathBuf {
    layout.index().join("ids.redb")
}

/// Leaves out a last segment whose header was never finished: nothing can have been stored in it.
fn torn_header(layout: &Layout, firsts: &mut Vec<u64>) -> Result<Option<Cut>, LedgerError> {
    let Some(&last) = firsts.last() else { return Ok(None) };
    let (path, io) = (layout.segment(last), LedgerError::io("read a segment"));
    let bytes = fs::metadata(&path).map_err(&io)?.len();
    if bytes > segment::HEADER
        || segment::check_header(&fs::read(&path).map_err(&io)?, last).is_ok()
    {
        return Ok(None);
    }
    firsts.pop();
    Ok(Some(Cut { file: segment::name(last), offset: 0, bytes }))
}

/// Cuts what was found torn: a segment of nothing but a part of its header, and what follows the last whole frame
/// (the segment, where the frame ends, and how many bytes follow).
fn cut(
    layout: &Layout,
    header: Option<Cut>,
    torn: Option<(u64, u64, u64)>,
) -> Result<Option<Cut>, LedgerError> {
    if let Some(header) = &header {
        let path = layout.audit().join(&header.file);
        fs::remove_file(path).map_err(LedgerError::io("cut the torn end"))?;
    }
    let torn = match torn {
        Some((last, end, bytes)) if bytes > 0 => {
            truncate(layout, last, end)?;
            Some(Cut { file: segment::name(last), offset: end, bytes })
        }
        _ => None,
    };
    let cut = torn.or(header);
    if let Some(cut) = &cut {
        tracing::warn!(file = %cut.file, offset = cut.offset, bytes = cut.bytes, "torn end cut off");
    }
    Ok(cut)
}

/// Where the last segment's whole frames end, and how many bytes of a torn write follow.
///
/// A frame that cannot be read is the torn end only if nothing says that it was durable: no later frame
/// vouches for its place, and neither does the index while its bytes are still there.
fn find_end(
    layout: &Layout,
    last: u64,
    known: Option<&Position>,
) -> Result<(u64, u64), LedgerError> {
    let io = LedgerError::io("read a segment");
    let length = fs::metadata(layout.segment(last)).map_err(&io)?.len();
    let mut frames = Frames::open(layout, last, 0, length)?;
    let (offset, broken) = loop {
        match frames.advance() {
            Ok(Some(_)) => {}
            Ok(None) => return Ok((frames.offset(), 0)),
            Err(error @ LedgerError::Corrupt { .. }) => break (frames.offset(), error),
            Err(error) => return Err(error),
        }
    };
    let mut rest = Vec::new();
    let mut file = File::open(layout.segment(last)).map_err(&io)?;
    file.seek(SeekFrom::Start(offset)).map_err(&io)?;
    file.read_to_end(&mut rest).map_err(&io)?;
    let vouched =
        rest.get(1..).and_then(frame::vouched).is_some_and(|synced| u64::from(synced) > offset);
    let indexed = known
        .is_some_and(|known| known.segment == last && known.end > offset && known.end <= length);
    if vouched || indexed { Err(broken) } else { Ok((offset, length - offset)) }
}

fn truncate(layout: &Layout, last: u64, end: u64) -> Result<(), LedgerError> {
    let io = LedgerError::io("cut the torn end");
    let file = OpenOptions::new().write(true).open(layout.segment(last)).map_err(&io)?;
    file.set_len(end).and_then(|()| file.sync_all()).map_err(&io)
}

/// The maps of all segments, kept ones where they fit.
fn maps(layout: &Layout, firsts: &[u64], end: u64) -> Result<Vec<Blocks>, LedgerError> {
    let (mut maps, mut expected) = (Vec::with_capacity(firsts.len()), 1);
    for &first in firsts {
        if first != expected {
            return Err(corrupt(first, 0, Some(expected), Flaw::Sequence));
        }
        let end = if firsts.last() == Some(&first) {
            end
        } else {
            let io = LedgerError::io("read a segment");
            fs::metadata(layout.segment(first)).map_err(io)?.len()
        };
        let mut map = Blocks::load(layout, first, end).unwrap_or_else(|| Blocks::new(first));
        if map.end() < end {
            map.extend(layout, end)?;
            map.store(layout)?;
        }
        expected = map.next_seq();
        maps.push(map);
    }
    Ok(maps)
}

fn mend_index(
    layout: &Layout,
    index: Result<Index, LedgerError>,
    known: Option<Position>,
    firsts: &[u64],
    end: u64,
) -> Result<(Index, Option<Position>, IndexState), LedgerError> {
    let fits = |index: &Index| known.is_some_and(|known| index.fits(layout, &known));
    match index {
        Ok(index) if fits(&index) => {
            let (position, added) = index.catch_up(layout, known, firsts, end)?;
            let state = if added == 0 { IndexState::Current } else { IndexState::CaughtUp(added) };
            Ok((index, position, state))
        }
        unusable => {
            let path = index_path(layout);
            drop(unusable);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(LedgerError::io("remove the old index")(error));
                }
                _ => {}
            }
            let index = Index::open(&path)?;
            let (position, added) = index.catch_up(layout, None, firsts, end)?;
            if added > 0 {
                tracing::warn!(entries = added, "index rebuilt from the record");
            }
            let state = if added == 0 { IndexState::Current } else { IndexState::Rebuilt(added) };
            Ok((index, position, state))
        }
    }
}
