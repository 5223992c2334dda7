//! Makes sure that an entry is kept within its budget: in the journal, or, while that is away, in a
//! bounded spool that is delivered later.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use portcullis_core::{Entry, Recorded};

use crate::spool::Spool;
use crate::{Journal, JournalError};

/// Failures in a row after which the journal is not waited for.
const FAILURES: u32 = 3;
/// How long it is not waited for, before one entry tries again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the deliverer waits for an acknowledgement, and between two looks at the spool.
const DELIVERY: Duration = Duration::from_secs(2);

/// Neither the journal nor the spool took the entry: the policy's `on_journal_gap` decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither journal nor spool took the entry")]
pub struct NotRecorded;

/// Writes entries to a journal, with a breaker and a spool before it.
#[derive(Clone)]
pub struct Recorder {
    journal: Arc<dyn Journal>,
    spool: Option<Arc<Mutex<Spool>>>,
    breaker: Arc<Mutex<Breaker>>,
}

#[derive(Default)]
struct Breaker {
    failures: u32,
    shut_until: Option<Instant>,
}

impl Recorder {
    /// Without a spool: what the journal does not take is not recorded.
    pub fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal, spool: None, breaker: Arc::default() }
    }

    /// With a spool of at most `max_bytes` in `folder`.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn with_spool(self, folder: &Path, max_bytes: u64) -> io::Result<Self> {
        let spool = Spool::open(folder, max_bytes)?;
        Ok(Self { spool: Some(Arc::new(Mutex::new(spool))), ..self })
    }

    /// Keeps an entry: acknowledged by the journal within `time`, or on the local disk.
    ///
    /// # Errors
    /// [`NotRecorded`] where neither took it.
    pub async fn record(&self, entry: &Entry, time: Duration) -> Result<Recorded, NotRecorded> {
        if self.may_try() {
            let appended = tokio::time::timeout(time, self.journal.append(entry)).await;
            let appended = appended.unwrap_or(Err(JournalError::Away));
            self.learn(appended.is_ok());
            match appended {
                Ok(()) => return Ok(Recorded::Journal),
                // It would be refused again from the spool.
                Err(JournalError::Refused) => return Err(NotRecorded),
                Err(JournalError::Away | JournalError::Full) => {}
            }
        }
        self.spool(entry.clone()).await
    }

    /// Delivers what is spooled whenever the journal is there; never ends by itself.
    pub async fn deliver(&self) {
        loop {
            match self.deliver_oldest().await {
                Ok(true) => {}
                Ok(false) => tokio::time::sleep(DELIVERY).await,
                Err(error) => {
                    tracing::warn!(kind = ?error.kind(), "spool: delivery put off");
                    tokio::time::sleep(DELIVERY).await;
                }
            }
        }
    }

    /// Bytes that wait in the spool.
    pub fn spooled_bytes(&self) -> u64 {
        self.spool.as_ref().map_or(0, |spool| lock(spool).bytes())
    }

    /// Whether something was delivered.
    async fn deliver_oldest(&self) -> io::Result<bool> {
        let Some(spool) = self.spool.clone() else { return Ok(false) };
        if lock(&spool).bytes() == 0 {
            return Ok(false);
        }
        let reading = spool.clone();
        let Some((path, entries)) = blocking(move || lock(&reading).oldest()).await? else {
            return Ok(false);
        };
        for entry in &entries {
            let appended = tokio::time::timeout(DELIVERY, self.journal.append(entry)).await;
            match appended.unwrap_or(Err(JournalError::Away)) {
                Ok(()) => {}
                Err(JournalError::Refused) => {
                    tracing::error!("spool: the journal refuses an entry for good; it is left out");
                }
                Err(JournalError::Away | JournalError::Full) => {
                    return Err(io::ErrorKind::NotConnected.into());
                }
            }
        }
        self.learn(true);
        blocking(move || lock(&spool).delivered(&path)).await?;
        tracing::info!(entries = entries.len(), "spool: delivered");
        Ok(true)
    }

    async fn spool(&self, entry: Entry) -> Result<Recorded, NotRecorded> {
        let spool = self.spool.clone().ok_or(NotRecorded)?;
        blocking(move || lock(&spool).push(&entry).map_err(io::Error::other))
            .await
            .map(|()| Recorded::Spool)
            .map_err(|_said_by_the_spool| NotRecorded)
    }

    fn may_try(&self) -> bool {
        let mut breaker = lock(&self.breaker);
        match breaker.shut_until {
            Some(until) if Instant::now() < until => false,
            Some(_) => {
                // This entry tries; the others wait for what it finds.
                breaker.shut_until = Some(Instant::now() + PAUSE);
                true
            }
            None => true,
        }
    }

    fn learn(&self, success: bool) {
        let mut breaker = lock(&self.breaker);
        if success {
            *breaker = Breaker::default();
        } else {
            breaker.failures += 1;
            if breaker.failures >= FAILURES {
                breaker.shut_until = Some(Instant::now() + PAUSE);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use portcullis_core::{Body, BotId, Clock, SummaryRecord, SystemClock};

    use super::*;
    use crate::{Deliveries, MemoryJournal};

    /// A journal that can be away.
    struct Flaky {
        there: AtomicBool,
        journal: MemoryJournal,
    }

    #[async_trait]
    impl Journal for Flaky {
        async fn append(&self, entry: &Entry) -> Result<(), JournalError> {
            if !self.there.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            self.journal.append(entry).await
        }
        async fn follow(&self, reader: &str) -> Result<Deliveries, JournalError> {
            self.journal.follow(reader).await
        }
    }

    fn entry(number: usize) -> Entry {
        let now = SystemClock.now();
        Entry {
            id: format!("summary/default/{number}"),
            bot: BotId::fallback(),
            at: now,
            body: Body::Summary(SummaryRecord {
                of: "throttle".into(),
                speaker: None,
                count: 1,
                from: now,
                until: now,
            }),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_journal_does_not_take_is_spooled_and_delivered_once() {
        let folder = tempfile::tempdir().unwrap();
        let flaky =
            Arc::new(Flaky { there: AtomicBool::new(false), journal: MemoryJournal::new() });
        let recorder = Recorder::new(flaky.clone()).with_spool(folder.path(), 1_000_000).unwrap();
        for number in 0..10 {
            let recorded = recorder.record(&entry(number), Duration::from_millis(50)).await;
            assert_eq!(recorded, Ok(Recorded::Spool));
        }
        assert!(recorder.deliver_oldest().await.is_err());
        flaky.there.store(true, Ordering::SeqCst);
        // A new process finds what the old one left.
        let recorder = Recorder::new(flaky.clone()).with_spool(folder.path(), 1_000_000).unwrap();
        assert!(recorder.deliver_oldest().await.unwrap());
        assert!(!recorder.deliver_oldest().await.unwrap());
        assert_eq!(recorder.spooled_bytes(), 0);
        let kept: Vec<_> = flaky.journal.entries().into_iter().map(|entry| entry.id).collect();
        assert_eq!(kept, (0..10).map(|n| format!("summary/default/{n}")).collect::<Vec<_>>());
        assert_eq!(
            recorder.record(&entry(11), Duration::from_millis(50)).await,
            Ok(Recorded::Journal)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_spool_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let flaky =
            Arc::new(Flaky { there: AtomicBool::new(false), journal: MemoryJournal::new() });
        let recorder = Recorder::new(flaky).with_spool(folder.path(), 10).unwrap();
        assert_eq!(recorder.record(&entry(1), Duration::from_millis(50)).await, Err(NotRecorded));
    }

    #[test]
    fn a_line_cut_short_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1_000_000).unwrap();
        spool.push(&entry(1)).unwrap();
        spool.push(&entry(2)).unwrap();
        let (path, _) = spool.oldest().unwrap().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
        let (_, entries) = spool.oldest().unwrap().unwrap();
        assert_eq!(entries.len(), 1);
    }
}
