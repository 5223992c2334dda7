//! A bot's mail: what it did not wait for.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::stream::ConsumerErrorKind;
use async_nats::jetstream::{self, AckKind};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use portcullis_bus_nats::{Client, subjects};
use portcullis_core::{BotId, ResolutionRecord, Verdict};
use serde::Deserialize;

use crate::{Error, Problem};

/// What a letter says.
#[derive(Debug, Clone, PartialEq)]
pub enum Mail {
    /// The verdict of a submitted message.
    Verdict(Box<Verdict>),
    /// A submitted message could not be judged, ever.
    Problem {
        /// Its id; of the gateway's making where it could not be read.
        id: String,
        /// What is wrong with it.
        problem: Box<Problem>,
    },
    /// How a held message ended.
    Resolution(Box<ResolutionRecord>),
    /// Something that this release does not understand.
    Unreadable,
}

/// A letter. What is dropped without [`Letter::done`] comes again.
pub struct Letter {
    /// What it says.
    pub mail: Mail,
    acker: Acker,
}

impl Letter {
    /// The bot has acted on it: it does not come again. Waits until the server has taken note.
    ///
    /// # Errors
    /// [`Error::Away`]: it may come again.
    pub async fn done(&self) -> Result<(), Error> {
        self.acker.double_ack().await.map_err(|_| Error::Away)
    }

    /// The bot could not act on it now: it comes again after this time.
    ///
    /// # Errors
    /// [`Error::Away`]: it comes again later.
    pub async fn later(&self, after: Duration) -> Result<(), Error> {
        self.acker.ack_with(AckKind::Nak(Some(after))).await.map_err(|_| Error::Away)
    }
}

/// The letters of a bot, oldest first. [`Error::Away`] means that the server is away for now; the stream
/// goes on when it is back, and ends only where the mailbox is gone.
pub struct Mailbox(BoxStream<'static, Result<Letter, Error>>);

impl Mailbox {
    pub(crate) async fn open(client: &Client, bot: &BotId) -> Result<Self, Error> {
        let consumer: jetstream::consumer::Consumer<pull::Config> = jetstream::new(client.clone())
            .get_consumer_from_stream(subjects::bot_user(bot), subjects::VERDICT)
            .await
            .map_err(|error| match error.kind() {
                ConsumerErrorKind::JetStream(inner) if inner.code() == 404 => {
                    let detail = "this bot has no mailbox: run `portcullis admin init`".to_owned();
                    Error::refused(Problem { status: 404, detail, ..Problem::default() })
                }
                _ => Error::Away,
            })?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(64)
            .expires(Duration::from_secs(30))
            .heartbeat(Duration::from_secs(5))
            .messages()
            .await
            .map_err(|_| Error::Away)?;
        let resolutions = subjects::resolution(bot);
        Ok(Self(Box::pin(messages.map(move |message| {
            let (message, acker) = message.map_err(|_| Error::Away)?.split();
            let is_resolution = message.subject.as_str() == resolutions;
            Ok(Letter { mail: read(is_resolution, &message.payload), acker })
        }))))
    }
}

impl Stream for Mailbox {
    type Item = Result<Letter, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

#[derive(Deserialize)]
struct ProblemRecord {
    id: String,
    problem: Problem,
}

fn read(is_resolution: bool, body: &[u8]) -> Mail {
    if is_resolution {
        let resolution = serde_json::from_slice(body).map(Mail::Resolution);
        return resolution.unwrap_or(Mail::Unreadable);
    }
    if let Ok(verdict) = serde_json::from_slice(body) {
        return Mail::Verdict(verdict);
    }
    match serde_json::from_slice(body) {
        Ok(ProblemRecord { id, problem }) => Mail::Problem { id, problem: Box::new(problem) },
        Err(_) => Mail::Unreadable,
    }
}
