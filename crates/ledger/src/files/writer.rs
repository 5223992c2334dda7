//! The writer thread: takes everything that waits, writes it, syncs once, and answers.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_merkle::leaf_hash;

use super::blocks::{Blocks, Mark};
use super::index::{Index, Position};
use super::open::Opened;
use super::queue::{Answer, Job, Queue, answer_all};
use super::record::Payload;
use super::segment::{self, Layout};
use super::signing::Checkpoints;
use super::tree::Tree;
use super::{Appended, Fsync, LedgerOptions, Shared, frame};
use crate::LedgerError;

/// How often the index, the active map and reader positions are made durable.
const UPKEEP: Duration = Duration::from_secs(1);

/// The one that writes.
pub(super) struct Writer {
    options: LedgerOptions,
    shared: Arc<Shared>,
    index: Arc<Index>,
    file: File,
    active: Blocks,
    tree: Tree,
    checkpoints: Checkpoints,
    /// Bytes of the active segment that are on the disk.
    synced: u64,
    position: Position,
    stopped: bool,
    upkeep: Instant,
    unsynced_since: Option<Instant>,
    dirty: bool,
    /// The last batch was not stored.
    failing: bool,
    /// Held for as long as there is a writer.
    _lock: File,
}

impl Writer {
    pub(super) fn new(
        opened: Opened,
        options: LedgerOptions,
        shared: Arc<Shared>,
    ) -> Result<Self, LedgerError> {
        let active = opened.segments.last().cloned().unwrap_or_else(|| Blocks::new(1));
        let file = append_to(&opened.layout, active.first)?;
        // What a crashed predecessor wrote without a sync is vouched for only after this one.
        file.sync_all().map_err(LedgerError::io("sync the segment"))?;
        let position = Position {
            segment: active.first,
            last: active.end(),
            end: active.end(),
            next_seq: opened.next_seq,
            journal_seq: opened.journal_seq,
        };
        metrics::gauge!("portcullis_audit_ledger_position").set((opened.next_seq - 1) as f64);
        Ok(Self {
            upkeep: options.clock.instant(),
            options,
            shared,
            index: opened.index,
            file,
            synced: active.end(),
            active,
            tree: opened.tree,
            checkpoints: opened.checkpoints,
            position,
            stopped: false,
            unsynced_since: None,
            dirty: false,
            failing: false,
            _lock: opened.lock,
        })
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self, queue: &Queue) {
        let patience = match self.options.fsync {
            Fsync::Within(within) => within.min(UPKEEP),
            Fsync::Batch | Fsync::System => UPKEEP,
        };
        while let Some(batch) = queue.take(patience) {
            if !batch.is_empty() {
                self.batch(batch);
            }
            let now = self.options.clock.instant();
            if let Fsync::Within(within) = self.options.fsync
                && self.unsynced_since.is_some_and(|since| now - since >= within)
            {
                self.sync_or_stop();
            }
            if now - self.upkeep >= UPKEEP {
                self.upkeep = now;
                self.keep_up();
            }
            self.sign(false);
        }
        self.sync_or_stop();
        self.sign(true);
        self.keep_up();
    }

    fn batch(&mut self, jobs: Vec<Job>) {
        if self.stopped {
            return answer_all(jobs, &LedgerError::Stopped);
        }
        let rolled = if self.active.end() >= self.options.segment_bytes.min(1 << 30) {
            self.roll()
        } else {
            Ok(())
        };
        match rolled.and_then(|()| self.store(&jobs)) {
            Ok(answers) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the record is written again");
                }
                for (job, answer) in jobs.into_iter().zip(answers) {
                    // One that no longer waits has dropped its future.
                    let _ = job.answer.send(answer);
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    let folder = self.shared.layout.audit();
                    tracing::error!(%error, folder = %folder.display(), "the record cannot be written");
                }
                self.undo();
                answer_all(jobs, &error);
            }
        }
    }

    /// Writes a batch and makes it durable and visible, all or nothing.
    fn store(&mut self, jobs: &[Job]) -> Result<Vec<Answer>, LedgerError> {
        let stored_at = self.options.clock.now();
        let changes = self.index.begin(false)?;
        let (mut active, mut position) = (self.active.clone(), self.position);
        let (mut bytes, mut payload) = (Vec::new(), Vec::new());
        let (mut answers, mut newest, mut duplicates) = (Vec::new(), None, 0_u64);
        let mut leaves = Vec::new();
        for job in jobs {
            let mut answer = Ok(Vec::with_capacity(job.records.len()));
            for record in &job.records {
                let (seq, offset) = (position.next_seq, active.end());
                payload.clear();
                let written = Payload::write(&mut payload, record, seq, stored_at);
                if let Err(error) = written.and_then(|()| fits(&payload)) {
                    answer = Err(error);
                    break;
                }
                if let Some(known) = changes.insert(&record.id, seq, active.first, offset)? {
                    duplicates += 1;
                    // Its place in the journal is no hole.
                    let place = record.journal_seq.unwrap_or(0);
                    position.journal_seq = position.journal_seq.max(place);
                    push(&mut answer, Appended::AlreadyThere(known));
                    continue;
                }
                let before = bytes.len();
                frame::encode(&mut bytes, self.synced as u32, &payload)
                    .ok_or(LedgerError::Refused("entry too long"))?;
                leaves.push(leaf_hash(bytes.get(before..).unwrap_or_default()));
                let at = record.at.unwrap_or(stored_at);
                let bot = record.bot.as_ref().map(|bot| bot.as_str());
                active.push((bytes.len() - before) as u64, Mark::new(&record.id, at, bot));
                newest = newest.max(record.at);
                position = Position {
                    segment: active.first,
                    last: offset,
                    end: active.end(),
                    next_seq: seq + 1,
                    journal_seq: position.journal_seq.max(record.journal_seq.unwrap_or(0)),
                };
                push(&mut answer, Appended::Stored(seq));
            }
            answers.push(answer);
        }
        metrics::counter!("portcullis_audit_duplicates_total").increment(duplicates);
        if bytes.is_empty() {
            if position.journal_seq > self.position.journal_seq {
                // The index names its last frame, which a ledger that was just opened does not know.
                if position.last < position.end {
                    changes.commit(&position)?;
                    self.dirty = true;
                }
                self.position = position;
                self.publish();
            }
            return Ok(answers);
        }
        self.file.write_all(&bytes).map_err(LedgerError::io("write the segment"))?;
        self.unsynced_since.get_or_insert(self.options.clock.instant());
        if self.options.fsync == Fsync::Batch {
            self.sync(active.end())?;
        }
        if let Err(error) = changes.commit(&position) {
            // The batch is on the disk; only a new opening brings index and segments together again.
            self.stopped = true;
            return Err(error);
        }
        let entries = position.next_seq - self.position.next_seq;
        (self.active, self.position, self.dirty) = (active, position, true);
        leaves.into_iter().for_each(|leaf| self.tree.add(leaf));
        if let Err(error) = self.tree.write() {
            // The entries are safe, and what is missing in the tree is written later.
            tracing::warn!(%error, "tree not written");
        }
        self.publish();
        metrics::gauge!("portcullis_audit_ledger_position").set((position.next_seq - 1) as f64);
        metrics::histogram!("portcullis_audit_batch_entries").record(entries as f64);
        if let Some(newest) = newest {
            let lag = stored_at.duration_since(newest).as_secs_f64();
            metrics::gauge!("portcullis_audit_lag_seconds").set(lag.max(0.0));
        }
        Ok(answers)
    }

    fn sync(&mut self, end: u64) -> Result<(), LedgerError> {
        let begun = self.options.clock.instant();
        if let Err(error) = self.file.sync_data() {
            // After a failed sync nobody knows what is on the disk, and a second try may lie.
            self.stopped = true;
            return Err(LedgerError::io("sync the segment")(error));
        }
        let took = self.options.clock.instant() - begun;
        metrics::histogram!("portcullis_audit_fsync_seconds").record(took.as_secs_f64());
        (self.synced, self.unsynced_since) = (end, None);
        Ok(())
    }

    fn sync_or_stop(&mut self) {
        let end = self.active.end();
        if self.synced < end
            && !self.stopped
            && let Err(error) = self.sync(end)
        {
            tracing::error!(%error, "ledger stopped");
        }
    }

    /// Signs a checkpoint where one is due; `all` signs whatever is not signed. What fails is tried again.
    fn sign(&mut self, all: bool) {
        let Some(signing) = &self.options.signing else { return };
        let due = self.checkpoints.due(signing, self.tree.size(), self.options.clock.instant());
        let unsigned = self.tree.size() > self.checkpoints.newest().map_or(0, |newest| newest.size);
        if self.stopped || !(due || all && unsigned) {
            return;
        }
        let signing = signing.clone();
        self.sync_or_stop();
        if self.stopped {
            return;
        }
        match self.checkpoints.sign(&signing, &mut self.tree) {
            Ok(checkpoint) => {
                self.shared.checkpoint.send_replace(Some(checkpoint));
            }
            Err(error) => tracing::error!(%error, "checkpoint not signed"),
        }
    }

    /// Cuts what a failed batch may have left behind.
    fn undo(&mut self) {
        if !self.stopped && self.file.set_len(self.active.end()).is_err() {
            self.stopped = true;
        }
    }

    /// Ends the active segment and begins the next.
    fn roll(&mut self) -> Result<(), LedgerError> {
        self.sync(self.active.end())?;
        if let Err(error) = self.active.store(&self.shared.layout) {
            tracing::warn!(%error, "map of a segment not kept");
        }
        let first = self.position.next_seq;
        create_segment(&self.shared.layout, first)?;
        self.file = append_to(&self.shared.layout, first)?;
        self.active = Blocks::new(first);
        self.synced = self.active.end();
        self.shared.segments(|segments| segments.push(self.active.clone()));
        Ok(())
    }

    fn publish(&self) {
        self.shared.segments(|segments| {
            if let Some(last) = segments.last_mut() {
                last.catch_up(&self.active);
            }
        });
        let at = (self.position.next_seq - 1, self.position.journal_seq);
        self.shared.position.send_replace(at);
    }

    /// Makes durable what could also be found again, so that less has to be.
    fn keep_up(&mut self) {
        if let Err(error) = self.shared.positions.flush() {
            tracing::warn!(%error, "reader positions not kept");
        }
        // The index must never know more than the disk.
        if !self.dirty || self.stopped || self.synced < self.active.end() {
            return;
        }
        self.dirty = false;
        let kept = self.index.sync().and_then(|()| self.active.store(&self.shared.layout));
        if let Err(error) = kept {
            tracing::warn!(%error, "index not synced");
        }
    }
}

fn push(answer: &mut Answer, appended: Appended) {
    if let Ok(list) = answer {
        list.push(appended);
    }
}

fn fits(payload: &[u8]) -> Result<(), LedgerError> {
    if payload.len() > frame::MAX_PAYLOAD {
        return Err(LedgerError::Refused("entry too long"));
    }
    Ok(())
}

fn append_to(layout: &Layout, first: u64) -> Result<File, LedgerError> {
    let io = LedgerError::io("open the segment");
    OpenOptions::new().append(true).open(layout.segment(first)).map_err(io)
}

/// Makes an empty segment that survives a loss of power.
pub(super) fn create_segment(layout: &Layout, first: u64) -> Result<(), LedgerError> {
    let create = || {
        let mut file = File::create(layout.segment(first))?;
        file.write_all(&segment::header(first))?;
        file.sync_all()?;
        File::open(layout.audit())?.sync_all()
    };
    create().map_err(LedgerError::io("begin a segment"))
}
