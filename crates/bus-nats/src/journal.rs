//! The record on JetStream: stream `JOURNAL` and those beside it, a durable consumer a reader in each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::Client;
use async_nats::jetstream::{self, AckKind};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::select_all;
use portcullis_bus::{Deliveries, Delivery, Journal, JournalError};
use portcullis_core::Entry;
use tokio::sync::OnceCell;
use tracing::{Instrument, Span};

use crate::journals::{self, Journals};
use crate::store::{self, Message, OpenError, StoreError};
use crate::trace;

/// When an entry that a reader gave back comes again.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// The record. An append waits for JetStream's acknowledgement; an entry's id is its
/// `Nats-Msg-Id`, so that within the stream's window the same entry twice is one (the ledger's
/// unique index is what holds for ever).
///
/// Readers get entries in order, except that one which was given back or not acknowledged in time
/// comes again later: who needs the order looks at the sequence, which is the stream's. Where the record has
/// several streams a reader gets them side by side, or one of them alone ([`NatsJournal::only`]).
#[derive(Clone)]
pub struct NatsJournal {
    client: Client,
    timeout: Duration,
    /// How many streams there are: asked once, as it never changes.
    journals: Arc<OnceCell<Journals>>,
    only: Option<u16>,
}

impl NatsJournal {
    /// A journal whose appends give up after `timeout`.
    pub fn new(client: Client, timeout: Duration) -> Self {
        Self { client, timeout, journals: Arc::default(), only: None }
    }

    /// Reads one of the streams alone; 0 is the first.
    #[must_use]
    pub fn only(mut self, at: u16) -> Self {
        self.only = Some(at);
        self
    }

    async fn journals(&self) -> Result<Journals, OpenError> {
        let asked = self.journals.get_or_try_init(async || {
            let missing = || OpenError::Missing("stream JOURNAL".to_owned());
            Journals::found(&self.client).await?.ok_or_else(missing)
        });
        asked.await.copied()
    }

    /// What is new for a reader in one of the streams.
    async fn follow_one(&self, at: u16, reader: &str) -> Result<Deliveries, OpenError> {
        let consumer = store::consumer(&self.client, &journals::stream(at), reader).await?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(256)
            .expires(Duration::from_secs(30))
            .heartbeat(Duration::from_secs(5))
            .messages()
            .await
            .map_err(|_| OpenError::Away)?;
        Ok(Box::pin(messages.map(move |message| match message {
            Ok(message) => Ok(Box::new(NatsDelivery::read(at, message)?) as Box<dyn Delivery>),
            Err(_) => Err(JournalError::Away),
        })))
    }

    async fn follow_all(&self, reader: &str) -> Result<Deliveries, OpenError> {
        let number = self.journals().await?.number();
        if let Some(at) = self.only {
            if at >= number {
                return Err(OpenError::Missing(format!("journal {at} of {number}")));
            }
            return self.follow_one(at, reader).await;
        }
        let followed = (0..number).map(|at| self.follow_one(at, reader));
        Ok(Box::pin(select_all(futures::future::try_join_all(followed).await?)))
    }
}

#[async_trait]
impl Journal for NatsJournal {
    async fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        let body = serde_json::to_vec(entry).map_err(|_| JournalError::Refused)?;
        let Ok(Ok(journals)) = tokio::time::timeout(self.timeout, self.journals()).await else {
            metrics::counter!("portcullis_journal_appends_total", "outcome" => "away").increment(1);
            return Err(JournalError::Away);
        };
        let subject = journals.subject(entry);
        let span = tracing::info_span!(
            "append",
            otel.name = format!("send portcullis.v1.journal.{}", entry.body.kind()),
            otel.kind = "producer",
            otel.status_code = tracing::field::Empty,
            error.r#type = tracing::field::Empty,
        );
        trace::sends(&span, &subject, body.len());
        let message =
            Message { subject, id: Some(entry.id.clone()), first_only: false, body: body.into() };
        let began = Instant::now();
        let stored =
            store::store(&self.client, message, self.timeout).instrument(span.clone()).await;
        let (outcome, stored) = match stored {
            Ok(()) => ("ok", Ok(())),
            Err(error) => {
                let outcome = match error {
                    StoreError::Away | StoreError::Conflict => "away",
                    StoreError::Full => "full",
                    StoreError::Refused => "refused",
                };
                (outcome, Err(JournalError::from(error)))
            }
        };
        if stored.is_err() {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", outcome);
        }
        metrics::counter!("portcullis_journal_appends_total", "outcome" => outcome).increment(1);
        metrics::histogram!("portcullis_journal_append_seconds")
            .record(began.elapsed().as_secs_f64());
        stored
    }

    async fn follow(&self, reader: &str) -> Result<Deliveries, JournalError> {
        self.follow_all(reader).await.map_err(|error| {
            if let OpenError::Missing(_) = &error {
                tracing::error!(%error, reader, "journal cannot be read");
            }
            JournalError::Away
        })
    }
}

/// The subject of an entry without its bot: a name of few values.
fn kind_of(subject: &str) -> &str {
    subject.rsplit_once('.').map_or(subject, |(kind, _)| kind)
}

struct NatsDelivery {
    journal: u16,
    sequence: u64,
    entry: Result<Entry, &'static str>,
    raw: Bytes,
    acker: jetstream::message::Acker,
    /// In the trace of the message that the entry is about, from here until the reader is done with it.
    span: Span,
}

impl NatsDelivery {
    fn read(journal: u16, message: jetstream::Message) -> Result<Self, JournalError> {
        let sequence = message.info().map_err(|_| JournalError::Away)?.stream_sequence;
        let (message, acker) = message.split();
        let span = tracing::info_span!(
            "read",
            otel.name = format!("process {}", kind_of(&message.subject)),
            otel.kind = "consumer",
            portcullis.journal.sequence = sequence,
        );
        trace::continue_from_stored(&span, message.headers.as_ref());
        trace::processes(&span, &message.subject, message.payload.len());
        // The parser's own message may quote the entry.
        let entry =
            serde_json::from_slice(&message.payload).map_err(|error| match error.classify() {
                serde_json::error::Category::Syntax | serde_json::error::Category::Eof => {
                    "not JSON"
                }
                _ => "not an entry",
            });
        Ok(Self { journal, sequence, entry, raw: message.payload, acker, span })
    }

    async fn tell(&self, kind: AckKind) -> Result<(), JournalError> {
        let told = self.acker.ack_with(kind).instrument(self.span.clone());
        told.await.map_err(|_| JournalError::Away)
    }
}

#[async_trait]
impl Delivery for NatsDelivery {
    fn journal(&self) -> u16 {
        self.journal
    }

    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn entry(&self) -> Result<&Entry, &str> {
        self.entry.as_ref().map_err(|error| *error)
    }

    fn raw(&self) -> &[u8] {
        &self.raw
    }

    async fn ack(self: Box<Self>) -> Result<(), JournalError> {
        self.tell(AckKind::Ack).await
    }

    async fn retry(self: Box<Self>) -> Result<(), JournalError> {
        self.tell(AckKind::Nak(Some(AGAIN_AFTER))).await
    }
}
