//! The client over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::channel::mpsc;
use portcullis_core::{Direction, MessageId, ResolutionRecord, Verdict};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, Response, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::stream::{Events, Lines, opening};
use crate::{AnswerStream, Door, Error, Message, Problem, SetupError, StreamDoor};

/// How long an answer may take, unless said otherwise: well over the gateway's own 300 ms.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks over HTTP. Cloning shares the connections.
#[derive(Clone)]
pub struct HttpClient {
    http: reqwest::Client,
    base: Url,
    key: Option<SecretString>,
    timeout: Duration,
}

/// What is known of a check that was made.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CheckState {
    /// The verdict that was given.
    pub verdict: Verdict,
    /// How the held message ended, once it did.
    #[serde(default)]
    pub resolution: Option<ResolutionRecord>,
}

impl HttpClient {
    /// A client of the door at `base`, such as `http://127.0.0.1:8080`. It follows no redirects and uses no
    /// proxy, so that keys and texts go to that door alone.
    ///
    /// # Errors
    /// [`SetupError::Address`] where that is no address of a door.
    pub fn new(base: &str) -> Result<Self, SetupError> {
        let mut base = Url::parse(base).map_err(|_| SetupError::Address)?;
        if base.scheme() != "http" || !base.has_host() {
            return Err(SetupError::Address);
        }
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|_| SetupError::Http)?;
        Ok(Self { http, base, key: None, timeout: PATIENCE })
    }

    /// Shows this API key at the door.
    #[must_use]
    pub fn key(mut self, key: impl Into<SecretString>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// How long an answer may take; 2 s by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What became of a check, of the key's own bot. The door remembers checks with an id of the bot's own,
    /// and held ones, for a day.
    ///
    /// # Errors
    /// [`Error::Refused`] with status 404 where the door does not remember it.
    pub async fn look_up(&self, direction: Direction, id: &MessageId) -> Result<CheckState, Error> {
        let way = direction.as_str();
        let request = self.http.get(self.url(&format!("v1/checks/{id}?direction={way}"))?);
        let body = self.send(request).await?;
        serde_json::from_slice(&body).map_err(|_| Error::Unreadable)
    }

    fn url(&self, path: &str) -> Result<Url, Error> {
        self.base.join(path).map_err(|_| Error::Unreadable)
    }

    /// With the key, where there is one.
    fn authorised(&self, request: RequestBuilder) -> Result<RequestBuilder, Error> {
        let Some(key) = &self.key else { return Ok(request) };
        let value = format!("Bearer {}", key.expose_secret());
        let unusable = |_| Error::refused(Problem::bare(401));
        let mut value = HeaderValue::try_from(value).map_err(unusable)?;
        value.set_sensitive(true);
        Ok(request.header(AUTHORIZATION, value))
    }

    /// The body of a good answer.
    async fn send(&self, request: RequestBuilder) -> Result<Vec<u8>, Error> {
        let request = self.authorised(request)?;
        let response = request.timeout(self.timeout).send().await.map_err(failure)?;
        if response.status().is_success() {
            return Ok(response.bytes().await.map_err(failure)?.into());
        }
        Err(self.refusal(response).await)
    }

    /// What an answer says that is no good one.
    async fn refusal(&self, response: Response) -> Error {
        let status = response.status();
        let retry_after = retry_after(&response);
        let body = match tokio::time::timeout(self.timeout, response.bytes()).await {
            Ok(Ok(body)) => body,
            Ok(Err(error)) => return failure(error),
            Err(_) => return Error::Timeout,
        };
        if !status.is_client_error() && !status.is_server_error() {
            return Error::Unreadable;
        }
        // What stands between may answer in words of its own: then the status is all there is.
        let mut problem = serde_json::from_slice(&body).unwrap_or_else(|_| Problem::bare(0));
        problem.status = status.as_u16();
        problem.retry_after_s = problem.retry_after_s.or(retry_after);
        Error::refused(problem)
    }
}

#[async_trait]
impl Door for HttpClient {
    async fn check(&self, message: &Message) -> Result<Verdict, Error> {
        let request = self.http.post(self.url("v1/check")?).json(message);
        let body = self.send(request).await?;
        serde_json::from_slice(&body).map_err(|_| Error::Unreadable)
    }
}

fn retry_after(response: &Response) -> Option<u64> {
    response.headers().get("retry-after")?.to_str().ok()?.parse().ok()
}

fn failure(error: reqwest::Error) -> Error {
    if error.is_timeout() { Error::Timeout } else { Error::Away }
}

#[async_trait]
impl StreamDoor for HttpClient {
    async fn stream(&self, message: &Message) -> Result<AnswerStream, Error> {
        #[derive(Deserialize)]
        struct Opened {
            id: MessageId,
        }
        let mut opening = opening(message)?;
        opening.push(b'\n');
        let (mut up, lines) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
        up.try_send(Ok(opening.into())).map_err(|_| Error::Away)?;
        let request = self
            .http
            .post(self.url("v1/stream")?)
            .header(CONTENT_TYPE, "application/x-ndjson")
            .body(reqwest::Body::wrap_stream(lines));
        let answered = tokio::time::timeout(self.timeout, self.authorised(request)?.send()).await;
        let response = answered.map_err(|_| Error::Timeout)?.map_err(failure)?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let mut down = Events::new(response);
        let first = tokio::time::timeout(self.timeout, down.next()).await;
        let first = first.map_err(|_| Error::Timeout)??;
        let (_, data) = first.filter(|(name, _)| name == "open").ok_or(Error::Unreadable)?;
        let Opened { id } = serde_json::from_slice(&data).map_err(|_| Error::Unreadable)?;
        Ok(AnswerStream::new(id, Lines { up, down, timeout: self.timeout }))
    }
}
