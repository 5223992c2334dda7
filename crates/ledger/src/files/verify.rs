//! Reading every byte of the record, in parallel, and holding it against what was signed.
//!
//! Threads read segments and hash their frames; one place then grows the tree in order, compares each hash
//! with the kept one, and the root with each checkpoint.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use portcullis_merkle::{
    Checkpoint, Frontier, HASH_SIZE, Hash, HashReader, PublicKey, leaf_hash, stored_hash_count,
    stored_hash_index,
};

use super::reader::is_live;
use super::record::Payload;
use super::segment::{Frames, Layout, TREE, corrupt};
use super::signing::{Kept, broken};
use super::tree::TreeFile;
use crate::{Flaw, LedgerError};

/// What the record is verified against. Without checkpoints from elsewhere it can only be consistent in
/// itself: whoever writes it could have rewritten and signed all of it.
#[derive(Clone, Copy)]
pub struct Verify<'a> {
    /// The key that the record's own checkpoints must be signed with; without it their signatures are not
    /// looked at.
    pub key: Option<&'a PublicKey>,
    /// Checkpoints kept outside the writer's reach, checked already. The more, the nearer to a broken entry.
    pub kept_elsewhere: &'a [Checkpoint],
    /// Is told how many bytes have been read since the last call. Called from several threads.
    pub progress: &'a (dyn Fn(u64) + Sync),
    /// Threads that read; 0 takes as many as there are processors.
    pub threads: usize,
}

impl Default for Verify<'_> {
    fn default() -> Self {
        Self { key: None, kept_elsewhere: &[], progress: &|_| {}, threads: 0 }
    }
}

/// What was found: the record is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Entries read, the ledger's own remarks among them.
    pub entries: u64,
    /// Segments read.
    pub segments: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Bytes at the end that a writer at work has not finished.
    pub unfinished: u64,
    /// Checkpoints that the record keeps, each of which fits.
    pub checkpoints: u64,
    /// Entries that they cover: those after are not signed yet.
    pub signed: u64,
    /// Entries that a checkpoint from elsewhere covers.
    pub proven: u64,
}

/// What a thread made of a segment: the hashes of its entries, up to what is broken.
struct Hashed {
    leaves: Vec<Hash>,
    bytes: u64,
    broken: Option<LedgerError>,
}

/// See [`Verify`].
pub(super) fn verify(layout: &Layout, verify: &Verify<'_>) -> Result<Verified, LedgerError> {
    // What is signed was on the disk before: read in this order, a writer at work does not disturb.
    let live = is_live(layout);
    let mut list = Vec::new();
    let own = Kept::read(layout, |at, kept| list.push((at, kept.clone())))?;
    if own.length > own.end && !live {
        return Err(broken(own.end, Flaw::Short));
    }
    if let Some(key) = verify.key
        && let Some((at, _)) = list.iter().find(|(_, kept)| key.open(&kept.note).is_err())
    {
        return Err(broken(*at, Flaw::Signature));
    }
    let (firsts, foreign) = layout.segments()?;
    if let Some(file) = foreign.into_iter().next() {
        return Err(LedgerError::Corrupt { file, offset: 0, seq: None, flaw: Flaw::Foreign });
    }
    let next = AtomicUsize::new(0);
    let threads = match verify.threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads => threads,
    };
    std::thread::scope(|scope| {
        // Bounded: a slow reader of the front must not make the others pile up hashes.
        let (send, hashed) = mpsc::sync_channel(2);
        for _ in 0..threads.min(firsts.len()) {
            let (send, firsts, next) = (send.clone(), &firsts, &next);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&first) = firsts.get(at) else { return };
                    let read = hash(layout, first, verify.progress);
                    if send.send((at, read)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut judge = Judge::new(layout, (&own, &list), verify, live)?;
        let mut early = BTreeMap::new();
        let mut turn = 0;
        while turn < firsts.len() {
            let read = match early.remove(&turn) {
                Some(read) => read,
                None => match hashed.recv() {
                    Ok((at, read)) if at == turn => read,
                    Ok((at, read)) => {
                        early.insert(at, read);
                        continue;
                    }
                    Err(_) => return Err(LedgerError::Stopped),
                },
            };
            let first = firsts.get(turn).copied().unwrap_or(0);
            turn += 1;
            judge.take(first, read, turn == firsts.len())?;
        }
        judge.end()
    })
}

/// Reads a segment from its first byte to its last.
fn hash(layout: &Layout, first: u64, progress: &(dyn Fn(u64) + Sync)) -> Hashed {
    let mut hashed = Hashed { leaves: Vec::new(), bytes: 0, broken: None };
    hashed.broken = hash_all(layout, first, progress, &mut hashed).err();
    hashed
}

fn hash_all(
    layout: &Layout,
    first: u64,
    progress: &(dyn Fn(u64) + Sync),
    hashed: &mut Hashed,
) -> Result<(), LedgerError> {
    let io = LedgerError::io("read a segment");
    let length = fs::metadata(layout.segment(first)).map_err(io)?.len();
    hashed.bytes = length;
    let mut frames = Frames::open(layout, first, 0, length)?;
    let mut told = 0;
    loop {
        let seq = first + hashed.leaves.len() as u64;
        let placed = match frames.advance() {
            Ok(Some(placed)) => placed,
            Ok(None) => break,
            Err(LedgerError::Corrupt { file, offset, flaw, .. }) => {
                return Err(LedgerError::Corrupt { file, offset, seq: Some(seq), flaw });
            }
            Err(error) => return Err(error),
        };
        let (offset, leaf) = (placed.offset, leaf_hash(placed.frame.bytes));
        let flaw = |flaw| corrupt(first, offset, Some(seq), flaw);
        let payload = Payload::read(placed.frame.payload)
            .filter(|payload| payload.id().is_some())
            .ok_or_else(|| flaw(Flaw::Payload))?;
        let found = payload.seq;
        if found != seq {
            let after = frames.advance().ok().flatten();
            let after = after.and_then(|placed| Some(Payload::read(placed.frame.payload)?.seq));
            return Err(flaw(misplaced(seq, found, after)));
        }
        hashed.leaves.push(leaf);
        if frames.offset() - told >= 1 << 20 {
            progress(frames.offset() - told);
            told = frames.offset();
        }
    }
    progress(length - told);
    Ok(())
}

/// What happened where entry `found` stands in the place of entry `seq`, by the one that comes after it.
fn misplaced(seq: u64, found: u64, after: Option<u64>) -> Flaw {
    match after {
        Some(after) if found > seq && after == seq => Flaw::Reordered,
        _ if found > seq => Flaw::Removed,
        _ => Flaw::Added,
    }
}

/// Holds the entries, in order, against tree and checkpoints.
struct Judge<'a> {
    layout: &'a Layout,
    frontier: Frontier,
    tree: Option<BufReader<fs::File>>,
    tree_bytes: u64,
    /// Size → root, and whether it comes from elsewhere.
    points: BTreeMap<u64, Vec<(Hash, bool)>>,
    good: u64,
    /// The first entry whose hash is not the kept one.
    unlike: Option<(u64, u64)>,
    live: bool,
    done: Verified,
}

impl<'a> Judge<'a> {
    fn new(
        layout: &'a Layout,
        (own, list): (&Kept, &[(u64, Checkpoint)]),
        verify: &Verify<'_>,
        live: bool,
    ) -> Result<Self, LedgerError> {
        let mut points: BTreeMap<u64, Vec<(Hash, bool)>> = BTreeMap::new();
        let (mut signed, mut proven) = (0, 0);
        for (at, kept) in list {
            if kept.size < signed {
                return Err(broken(*at, Flaw::Sequence));
            }
            points.entry(kept.size).or_default().push((kept.root, false));
            signed = kept.size;
        }
        for kept in verify.kept_elsewhere {
            points.entry(kept.size).or_default().push((kept.root, true));
            proven = proven.max(kept.size);
        }
        let io = LedgerError::io("read the tree");
        let (tree, tree_bytes) = match fs::File::open(layout.tree()) {
            Ok(file) => {
                let bytes = file.metadata().map_err(&io)?.len();
                (Some(BufReader::with_capacity(1 << 20, file)), bytes)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (None, 0),
            Err(error) => return Err(io(error)),
        };
        let done = Verified {
            entries: 0,
            segments: 0,
            bytes: own.length,
            unfinished: 0,
            checkpoints: list.len() as u64,
            signed,
            proven,
        };
        let frontier = Frontier::new();
        Ok(Self { layout, frontier, tree, tree_bytes, points, good: 0, unlike: None, live, done })
    }

    fn take(&mut self, first: u64, hashed: Hashed, last: bool) -> Result<(), LedgerError> {
        if first != self.frontier.size() + 1 {
            return Err(corrupt(first, 0, Some(self.frontier.size() + 1), Flaw::Removed));
        }
        let count = hashed.leaves.len() as u64;
        for leaf in hashed.leaves {
            self.leaf(first, leaf)?;
        }
        self.done.segments += 1;
        self.done.bytes += hashed.bytes;
        match hashed.broken {
            None => Ok(()),
            // A writer may be at work just there.
            Some(LedgerError::Corrupt { offset, flaw: Flaw::Short | Flaw::Magic, .. })
                if last && self.live && first + count > self.done.signed =>
            {
                self.done.unfinished = hashed.bytes.saturating_sub(offset);
                Ok(())
            }
            Some(error) => Err(error),
        }
    }

    fn leaf(&mut self, segment: u64, leaf: Hash) -> Result<(), LedgerError> {
        let seq = self.frontier.size() + 1;
        let (tree, mut same, mut failed) = (&mut self.tree, true, None);
        let mut kept = stored_hash_index(0, seq - 1) * HASH_SIZE as u64;
        let end = self.tree_bytes;
        self.frontier.push(leaf, |hash| {
            kept += HASH_SIZE as u64;
            if kept > end || failed.is_some() {
                return;
            }
            let mut bytes = [0; HASH_SIZE];
            match tree.as_mut().map(|tree| tree.read_exact(&mut bytes)) {
                Some(Err(error)) => failed = Some(error),
                _ => same &= bytes == hash.0,
            }
        });
        if let Some(error) = failed {
            return Err(LedgerError::io("read the tree")(error));
        }
        if !same && self.unlike.is_none() {
            self.unlike = Some((segment, seq));
        }
        let Some(points) = self.points.get(&seq) else { return Ok(()) };
        let fits = points.iter().all(|(root, _)| *root == self.frontier.root());
        match self.unlike {
            None if fits => {
                self.good = seq;
                Ok(())
            }
            // The entries lead to the signed root: it is the kept hashes that were changed.
            Some((_, seq)) if fits => Err(tree_flaw(seq)),
            Some((segment, unlike)) if self.kept_tree_fits(seq) => {
                Err(corrupt(segment, 0, Some(unlike), self.classify(segment, unlike)))
            }
            _ => Err(LedgerError::NotAsSigned {
                size: seq,
                good: self.good,
                entries: self.entries_at_least(seq),
            }),
        }
    }

    /// Whether the kept hashes lead to the roots that were signed at this size.
    fn kept_tree_fits(&self, size: u64) -> bool {
        let Ok(Some(tree)) = TreeFile::open(self.layout) else { return false };
        let fits = |root: &Hash| tree.fits(&Checkpoint { size, root: *root, note: String::new() });
        self.points.get(&size).is_some_and(|points| points.iter().all(|(root, _)| fits(root)))
    }

    /// What happened to the first entry that is unlike its kept hash, by the hashes after it.
    fn classify(&self, segment: u64, seq: u64) -> Flaw {
        let read = || -> Option<Flaw> {
            let tree = TreeFile::open(self.layout).ok()??;
            let kept = |seq: u64| {
                let read = tree.read_hashes(&[stored_hash_index(0, seq - 1)]).ok()?;
                read.first().copied()
            };
            let hashed = hash(self.layout, segment, &|_| {});
            let found = |seq: u64| hashed.leaves.get((seq - segment) as usize).copied();
            let (here, next) = (found(seq)?, found(seq + 1));
            let (was, was_next) = (kept(seq)?, kept(seq + 1));
            Some(match (next == Some(was), was_next == Some(here)) {
                (true, true) => Flaw::Reordered,
                (true, false) => Flaw::Added,
                (false, true) => Flaw::Removed,
                (false, false) => Flaw::Changed,
            })
        };
        read().unwrap_or(Flaw::Changed)
    }

    fn entries_at_least(&self, size: u64) -> u64 {
        self.frontier.size().max(size)
    }

    fn end(mut self) -> Result<Verified, LedgerError> {
        let entries = self.frontier.size();
        // Not under any checkpoint: which of the two was changed cannot be told.
        if let Some((segment, seq)) = self.unlike {
            return Err(corrupt(segment, 0, Some(seq), Flaw::Changed));
        }
        let last = self.points.keys().next_back().copied().unwrap_or(0);
        if last > entries {
            let firsts = self.layout.segments()?.0;
            let segment = firsts.last().copied().unwrap_or(1);
            return Err(corrupt(segment, 0, Some(entries + 1), Flaw::Removed));
        }
        let whole = stored_hash_count(entries) * HASH_SIZE as u64;
        let signed = stored_hash_count(self.done.signed) * HASH_SIZE as u64;
        if !self.live && self.tree_bytes > whole {
            return Err(tree_flaw(entries + 1));
        }
        if self.tree_bytes < signed
            || !self.live && !self.tree_bytes.is_multiple_of(HASH_SIZE as u64)
        {
            return Err(tree_flaw(entries));
        }
        self.done.entries = entries;
        self.done.bytes += self.tree_bytes;
        Ok(self.done)
    }
}

fn tree_flaw(seq: u64) -> LedgerError {
    let offset = stored_hash_index(0, seq.saturating_sub(1)) * HASH_SIZE as u64;
    LedgerError::Corrupt { file: TREE.to_owned(), offset, seq: Some(seq), flaw: Flaw::Tree }
}

/// How many bytes a verification will read, roughly: for a progress bar.
pub(super) fn bytes(layout: &Layout) -> Result<u64, LedgerError> {
    let io = LedgerError::io("read a segment");
    let mut bytes = 0;
    for first in layout.segments()?.0 {
        bytes += fs::metadata(layout.segment(first)).map_err(&io)?.len();
    }
    Ok(bytes)
}
