//! A journal that counts acknowledgements, dead letters in memory, entries of every kind, and a feeder at work.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use portcullis_bus::{Deliveries, Delivery, Journal, JournalError};
use portcullis_core::{Body, Entry, SystemClock};
use portcullis_search::{Dead, Erasures, Feeder, Feeding, Lag};
use portcullis_search_http::{Client, Login, Options};
use portcullis_service::Health;
use portcullis_testkit::verdict_entry;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// No answer on this machine takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// A journal in memory. What was not acknowledged comes again to who follows anew.
#[derive(Clone, Default)]
pub(crate) struct Paper {
    lines: Arc<Mutex<Vec<Vec<u8>>>>,
    acked: Arc<Mutex<BTreeSet<u64>>>,
    grown: Arc<Notify>,
}

impl Paper {
    pub(crate) fn write(&self, entry: &Entry) {
        self.write_raw(serde_json::to_vec(entry).unwrap());
    }

    pub(crate) fn write_raw(&self, raw: Vec<u8>) {
        self.lines.lock().unwrap().push(raw);
        self.grown.notify_waiters();
    }

    pub(crate) fn acked(&self) -> Vec<u64> {
        self.acked.lock().unwrap().iter().copied().collect()
    }

    /// As if no acknowledgement had arrived: all of it comes again.
    pub(crate) fn forget_acks(&self) {
        self.acked.lock().unwrap().clear();
    }

    async fn line(&self, at: usize) -> Vec<u8> {
        loop {
            let grown = self.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            if let Some(line) = self.lines.lock().unwrap().get(at) {
                return line.clone();
            }
            grown.await;
        }
    }
}

#[async_trait]
impl Journal for Paper {
    async fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        self.write(entry);
        Ok(())
    }

    async fn follow(&self, reader: &str) -> Result<Deliveries, JournalError> {
        assert_eq!(reader, "search");
        Ok(Box::pin(futures::stream::unfold((self.clone(), 0), |(paper, mut at)| async move {
            while paper.acked.lock().unwrap().contains(&(at as u64 + 1)) {
                at += 1;
            }
            let raw = paper.line(at).await;
            let entry = serde_json::from_slice(&raw).map_err(|_| "not an entry");
            let line = Line { paper: paper.clone(), sequence: at as u64 + 1, raw, entry };
            Some((Ok(Box::new(line) as Box<dyn Delivery>), (paper, at + 1)))
        })))
    }
}

struct Line {
    paper: Paper,
    sequence: u64,
    raw: Vec<u8>,
    entry: Result<Entry, &'static str>,
}

#[async_trait]
impl Delivery for Line {
    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn entry(&self) -> Result<&Entry, &str> {
        self.entry.as_ref().map_err(|why| *why)
    }

    fn raw(&self) -> &[u8] {
        &self.raw
    }

    async fn ack(self: Box<Self>) -> Result<(), JournalError> {
        self.paper.acked.lock().unwrap().insert(self.sequence);
        Ok(())
    }

    async fn retry(self: Box<Self>) -> Result<(), JournalError> {
        Ok(())
    }
}

/// Dead letters in memory; away on command.
#[derive(Clone, Default)]
pub(crate) struct Letters {
    kept: Arc<Mutex<Vec<(u64, String)>>>,
    pub(crate) away: Arc<AtomicBool>,
}

impl Letters {
    pub(crate) fn kept(&self) -> Vec<(u64, String)> {
        self.kept.lock().unwrap().clone()
    }
}

#[async_trait]
impl Dead for Letters {
    async fn keep(&self, unread: &dyn Delivery, why: &str) -> Result<(), JournalError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(JournalError::Away);
        }
        self.kept.lock().unwrap().push((unread.sequence(), why.to_owned()));
        Ok(())
    }
}

/// A client without login that waits at most two seconds.
pub(crate) fn client(url: &str) -> Client {
    Client::new(&Options {
        urls: url.to_owned(),
        login: Login::Nobody,
        authorities: None,
        timeout: Duration::from_secs(20),
    })
    .unwrap()
}

/// A feeder at work; it ends on drop.
pub(crate) struct Work {
    pub(crate) letters: Letters,
    pub(crate) health: Health,
    pub(crate) lag: Lag,
    shutdown: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Work {
    pub(crate) fn begin(paper: &Paper, url: &str, stream: &str) -> Self {
        Self::with(paper, client(url), stream, Letters::default(), quick())
    }

    pub(crate) fn with(
        paper: &Paper,
        client: Client,
        stream: &str,
        letters: Letters,
        feeding: Feeding,
    ) -> Self {
        let (health, lag, shutdown) = (Health::new(), Lag::default(), CancellationToken::new());
        health.started();
        let feeder = Feeder {
            journal: Arc::new(paper.clone()),
            client,
            schema: portcullis_search::start::schema(stream).unwrap(),
            dead: Arc::new(letters.clone()),
            erasures: Erasures::default(),
            lag: lag.clone(),
            engine: health.condition("engine"),
            clock: Arc::new(SystemClock),
            feeding,
        };
        let task = AbortOnDropHandle::new(tokio::spawn(feeder.run(shutdown.clone())));
        Self { letters, health, lag, shutdown, task }
    }

    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

/// Short pauses, so that tests are short.
pub(crate) fn quick() -> Feeding {
    Feeding {
        gather: Duration::from_millis(20),
        least_pause: Duration::from_millis(20),
        longest_pause: Duration::from_millis(200),
        ..Feeding::default()
    }
}

/// A verdict about a message of a speaker, at a second of a fixed day.
pub(crate) fn spoken(id: &str, speaker: &str, second: i64) -> Entry {
    let mut entry = verdict_entry(id);
    entry.at = time(second);
    if let Body::Verdict(record) = &mut entry.body {
        record.speaker = Some(speaker.into());
    }
    entry
}

/// The order to forget a speaker, at a second of a fixed day.
pub(crate) fn forget(speaker: &str, second: i64) -> Entry {
    let raw = serde_json::json!({
        "id": format!("action/shop/forget-{speaker}-{second}"), "bot": "shop", "at": time(second),
        "kind": "action", "action": "erase", "scope": format!("speaker.{speaker}"), "by": "operator",
        "reason": "asked for it by e-mail",
    });
    serde_json::from_value(raw).unwrap()
}

/// A day so near that orders of it are remembered, in whole seconds.
pub(crate) fn time(second: i64) -> jiff::Timestamp {
    let today = jiff::Timestamp::now().as_second() / 86_400 * 86_400;
    jiff::Timestamp::from_second(today - 86_400 + second).unwrap()
}
