//! The ledger: append-only segments, one writer thread that syncs once a batch, and what readers in
//! this process share with it.

pub(crate) mod blocks;
pub(crate) mod index;
pub(crate) mod open;
pub(crate) mod positions;
mod queue;
pub(crate) mod reader;
pub(crate) mod signing;
pub(crate) mod tree;
pub(crate) mod verify;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use portcullis_core::{Clock, SystemClock};
pub(crate) use portcullis_frames::{frame, record, segment};
use portcullis_merkle::Checkpoint;
use tokio::sync::watch;

use self::blocks::Blocks;
use self::index::Index;
use self::positions::Positions;
use self::queue::Queue;
use self::record::{Payload, Row};
use self::segment::Layout;
use crate::search::{Query, Rows};
use crate::{LedgerError, OpenReport, Record, Signing, Verified, Verify};

/// When what was appended is forced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Once a batch, before the appends of that batch return.
    Batch,
    /// At most this long after an append has returned: a loss of power may take that much.
    Within(Duration),
    /// When the system likes: a loss of power may take whatever the system had not written.
    System,
}

/// How a ledger writes.
#[derive(Clone)]
pub struct LedgerOptions {
    /// When what was appended is forced to the disk.
    pub fsync: Fsync,
    /// A segment that has this many bytes is followed by a new one. At most 1 GiB is used.
    pub segment_bytes: u64,
    /// Where the time of storing comes from.
    pub clock: Arc<dyn Clock>,
    /// How checkpoints are signed; without it, nothing proves the record against its own writer.
    pub signing: Option<Signing>,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        Self {
            fsync: Fsync::Batch,
            segment_bytes: 64 << 20,
            clock: Arc::new(SystemClock),
            signing: None,
        }
    }
}

/// What became of an append. Either way the entry is in the ledger, under this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It was stored now.
    Stored(u64),
    /// An entry with the same id was there before.
    AlreadyThere(u64),
}

impl Appended {
    /// The number of the entry in the ledger.
    pub fn seq(self) -> u64 {
        match self {
            Self::Stored(seq) | Self::AlreadyThere(seq) => seq,
        }
    }
}

/// The record in files. It is the only writer of its folder; dropping it writes what is queued.
pub struct Ledger {
    shared: Arc<Shared>,
    index: Arc<Index>,
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

/// What the writer tells readers in this process: only what is durable by the chosen policy.
pub(crate) struct Shared {
    pub(crate) layout: Layout,
    segments: Mutex<Vec<Blocks>>,
    /// Number of the last entry and of the last journal sequence number.
    position: watch::Sender<(u64, u64)>,
    /// The newest signed checkpoint.
    checkpoint: watch::Sender<Option<Checkpoint>>,
    pub(crate) positions: Positions,
}

impl Shared {
    /// Looks at the maps of all segments.
    pub(crate) fn segments<T>(&self, look: impl FnOnce(&mut Vec<Blocks>) -> T) -> T {
        look(&mut self.segments.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The number of the last entry, now and later.
    pub(crate) fn watch(&self) -> watch::Receiver<(u64, u64)> {
        self.position.subscribe()
    }
}

impl Ledger {
    /// Opens the ledger in the folder `root` for writing, makes it if it is not there, cuts a torn last
    /// write and brings the index up to date.
    ///
    /// Reads the last segment whole, and what the index does not know yet: call it where blocking is
    /// allowed.
    ///
    /// # Errors
    /// [`LedgerError::Locked`] while another writer has it; [`LedgerError::Corrupt`] where bytes that
    /// were durable are damaged; [`LedgerError::NotAsSigned`] and [`LedgerError::OtherKey`] where the record is
    /// another than its newest checkpoint says, or signed with another key. A record that is refused is not changed.
    pub fn open(root: &Path, options: LedgerOptions) -> Result<(Self, OpenReport), LedgerError> {
        let opened = open::open(root, options.signing.as_ref())?;
        let report = opened.report.clone();
        let (last, journal) = (opened.next_seq - 1, opened.journal_seq);
        let shared = Arc::new(Shared {
            positions: Positions::load(&opened.layout),
            layout: opened.layout.clone(),
            segments: Mutex::new(opened.segments.clone()),
            position: watch::Sender::new((last, journal)),
            checkpoint: watch::Sender::new(opened.checkpoints.newest().cloned()),
        });
        let queue = Arc::new(Queue::new());
        let index = Arc::clone(&opened.index);
        let writer = writer::Writer::new(opened, options, Arc::clone(&shared))?;
        let thread = std::thread::Builder::new()
            .name("ledger".into())
            .spawn({
                let queue = Arc::clone(&queue);
                move || writer.run(&queue)
            })
            .map_err(LedgerError::io("start the writer"))?;
        Ok((Self { shared, index, queue, thread: Some(thread) }, report))
    }

    /// Stores a record; durable, by the chosen policy, when this returns. The same id twice is one entry.
    ///
    /// # Errors
    /// [`LedgerError::Full`] may be tried again; after [`LedgerError::Stopped`] the ledger must be
    /// opened again. If the future is dropped the record may still be stored.
    pub async fn append(&self, record: Record) -> Result<Appended, LedgerError> {
        let appended = self.append_all(vec![record]).await?;
        appended.first().copied().ok_or(LedgerError::Stopped)
    }

    /// Stores records in order, and answers in the same order.
    ///
    /// # Errors
    /// As [`Ledger::append`]; with an error some of the first records may be stored, never one without
    /// those before it.
    pub async fn append_all(&self, records: Vec<Record>) -> Result<Vec<Appended>, LedgerError> {
        let mut appended = Vec::with_capacity(records.len());
        let mut records = records.into_iter();
        loop {
            let part: Vec<Record> = records.by_ref().take(queue::PART).collect();
            if part.is_empty() {
                return Ok(appended);
            }
            appended.extend(self.queue.submit(part).await?);
        }
    }

    /// The number of the last entry that is stored; 0 in an empty ledger.
    pub fn last_seq(&self) -> u64 {
        self.shared.position.borrow().0
    }

    /// The highest sequence number of the journal that was stored; 0 if there is none.
    pub fn last_journal_seq(&self) -> u64 {
        self.shared.position.borrow().1
    }

    /// The entry with this id: one look into the index and one read.
    ///
    /// # Errors
    /// If the index or the segment cannot be read.
    pub fn get(&self, id: &str) -> Result<Option<Row>, LedgerError> {
        let Some(seq) = self.index.find(id)? else { return Ok(None) };
        read_from(&self.shared, seq, &mut Hint::default(), 1, |payload| payload.row())
            .map(|rows| rows.into_iter().flatten().next())
    }

    /// Finds entries among those stored before the call. Reads while it is iterated: block by block.
    pub fn search(&self, query: Query) -> Rows {
        self.shared.segments(|segments| Rows::new(&self.shared.layout, segments, query, None))
    }

    /// The newest signed checkpoint, now and later: for those who publish it.
    pub fn checkpoints(&self) -> watch::Receiver<Option<Checkpoint>> {
        self.shared.checkpoint.subscribe()
    }

    /// Reads every byte of the record and names the first broken entry: see [`Verify`].
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] with the first broken entry, or [`LedgerError::NotAsSigned`].
    pub fn verify(&self, verify: &Verify<'_>) -> Result<Verified, LedgerError> {
        verify::verify(&self.shared.layout, verify)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("ledger writer panicked");
        }
    }
}

/// Where a reader that goes on in order was last.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hint {
    segment: u64,
    seq: u64,
    offset: u64,
}

/// Reads entries from number `seq` on: at most `limit`, and no further than the end of a block.
pub(crate) fn read_from<T>(
    shared: &Shared,
    seq: u64,
    hint: &mut Hint,
    limit: usize,
    mut read: impl FnMut(&Payload<'_>) -> T,
) -> Result<Vec<T>, LedgerError> {
    let found = shared.segments(|segments| {
        let at = segments.partition_point(|blocks| blocks.first <= seq).checked_sub(1)?;
        let blocks = segments.get(at)?;
        Some((blocks.first, *blocks.holding(seq)?))
    });
    let Some((segment, block)) = found else { return Ok(Vec::new()) };
    let hinted = hint.segment == segment && hint.seq == seq && hint.offset >= block.offset;
    let (from, mut at) = if hinted { (hint.offset, seq) } else { (block.offset, block.first_seq) };
    let mut frames = segment::Frames::open(&shared.layout, segment, from, block.end)?;
    let mut rows = Vec::new();
    while rows.len() < limit {
        let Some(placed) = frames.advance()? else { break };
        if at >= seq {
            let flaw = |flaw| segment::corrupt(segment, placed.offset, Some(at), flaw);
            let payload =
                Payload::read(placed.frame.payload).ok_or_else(|| flaw(crate::Flaw::Payload))?;
            if payload.seq != at {
                return Err(flaw(crate::Flaw::Sequence));
            }
            rows.push(read(&payload));
        }
        at += 1;
    }
    *hint = Hint { segment, seq: at, offset: frames.offset() };
    Ok(rows)
}
