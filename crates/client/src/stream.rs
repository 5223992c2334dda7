//! Answers that are checked while they are being written: pieces go in, what may be shown comes back.

use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::channel::mpsc;
use portcullis_core::{MessageId, Text, Verdict};
use serde::{Deserialize, Serialize};

use crate::{Error, Message, Problem};

/// What may be shown, and how the answer fares.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Piece {
    /// The number of the piece that this answers; 0 where it is said of none.
    #[serde(default)]
    pub seq: u64,
    /// What may be shown now; may be empty, because the end of what was written is held back until it is clear
    /// what it is.
    #[serde(default)]
    pub text: Text,
    /// Why the answer was stopped, where it was: nothing more of it may be shown.
    #[serde(default)]
    pub stopped: Option<String>,
    /// The verdict on the whole, with the last piece.
    #[serde(default)]
    pub verdict: Option<Box<Verdict>>,
}

/// Where streams are opened.
#[async_trait]
pub trait StreamDoor: Send + Sync + 'static {
    /// Opens a stream for an answer of the bot. The text of `message` is not sent: what is written is fed.
    ///
    /// # Errors
    /// Where none can be opened.
    async fn stream(&self, message: &Message) -> Result<AnswerStream, Error>;
}

/// An answer that is being written. After an error, and once there is a verdict, it is over.
pub struct AnswerStream {
    id: MessageId,
    next: u64,
    over: bool,
    way: Box<dyn Way>,
}

/// How pieces reach the gateway.
#[async_trait]
pub(crate) trait Way: Send {
    /// Sends a piece and waits for its answer.
    async fn send(&mut self, piece: &Fed<'_>) -> Result<Piece, Error>;
}

/// A piece as it is sent.
#[derive(Serialize)]
pub(crate) struct Fed<'a> {
    seq: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    end: bool,
}

impl AnswerStream {
    pub(crate) fn new(id: MessageId, way: impl Way + 'static) -> Self {
        Self { id, next: 1, over: false, way: Box::new(way) }
    }

    /// The answer's id.
    pub fn id(&self) -> &MessageId {
        &self.id
    }

    /// Feeds what the bot wrote next; gives what may be shown. Where the answer was stopped the piece says so
    /// and has the verdict: the bot need write no more.
    ///
    /// # Errors
    /// [`Error::Aborted`] where the gateway that held the stream is gone, or the stream is over. What was shown
    /// before was checked; what was not must not be shown.
    pub async fn feed(&mut self, text: &str) -> Result<Piece, Error> {
        self.send(text, false).await
    }

    /// Says that the answer is whole; gives the rest that may be shown, and the verdict.
    ///
    /// # Errors
    /// As [`AnswerStream::feed`].
    pub async fn finish(&mut self) -> Result<Piece, Error> {
        self.send("", true).await
    }

    async fn send(&mut self, text: &str, end: bool) -> Result<Piece, Error> {
        if self.over {
            return Err(Error::Aborted);
        }
        let piece = Fed { seq: self.next, text, end };
        self.next += 1;
        let answer = self.way.send(&piece).await;
        self.over = answer.as_ref().map_or(true, |piece| piece.verdict.is_some());
        answer
    }
}

/// The opening of a stream: a message without direction and text.
pub(crate) fn opening(message: &Message) -> Result<Vec<u8>, Error> {
    let mut value = serde_json::to_value(message).map_err(|_| Error::Unreadable)?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("direction");
        fields.remove("text");
    }
    serde_json::to_vec(&value).map_err(|_| Error::Unreadable)
}

/// Over HTTP: lines go up in one body while events come down.
pub(crate) struct Lines {
    pub(crate) up: mpsc::Sender<Result<Bytes, std::io::Error>>,
    pub(crate) down: Events,
    pub(crate) timeout: std::time::Duration,
}

#[async_trait]
impl Way for Lines {
    async fn send(&mut self, piece: &Fed<'_>) -> Result<Piece, Error> {
        use futures::SinkExt;
        let mut line = serde_json::to_vec(piece).map_err(|_| Error::Unreadable)?;
        line.push(b'\n');
        self.up.send(Ok(line.into())).await.map_err(|_| Error::Aborted)?;
        let mut shown = String::new();
        let answer = async {
            loop {
                let Some((name, data)) = self.down.next().await? else {
                    return Err(Error::Aborted);
                };
                match name.as_str() {
                    "piece" => {
                        let told: Piece =
                            serde_json::from_slice(&data).map_err(|_| Error::Unreadable)?;
                        shown.push_str(told.text.expose());
                        if told.seq == piece.seq {
                            return Ok(Piece { text: shown.into(), ..told });
                        }
                    }
                    "problem" => {
                        let problem: Problem = serde_json::from_slice(&data).unwrap_or_default();
                        return Err(Error::refused(problem));
                    }
                    _ => {}
                }
            }
        };
        tokio::time::timeout(self.timeout, answer).await.map_err(|_| Error::Timeout)?
    }
}

/// Server-sent events as they come (the WHATWG's event-stream form: `event:` and `data:` lines, a blank one ends).
pub(crate) struct Events {
    body: futures::stream::BoxStream<'static, Result<Bytes, reqwest::Error>>,
    read: BytesMut,
    name: String,
    data: Vec<u8>,
    ready: VecDeque<(String, Vec<u8>)>,
}

/// The longest line that is taken: a verdict with its text, escaped.
const LINE: usize = 16 * 1024 * 1024;

impl Events {
    pub(crate) fn new(response: reqwest::Response) -> Self {
        Self {
            body: response.bytes_stream().boxed(),
            read: BytesMut::new(),
            name: String::new(),
            data: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    /// The next event's name and data; `None` where there are no more.
    pub(crate) async fn next(&mut self) -> Result<Option<(String, Vec<u8>)>, Error> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            match self.body.next().await {
                None => return Ok(None),
                Some(Err(_)) => return Err(Error::Aborted),
                Some(Ok(bytes)) => self.read.extend_from_slice(&bytes),
            }
            while let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line = self.read.split_to(end + 1);
                self.line(line.trim_ascii_end());
            }
            if self.read.len() > LINE {
                return Err(Error::Unreadable);
            }
        }
    }

    fn line(&mut self, line: &[u8]) {
        let value = |name: &[u8]| {
            let rest = line.strip_prefix(name)?;
            Some(rest.strip_prefix(b" ").unwrap_or(rest))
        };
        if line.is_empty() {
            if !self.data.is_empty() {
                let event = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
                self.ready.push_back(event);
            }
        } else if let Some(name) = value(b"event:") {
            self.name = String::from_utf8_lossy(name).into_owned();
        } else if let Some(data) = value(b"data:") {
            self.data.extend_from_slice(data);
        }
    }
}
