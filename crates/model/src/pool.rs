//! Inference threads: one queue of windows from every message, batches of like lengths out of it.
//!
//! A thread waits for company for a bounded time, shares what is queued with the threads that are idle,
//! and gives a window back unanswered where it could no longer be done in time: late windows never
//! keep those behind them waiting.
//!
//! Told: `portcullis_model_batch_seconds` of each computation, `portcullis_model_windows_total` by how each window ended
//! (`computed`, `failed`, `late`, `unwanted`), and `portcullis_model_waiting`, windows in the queue.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::channel::oneshot;

use crate::encoder::{Encoder, EncoderError, Session};

/// How windows are gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolOptions {
    /// Inference threads; each computes on one core.
    pub threads: usize,
    /// Tokens of a batch, padding among them. 1, the default, computes each window alone: an encoder in
    /// 8-bit integers gives all of a batch one scale, so that a score would depend a little on what
    /// others write at that moment (seen: 4e-6). Batches of 512 tokens gain about a seventh.
    pub batch_tokens: usize,
    /// How long a window waits for others to be computed with it.
    pub wait: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads, batch_tokens: 1, wait: Duration::from_micros(200) }
    }
}

/// Lengths are padded to a multiple of this, so that windows of about one length share a batch.
const STEP: usize = 16;
/// What a token is taken to cost before one has been measured.
const NANOS_A_TOKEN: u64 = 150_000;

/// The logits of a window; absent where it was not computed (too late, or the encoder failed).
pub type Answer = oneshot::Receiver<Option<Vec<f32>>>;

struct Job {
    ids: Vec<u32>,
    deadline: Option<Instant>,
    answer: oneshot::Sender<Option<Vec<f32>>>,
}

impl Job {
    fn padded(&self) -> usize {
        self.ids.len().next_multiple_of(STEP)
    }
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    idle: usize,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    options: PoolOptions,
    nanos_a_token: AtomicU64,
}

/// The inference threads of one encoder. They end when it is dropped, after what they are at.
pub struct EncoderPool(Arc<Shared>);

impl Drop for EncoderPool {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.closed = true;
        metrics::gauge!("portcullis_model_waiting").decrement(queue.jobs.len() as f64);
        queue.jobs.clear();
        drop(queue);
        self.0.arrived.notify_all();
    }
}

impl EncoderPool {
    /// Starts the threads.
    ///
    /// # Errors
    /// Where the encoder gives no session, or the system no thread.
    pub fn start(encoder: &Arc<dyn Encoder>, options: PoolOptions) -> Result<Self, EncoderError> {
        let options = PoolOptions { threads: options.threads.max(1), ..options };
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            options,
            nanos_a_token: AtomicU64::new(NANOS_A_TOKEN),
        });
        let pool = Self(shared.clone());
        for number in 0..options.threads {
            let (shared, encoder) = (shared.clone(), encoder.clone());
            let session = encoder.session()?;
            std::thread::Builder::new()
                .name(format!("encoder-{number}"))
                .spawn(move || shared.work(&encoder, session))
                .map_err(|error| EncoderError(error.to_string()))?;
        }
        Ok(pool)
    }

    /// Windows of one message that are worth having in the queue at once: enough for full batches on
    /// every thread, and no more, so that messages take turns.
    pub fn share(&self) -> usize {
        self.0.options.threads * 4
    }

    /// Queues a window: token ids with `[CLS]` and `[SEP]`. Dropping the answer takes it back.
    pub fn ask(&self, ids: Vec<u32>, deadline: Option<Instant>) -> Answer {
        let (answer, receiver) = oneshot::channel();
        self.0.lock().jobs.push_back(Job { ids, deadline, answer });
        metrics::gauge!("portcullis_model_waiting").increment(1.0);
        self.0.arrived.notify_one();
        receiver
    }
}

fn count(outcome: &'static str, windows: usize) {
    if windows > 0 {
        metrics::counter!("portcullis_model_windows_total", "outcome" => outcome)
            .increment(windows as u64);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, encoder: &Arc<dyn Encoder>, mut session: Box<dyn Session>) {
        while let Some(batch) = self.next() {
            let windows: Vec<&[u32]> = batch.iter().map(|job| job.ids.as_slice()).collect();
            let longest = batch.iter().map(|job| job.ids.len()).max().unwrap_or(0);
            let begun = Instant::now();
            let computed = std::panic::catch_unwind(AssertUnwindSafe(|| session.logits(&windows)));
            let took = begun.elapsed();
            self.learn(took, longest * batch.len());
            metrics::histogram!("portcullis_model_batch_seconds").record(took.as_secs_f64());
            let rows = match computed {
                Ok(Ok(rows)) => rows,
                Ok(Err(_)) => Vec::new(),
                Err(_panic) => {
                    // what a panic left of the session is not used again
                    let Ok(fresh) = encoder.session() else { return };
                    session = fresh;
                    Vec::new()
                }
            };
            count("computed", rows.len().min(batch.len()));
            count("failed", batch.len().saturating_sub(rows.len()));
            let rows = rows.into_iter().map(Some).chain(std::iter::repeat(None));
            for (job, row) in batch.into_iter().zip(rows) {
                let _gone = job.answer.send(row);
            }
        }
    }

    /// A mean of what tokens cost, newer batches weighing an eighth.
    fn learn(&self, took: Duration, tokens: usize) {
        let cost = took.as_nanos() / tokens.max(1) as u128;
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        let before = self.nanos_a_token.load(Ordering::Relaxed);
        let after = before - before / 8 + cost / 8;
        self.nanos_a_token.store(after.max(1), Ordering::Relaxed);
    }

    /// Waits for work and takes a batch of it; absent once the pool is gone.
    fn next(&self) -> Option<Vec<Job>> {
        let mut waited = self.options.wait.is_zero();
        let mut queue = self.lock();
        queue.idle += 1;
        loop {
            self.give_back_late(&mut queue);
            if queue.closed {
                return None;
            }
            let Some(first) = queue.jobs.front() else {
                queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let padded = first.padded();
            let full = (self.options.batch_tokens / padded).max(1);
            if !waited && queue.jobs.len() < full {
                waited = true;
                let wait = self.arrived.wait_timeout(queue, self.options.wait);
                queue = wait.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            // leave the idle threads their part
            let most = full.min(queue.jobs.len().div_ceil(queue.idle.max(1)));
            queue.idle -= 1;
            let mut batch = Vec::with_capacity(most);
            let mut at = 0;
            while batch.len() < most {
                match queue.jobs.get(at) {
                    Some(job) if job.padded() == padded => batch.extend(queue.jobs.remove(at)),
                    Some(_) => at += 1,
                    None => break,
                }
            }
            metrics::gauge!("portcullis_model_waiting").decrement(batch.len() as f64);
            if !queue.jobs.is_empty() {
                self.arrived.notify_one();
            }
            return Some(batch);
        }
    }

    /// Answers what nobody waits for any more, and what would come too late.
    fn give_back_late(&self, queue: &mut Queue) {
        let cost = Duration::from_nanos(self.nanos_a_token.load(Ordering::Relaxed));
        let now = Instant::now();
        let mut at = 0;
        while let Some(job) = queue.jobs.get(at) {
            let end = now + cost * u32::try_from(job.ids.len()).unwrap_or(u32::MAX);
            let late = job.deadline.is_some_and(|deadline| end > deadline);
            if late || job.answer.is_canceled() {
                if let Some(job) = queue.jobs.remove(at) {
                    count(if late { "late" } else { "unwanted" }, 1);
                    metrics::gauge!("portcullis_model_waiting").decrement(1.0);
                    let _gone = job.answer.send(None);
                }
            } else {
                at += 1;
            }
        }
    }
}
