//! What waits for the writer: records, and somebody for each answer.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::Appended;
use crate::{LedgerError, Record};

/// Records that one job carries at most.
pub(super) const PART: usize = 1024;
/// Records that wait at most; further appends wait for room.
const WAITING: usize = 16 * PART;
/// A batch is closed when it has this many bytes.
const BATCH_BYTES: usize = 8 << 20;
/// What a job gets back.
pub(super) type Answer = Result<Vec<Appended>, LedgerError>;

/// Records that somebody waits for.
pub(super) struct Job {
    pub(super) records: Vec<Record>,
    pub(super) answer: oneshot::Sender<Answer>,
    _room: OwnedSemaphorePermit,
}

/// What waits for the writer.
pub(super) struct Queue {
    state: Mutex<(VecDeque<Job>, bool)>,
    filled: Condvar,
    room: Arc<Semaphore>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            room: Arc::new(Semaphore::new(WAITING)),
        }
    }

    /// Waits for room, hands the records over and waits for the answer.
    pub(super) async fn submit(&self, records: Vec<Record>) -> Answer {
        let room = Arc::clone(&self.room)
            .acquire_many_owned(records.len().clamp(1, WAITING) as u32)
            .await
            .map_err(|_closed| LedgerError::Stopped)?;
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.lock();
            if state.1 {
                return Err(LedgerError::Stopped);
            }
            state.0.push_back(Job { records, answer, _room: room });
        }
        self.filled.notify_one();
        answered.await.unwrap_or(Err(LedgerError::Stopped))
    }

    /// Lets the writer finish what waits, and end.
    pub(super) fn close(&self) {
        self.lock().1 = true;
        self.filled.notify_one();
    }

    /// The next batch, empty after `patience` without work; `None` when closed and empty.
    pub(super) fn take(&self, patience: Duration) -> Option<Vec<Job>> {
        let state = self.lock();
        let (mut state, _) = self
            .filled
            .wait_timeout_while(state, patience, |(jobs, closed)| jobs.is_empty() && !*closed)
            .unwrap_or_else(PoisonError::into_inner);
        if state.0.is_empty() && state.1 {
            return None;
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH_BYTES
            && let Some(job) = state.0.pop_front()
        {
            bytes += job.records.iter().map(Record::weight).sum::<usize>();
            batch.push(job);
        }
        Some(batch)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (VecDeque<Job>, bool)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells everybody who waits the same.
pub(super) fn answer_all(jobs: Vec<Job>, error: &LedgerError) {
    for job in jobs {
        // One that no longer waits has dropped its future.
        let _ = job.answer.send(Err(error.clone()));
    }
}
