//! The durable door: messages that bots submitted, until each has its stored verdict.

use std::time::Duration;

use async_nats::jetstream::AckKind;
use async_nats::jetstream::message::Acker;
use async_nats::{Client, HeaderMap, jetstream};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use portcullis_bus::JournalError;
use portcullis_core::BotId;

use crate::store::{self, OpenError};
use crate::subjects;

/// The work queue `SUBMIT`. Every instance of ingress reads from the same one; a message that an
/// instance took and did not settle comes again, to any of them.
pub struct SubmitQueue {
    messages: BoxStream<'static, Result<Submitted, JournalError>>,
}

impl SubmitQueue {
    /// Opens the queue. At most `at_once` messages are fetched ahead.
    ///
    /// # Errors
    /// [`OpenError::Missing`] where `admin init` did not run, [`OpenError::Away`] where nobody
    /// answers.
    pub async fn open(client: Client, at_once: usize) -> Result<Self, OpenError> {
        let consumer = store::consumer(&client, subjects::SUBMIT, subjects::INGRESS).await?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(at_once.max(1))
            .expires(Duration::from_secs(30))
            .heartbeat(Duration::from_secs(5))
            .messages()
            .await
            .map_err(|_| OpenError::Away)?;
        let messages = messages.map(|message| match message {
            Ok(message) => Submitted::read(message),
            Err(_) => Err(JournalError::Away),
        });
        Ok(Self { messages: Box::pin(messages) })
    }
}

/// An error means that the server is away for now; the stream goes on when it is back, and ends
/// only where the consumer is gone.
impl Stream for SubmitQueue {
    type Item = Result<Submitted, JournalError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.messages.poll_next_unpin(context)
    }
}

/// One submitted message. What is dropped unsettled comes again.
pub struct Submitted {
    /// The bot that submitted it: the subject says so, and the server's rights hold it.
    pub bot: Option<BotId>,
    /// Its headers, if it has any.
    pub headers: Option<HeaderMap>,
    /// Its body.
    pub payload: Bytes,
    /// Position in the queue.
    pub sequence: u64,
    /// When the server took it in, in nanoseconds since 1970. With `sequence` it names the message for
    /// good, also where the stream is made anew.
    pub published_nanos: i128,
    /// How often it was delivered, this time included.
    pub delivered: u64,
    acker: Acker,
}

impl Submitted {
    fn read(message: jetstream::Message) -> Result<Self, JournalError> {
        let info = message.info().map_err(|_| JournalError::Away)?;
        let sequence = info.stream_sequence;
        let published_nanos = info.published.unix_timestamp_nanos();
        let delivered = u64::try_from(info.delivered).unwrap_or_default();
        let bot = BotId::parse(subjects::last_token(&message.subject)).ok();
        let (message, acker) = message.split();
        let (headers, payload) = (message.headers, message.payload);
        Ok(Self { bot, headers, payload, sequence, published_nanos, delivered, acker })
    }

    /// Its verdict is stored: it never comes again. Waits until the server has taken note.
    ///
    /// # Errors
    /// [`JournalError::Away`]: it may come again.
    pub async fn ack(&self) -> Result<(), JournalError> {
        self.acker.double_ack().await.map_err(|_| JournalError::Away)
    }

    /// It is still being worked on: the time until it comes again starts anew.
    ///
    /// # Errors
    /// [`JournalError::Away`]: it may come again.
    pub async fn progress(&self) -> Result<(), JournalError> {
        self.tell(AckKind::Progress).await
    }

    /// It could not be judged now: it comes again after this time.
    ///
    /// # Errors
    /// [`JournalError::Away`]: it comes again later.
    pub async fn nak(&self, after: Duration) -> Result<(), JournalError> {
        self.tell(AckKind::Nak(Some(after))).await
    }

    /// It can never be judged, and its problem record is stored: it never comes again.
    ///
    /// # Errors
    /// [`JournalError::Away`]: it may come again.
    pub async fn term(&self) -> Result<(), JournalError> {
        self.tell(AckKind::Term).await
    }

    async fn tell(&self, kind: AckKind) -> Result<(), JournalError> {
        self.acker.ack_with(kind).await.map_err(|_| JournalError::Away)
    }
}
