//! What a city has kept: the journal, the ledger, bots' mail, and anything else in a stream.

use std::path::PathBuf;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, stream::Stream};
use bytes::Bytes;
use futures::StreamExt;
use portcullis_bus_nats::subjects;
use portcullis_core::{Body, Entry};
use portcullis_ledger::{LedgerReader, Query, Row};

use super::City;

impl City {
    /// A stream, as the tester sees it.
    pub(crate) async fn stream(&self, name: &str) -> Stream {
        jetstream::new(self.tester.clone()).get_stream(name).await.unwrap()
    }

    /// Messages that a stream holds.
    pub(crate) async fn count(&self, stream: &str) -> u64 {
        self.stream(stream).await.get_info().await.unwrap().state.messages
    }

    /// Subject and body of every message that a stream holds, in order.
    pub(crate) async fn messages(&self, stream: &str) -> Vec<(String, Bytes)> {
        let stream = self.stream(stream).await;
        let count = usize::try_from(stream.cached_info().state.messages).unwrap();
        let config = pull::Config { ack_policy: AckPolicy::None, ..pull::Config::default() };
        let consumer = stream.create_consumer(config).await.unwrap();
        let mut read = Vec::with_capacity(count);
        while read.len() < count {
            let mut batch = consumer.fetch().max_messages(500).messages().await.unwrap();
            while let Some(message) = batch.next().await {
                let message = message.unwrap();
                read.push((message.subject.to_string(), message.payload.clone()));
            }
        }
        read
    }

    /// Every entry of the journal, in order.
    pub(crate) async fn journal(&self) -> Vec<Entry> {
        let messages = self.messages(subjects::JOURNAL).await;
        messages.iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
    }

    /// The folder of audit.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("audit-data")
    }

    /// Every row of audit's ledger, in order.
    pub(crate) fn ledger(&self) -> Vec<Row> {
        let reader = LedgerReader::open(&self.data()).unwrap();
        reader.search(Query::default()).map(Result::unwrap).collect()
    }

    /// The ids of the ledger's entries, in order.
    pub(crate) fn ledger_ids(&self) -> Vec<String> {
        self.ledger()
            .into_iter()
            .filter_map(|row| row.content.entry().map(|entry| entry.id.clone()))
            .collect()
    }
}

/// The message ids of the verdicts among entries, sorted, each as often as it is there.
pub(crate) fn verdict_ids<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<String> {
    let mut ids: Vec<String> = entries
        .into_iter()
        .filter_map(|entry| match &entry.body {
            Body::Verdict(record) => Some(record.verdict.id.to_string()),
            _ => None,
        })
        .collect();
    ids.sort();
    ids
}
