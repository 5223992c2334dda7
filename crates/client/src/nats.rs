//! The client over NATS: request-reply, and the durable way.

use std::time::Duration;

use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::{HeaderMap, Request, RequestErrorKind, header};
use async_trait::async_trait;
use portcullis_bus_nats::{
    Client, ConnectError, ConnectOptions, STATUS_HEADER, connect, subjects, trace,
};
use portcullis_core::{BotId, MessageId, Verdict};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::stream::{Fed, Way, opening};
use crate::{AnswerStream, Door, Error, Mailbox, Message, Piece, Problem, StreamDoor};

/// How long an answer may take, unless said otherwise: well over the gateway's own 300 ms.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks over NATS, as one bot. Cloning shares the connection.
#[derive(Clone)]
pub struct NatsClient {
    client: Client,
    bot: BotId,
    timeout: Duration,
}

/// A message that is kept until it has its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The id under which its verdict comes.
    pub id: MessageId,
    /// Whether it was kept before: the same id within the server's window.
    pub repeated: bool,
}

impl NatsClient {
    /// Connects as `bot`. The server's rights decide whether that is so.
    ///
    /// # Errors
    /// Where the server refuses us, is too old, or (with `fail_fast`) is not there.
    pub async fn connect(options: &ConnectOptions, bot: BotId) -> Result<Self, ConnectError> {
        Ok(Self::new(connect(options).await?, bot))
    }

    /// Uses a connection that is there.
    pub fn new(client: Client, bot: BotId) -> Self {
        Self { client, bot, timeout: PATIENCE }
    }

    /// How long an answer may take; 2 s by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Submits a message the durable way: when this returns it survives a restart of everything, and its
    /// verdict comes to the bot's [mailbox](Self::mailbox) in the end. A message without an id gets one.
    ///
    /// After [`Error::Timeout`] it may have been kept: submit it again with the same id, and it is judged
    /// once.
    ///
    /// # Errors
    /// [`Error::Refused`] with status 503 where the queue is full.
    pub async fn submit(&self, message: &Message) -> Result<Submitted, Error> {
        let id = message.id.clone().unwrap_or_else(MessageId::generate);
        let message = message.clone().id(id.clone());
        // One window serves all bots and both directions, so the header's id names them.
        let unique = format!("submit/{}/{}/{id}", self.bot, message.direction.as_str());
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_MESSAGE_ID, unique);
        let answer = self.ask(subjects::submit(&self.bot), headers, &message).await?;
        match read::<Response<PublishAck>>(&answer.payload)? {
            Response::Ok(ack) => Ok(Submitted { id, repeated: ack.duplicate }),
            Response::Err { error } => {
                let status = u16::try_from(error.code()).unwrap_or(500);
                let detail = "the queue does not take the message".to_owned();
                Err(Error::refused(Problem { status, detail, ..Problem::default() }))
            }
        }
    }

    /// Opens the bot's mail: verdicts of submitted messages, and resolutions of held ones. Several
    /// instances of a bot share it; each letter goes to one of them.
    ///
    /// # Errors
    /// [`Error::Refused`] with status 404 where no mailbox was made for this bot (`portcullis admin init`),
    /// [`Error::Away`] where nobody answers.
    pub async fn mailbox(&self) -> Result<Mailbox, Error> {
        Mailbox::open(&self.client, &self.bot).await
    }

    /// Sends what is still buffered, and closes the connection.
    ///
    /// # Errors
    /// [`Error::Away`] where the connection was lost.
    pub async fn close(self) -> Result<(), Error> {
        self.client.flush().await.map_err(|_| Error::Away)?;
        self.client.drain().await.map_err(|_| Error::Away)
    }

    async fn ask(
        &self,
        subject: String,
        headers: HeaderMap,
        message: &Message,
    ) -> Result<async_nats::Message, Error> {
        let body = serde_json::to_vec(message).map_err(|_| Error::Unreadable)?;
        self.request(subject, headers, body).await
    }

    async fn request(
        &self,
        subject: String,
        mut headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<async_nats::Message, Error> {
        trace::inject(&mut headers);
        let request = Request::new().headers(headers).payload(body.into()).timeout(None);
        let answer = self.client.send_request(subject, request);
        tokio::time::timeout(self.timeout, answer).await.map_err(|_| Error::Timeout)?.map_err(
            |error| match error.kind() {
                RequestErrorKind::TimedOut => Error::Timeout,
                RequestErrorKind::MaxPayloadExceeded => {
                    let detail = "the message is larger than the server takes".to_owned();
                    Error::refused(Problem { status: 413, detail, ..Problem::default() })
                }
                _ => Error::Away,
            },
        )
    }
}

#[async_trait]
impl Door for NatsClient {
    async fn check(&self, message: &Message) -> Result<Verdict, Error> {
        let subject = subjects::ingress(&self.bot);
        let answer = self.ask(subject, HeaderMap::new(), message).await?;
        good(&answer)
    }
}

#[async_trait]
impl StreamDoor for NatsClient {
    async fn stream(&self, message: &Message) -> Result<AnswerStream, Error> {
        #[derive(Deserialize)]
        struct Opened {
            id: MessageId,
            subject: String,
        }
        let subject = subjects::stream(&self.bot);
        let answer = self.request(subject, HeaderMap::new(), opening(message)?).await?;
        let Opened { id, subject } = good(&answer)?;
        Ok(AnswerStream::new(id, Private { client: self.clone(), subject }))
    }
}

/// A stream on the private subject of one ingress.
struct Private {
    client: NatsClient,
    subject: String,
}

#[async_trait]
impl Way for Private {
    async fn send(&mut self, piece: &Fed<'_>) -> Result<Piece, Error> {
        let body = serde_json::to_vec(piece).map_err(|_| Error::Unreadable)?;
        let answer = self.client.request(self.subject.clone(), HeaderMap::new(), body).await;
        // Nobody listens there any more: that ingress is gone, and the stream with it.
        let answer = answer.map_err(|error| match error {
            Error::Away => Error::Aborted,
            other => other,
        })?;
        good(&answer)
    }
}

/// What a good answer says; a problem is an error.
fn good<T: DeserializeOwned>(answer: &async_nats::Message) -> Result<T, Error> {
    let status = answer.headers.as_ref().and_then(|headers| headers.get(STATUS_HEADER));
    let Some(status) = status else { return read(&answer.payload) };
    let status = status.as_str().parse().map_err(|_| Error::Unreadable)?;
    let problem: Problem = read(&answer.payload)?;
    Err(Error::refused(Problem { status, ..problem }))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|_| Error::Unreadable)
}
