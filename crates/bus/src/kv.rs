//! The port for what operators set: a small watched key-value bucket, and its form in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

/// Why a bucket did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// The store is away or did not answer in time.
    #[error("store away")]
    Away,
    /// `create` found the key there already.
    #[error("key exists")]
    Exists,
    /// The key's form is not allowed (`[A-Za-z0-9_=/.-]+`, no dot at either end).
    #[error("key not allowed")]
    BadKey,
}

/// A value with its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvRecord {
    /// The value.
    pub value: Bytes,
    /// Rises with every change of the bucket.
    pub revision: u64,
}

/// A change, as a watcher sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KvEvent {
    /// A key has this value now.
    Put {
        /// The key.
        key: String,
        /// The value.
        record: KvRecord,
    },
    /// A key is gone.
    Gone {
        /// The key.
        key: String,
    },
    /// Everything that was there when the watch began has been told.
    Snapshot,
}

/// A stream of changes. It ends when the store is lost; the watcher then watches again.
pub type KvEvents = BoxStream<'static, KvEvent>;

/// A small bucket of values that can be watched.
#[async_trait]
pub trait Kv: Send + Sync + 'static {
    /// The value of a key.
    async fn get(&self, key: &str) -> Result<Option<KvRecord>, KvError>;
    /// Sets a key and returns the revision.
    async fn put(&self, key: &str, value: Bytes) -> Result<u64, KvError>;
    /// Sets a key that must not be there yet.
    async fn create(&self, key: &str, value: Bytes) -> Result<u64, KvError>;
    /// Removes a key, if it is there.
    async fn delete(&self, key: &str) -> Result<(), KvError>;
    /// Kept revisions of a key, newest first; the bucket says how many it keeps.
    async fn history(&self, key: &str) -> Result<Vec<KvRecord>, KvError>;
    /// First every key that is there, then [`KvEvent::Snapshot`], then each change.
    async fn watch(&self) -> Result<KvEvents, KvError>;
}

/// A bucket in memory.
#[derive(Clone)]
pub struct MemoryKv {
    inner: Arc<Mutex<Memory>>,
    changes: broadcast::Sender<KvEvent>,
    keep: usize,
    capacity: Option<Capacity>,
}

/// How much a bucket in memory holds.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Bytes of keys and values.
    pub bytes: usize,
    /// How long a value is kept.
    pub life: Duration,
}

#[derive(Default)]
struct Memory {
    /// Newest last; `None` is a removal.
    values: BTreeMap<String, Vec<(u64, Option<Bytes>)>>,
    /// Keys in the order in which they were first set, and when that was; only where there is a capacity.
    order: VecDeque<(Instant, String)>,
    /// Bytes of keys and values.
    bytes: usize,
    revision: u64,
}

impl MemoryKv {
    /// An empty bucket that keeps `keep` revisions of each key (at least one).
    pub fn new(keep: usize) -> Self {
        let (changes, _) = broadcast::channel(1024);
        Self { inner: Arc::default(), changes, keep: keep.max(1), capacity: None }
    }

    /// Holds so much and no more: past it what was set first is forgotten. Nobody watches such a bucket.
    #[must_use]
    pub fn with_capacity(mut self, capacity: Capacity) -> Self {
        self.capacity = Some(capacity);
        self
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, key: &str, value: Option<Bytes>, only_new: bool) -> Result<u64, KvError> {
        check_key(key)?;
        let mut memory = self.lock();
        if only_new && memory.current(key).is_some() {
            return Err(KvError::Exists);
        }
        memory.revision += 1;
        let revision = memory.revision;
        let Memory { values, order, bytes, .. } = &mut *memory;
        let size = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        let is_new = !values.contains_key(key);
        let kept = values.entry(key.to_owned()).or_default();
        kept.push((revision, value.clone()));
        *bytes += size(&value) + if is_new { key.len() } else { 0 };
        let surplus = kept.len().saturating_sub(self.keep);
        *bytes -= kept.drain(..surplus).map(|(_, value)| size(&value)).sum::<usize>();
        if let Some(capacity) = self.capacity {
            let now = Instant::now();
            if is_new {
                order.push_back((now, key.to_owned()));
            }
            while let Some((set, oldest)) = order.front()
                && (*bytes > capacity.bytes || now.duration_since(*set) >= capacity.life)
            {
                let kept = values.remove(oldest).unwrap_or_default();
                *bytes -= oldest.len() + kept.iter().map(|(_, value)| size(value)).sum::<usize>();
                order.pop_front();
            }
        }
        // A send without a watcher is no error. Sent under the lock, so that a new watcher sees each
        // change once: in its snapshot or after it.
        let key = key.to_owned();
        let _ = self.changes.send(match value {
            Some(value) => KvEvent::Put { key, record: KvRecord { value, revision } },
            None => KvEvent::Gone { key },
        });
        Ok(revision)
    }
}

impl Memory {
    fn current(&self, key: &str) -> Option<KvRecord> {
        let (revision, value) = self.values.get(key)?.last()?;
        value.clone().map(|value| KvRecord { value, revision: *revision })
    }
}

/// The form of keys that a NATS bucket allows, so that both forms refuse the same.
fn check_key(key: &str) -> Result<(), KvError> {
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'=' | b'/' | b'.' | b'-');
    if key.is_empty() || key.starts_with('.') || key.ends_with('.') || !key.bytes().all(allowed) {
        return Err(KvError::BadKey);
    }
    Ok(())
}

#[async_trait]
impl Kv for MemoryKv {
    async fn get(&self, key: &str) -> Result<Option<KvRecord>, KvError> {
        check_key(key)?;
        Ok(self.lock().current(key))
    }

    async fn put(&self, key: &str, value: Bytes) -> Result<u64, KvError> {
        self.set(key, Some(value), false)
    }

    async fn create(&self, key: &str, value: Bytes) -> Result<u64, KvError> {
        self.set(key, Some(value), true)
    }

    async fn delete(&self, key: &str) -> Result<(), KvError> {
        self.set(key, None, false).map(|_| ())
    }

    async fn history(&self, key: &str) -> Result<Vec<KvRecord>, KvError> {
        check_key(key)?;
        let memory = self.lock();
        let kept = memory.values.get(key).map(Vec::as_slice).unwrap_or_default();
        Ok(kept
            .iter()
            .rev()
            .filter_map(|(revision, value)| {
                value.clone().map(|value| KvRecord { value, revision: *revision })
            })
            .collect())
    }

    async fn watch(&self) -> Result<KvEvents, KvError> {
        let memory = self.lock();
        let changes = BroadcastStream::new(self.changes.subscribe());
        let mut snapshot: Vec<KvEvent> = memory
            .values
            .keys()
            .filter_map(|key| {
                memory.current(key).map(|record| KvEvent::Put { key: key.clone(), record })
            })
            .collect();
        snapshot.push(KvEvent::Snapshot);
        // A watcher that lags is ended, and watches again from a new snapshot.
        let changes = changes.take_while(|event| futures::future::ready(event.is_ok()));
        Ok(Box::pin(
            futures::stream::iter(snapshot)
                .chain(changes.filter_map(|event| futures::future::ready(event.ok()))),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watcher_sees_the_snapshot_then_each_change() {
        let kv = MemoryKv::new(2);
        kv.put("a.x", "1".into()).await.unwrap();
        let mut events = kv.watch().await.unwrap();
        kv.delete("a.x").await.unwrap();
        assert!(matches!(events.next().await, Some(KvEvent::Put { key, .. }) if key == "a.x"));
        assert_eq!(events.next().await, Some(KvEvent::Snapshot));
        assert_eq!(events.next().await, Some(KvEvent::Gone { key: "a.x".into() }));
    }

    #[tokio::test]
    async fn past_its_capacity_the_first_key_is_forgotten() {
        let life = Duration::from_secs(3_600);
        let kv = MemoryKv::new(1).with_capacity(Capacity { bytes: 30, life });
        for key in ["a", "b", "b", "c"] {
            kv.put(key, vec![0; 12].into()).await.unwrap();
        }
        assert_eq!(kv.get("a").await, Ok(None));
        assert!(kv.get("b").await.unwrap().is_some() && kv.get("c").await.unwrap().is_some());
        kv.put("d", vec![0; 64].into()).await.unwrap();
        assert_eq!(kv.get("d").await, Ok(None), "it is larger than the bucket");
        let memory = kv.lock();
        assert_eq!((memory.bytes, memory.values.len(), memory.order.len()), (0, 0, 0));
    }

    #[tokio::test]
    async fn a_value_does_not_outlive_its_time() {
        let life = Duration::from_millis(20);
        let kv = MemoryKv::new(1).with_capacity(Capacity { bytes: 1 << 20, life });
        kv.put("a", "1".into()).await.unwrap();
        std::thread::sleep(life);
        kv.put("b", "1".into()).await.unwrap();
        assert_eq!(kv.get("a").await, Ok(None));
        assert!(kv.get("b").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn create_has_one_winner_and_history_is_newest_first() {
        let kv = MemoryKv::new(2);
        kv.create("k", "1".into()).await.unwrap();
        assert_eq!(kv.create("k", "2".into()).await, Err(KvError::Exists));
        kv.put("k", "2".into()).await.unwrap();
        kv.put("k", "3".into()).await.unwrap();
        let values: Vec<_> =
            kv.history("k").await.unwrap().into_iter().map(|record| record.value).collect();
        assert_eq!(values, ["3", "2"]);
        assert_eq!(kv.put("a b", "1".into()).await, Err(KvError::BadKey));
    }
}
