//! A watched bucket on JetStream.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::{DeliverPolicy, push};
use async_nats::jetstream::context::KeyValueErrorKind;
use async_nats::jetstream::kv::{CreateErrorKind, Operation, PutErrorKind, Store};
use async_nats::jetstream::{self, stream};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use portcullis_bus::{Kv, KvError, KvEvent, KvEvents, KvRecord};

use crate::store::{self, OpenError};

/// How often a watch looks whether its connection is still the same.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A bucket that was made by `admin init`.
#[derive(Clone)]
pub struct NatsKv {
    store: Store,
    client: Client,
}

impl NatsKv {
    /// Opens a bucket.
    ///
    /// # Errors
    /// [`OpenError::Missing`] where it was not made yet, [`OpenError::Away`] where nobody answers.
    pub async fn open(client: Client, bucket: &str) -> Result<Self, OpenError> {
        let context = store::context(&client);
        let store = context.get_key_value(bucket).await.map_err(|error| match error.kind() {
            KeyValueErrorKind::InvalidStoreName => OpenError::Missing(format!("bucket {bucket}")),
            _ if store::is_missing(&error) => OpenError::Missing(format!("bucket {bucket}")),
            _ => OpenError::Away,
        })?;
        Ok(Self { store, client })
    }
}

#[async_trait]
impl Kv for NatsKv {
    async fn get(&self, key: &str) -> Result<Option<KvRecord>, KvError> {
        check_key(key)?;
        let entry = self.store.entry(key).await.map_err(|_| KvError::Away)?;
        Ok(entry
            .filter(|entry| entry.operation == Operation::Put)
            .map(|entry| KvRecord { value: entry.value, revision: entry.revision }))
    }

    async fn put(&self, key: &str, value: Bytes) -> Result<u64, KvError> {
        check_key(key)?;
        self.store.put(key, value).await.map_err(|error| match error.kind() {
            PutErrorKind::InvalidKey => KvError::BadKey,
            PutErrorKind::Publish | PutErrorKind::Ack => KvError::Away,
        })
    }

    async fn create(&self, key: &str, value: Bytes) -> Result<u64, KvError> {
        check_key(key)?;
        self.store.create(key, value).await.map_err(|error| match error.kind() {
            CreateErrorKind::AlreadyExists => KvError::Exists,
            CreateErrorKind::InvalidKey => KvError::BadKey,
            _ => KvError::Away,
        })
    }

    async fn delete(&self, key: &str) -> Result<(), KvError> {
        check_key(key)?;
        self.store.delete(key).await.map_err(|_| KvError::Away)
    }

    async fn history(&self, key: &str) -> Result<Vec<KvRecord>, KvError> {
        check_key(key)?;
        let mut entries = self.store.history(key).await.map_err(|_| KvError::Away)?;
        let mut records = Vec::new();
        while let Some(entry) = entries.next().await {
            let entry = entry.map_err(|_| KvError::Away)?;
            if entry.operation == Operation::Put {
                records.push(KvRecord { value: entry.value, revision: entry.revision });
            }
        }
        records.reverse();
        Ok(records)
    }

    /// The library's own watch does not tell the end of the snapshot of an empty bucket, so the
    /// ordered consumer beneath it is used. The watch ends after the connection was lost and is
    /// there again: what the library would then go on with waits up to ten seconds, and may tell old
    /// revisions as new.
    async fn watch(&self) -> Result<KvEvents, KvError> {
        let stream: &stream::Stream = &self.store.stream;
        let consumer = stream
            .create_consumer(push::OrderedConfig {
                deliver_subject: self.client.new_inbox(),
                filter_subject: format!("{}>", self.store.prefix),
                deliver_policy: DeliverPolicy::LastPerSubject,
                ..Default::default()
            })
            .await
            .map_err(|_| KvError::Away)?;
        let empty = consumer.cached_info().num_pending == 0;
        let messages = consumer.messages().await.map_err(|_| KvError::Away)?;
        let start = futures::stream::iter(empty.then_some(KvEvent::Snapshot));
        let prefix = self.store.prefix.clone();
        let mut told = empty;
        let changes = messages
            // An error is the end: the watcher watches again from a new snapshot.
            .map(Result::ok)
            .take_while(|message| futures::future::ready(message.is_some()))
            .filter_map(futures::future::ready)
            .flat_map(move |message| {
                let mut events = Vec::with_capacity(2);
                if let Some((event, pending)) = read(&message, &prefix) {
                    // What is gone already is no part of a snapshot.
                    if told || matches!(event, KvEvent::Put { .. }) {
                        events.push(event);
                    }
                    if !told && pending == 0 {
                        told = true;
                        events.push(KvEvent::Snapshot);
                    }
                }
                futures::stream::iter(events)
            });
        Ok(Box::pin(start.chain(changes).take_until(reconnected(self.client.clone()))))
    }
}

/// Returns once the client has another connection than now.
async fn reconnected(client: Client) {
    let statistics = client.statistics();
    let before = statistics.connects.load(Ordering::Relaxed);
    while statistics.connects.load(Ordering::Relaxed) == before {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A change, and how many more are on their way.
fn read(message: &jetstream::Message, prefix: &str) -> Option<(KvEvent, u64)> {
    let info = message.info().ok()?;
    let key = message.subject.strip_prefix(prefix)?.to_owned();
    let gone = message.headers.as_ref().is_some_and(|headers| {
        // A removal by hand, or by the age of a key.
        headers.get("KV-Operation").is_some_and(|operation| operation.as_str() != "PUT")
            || headers.get("Nats-Marker-Reason").is_some()
    });
    let event = if gone {
        KvEvent::Gone { key }
    } else {
        let value = message.payload.clone();
        KvEvent::Put { key, record: KvRecord { value, revision: info.stream_sequence } }
    };
    Some((event, info.pending))
}

/// The form of keys that every form of the port allows.
fn check_key(key: &str) -> Result<(), KvError> {
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'=' | b'/' | b'.' | b'-');
    if key.is_empty() || key.starts_with('.') || key.ends_with('.') || !key.bytes().all(allowed) {
        return Err(KvError::BadKey);
    }
    Ok(())
}
