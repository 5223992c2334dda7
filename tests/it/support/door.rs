//! A bot at the doors: over HTTP and over NATS, without the SDK, so that what is on the wire is seen.

use portcullis_bus_nats::{Client, HeaderMap, subjects};
use portcullis_core::Verdict;
use serde_json::Value;

use super::{PATIENCE, bot};

/// What an HTTP door answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The verdict; panics where it is a problem.
    pub(crate) fn verdict(self) -> Verdict {
        assert_eq!(self.status, 200, "no verdict: {}", self.body);
        serde_json::from_value(self.body).unwrap()
    }
}

/// An HTTP door.
#[derive(Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    base: String,
    key: Option<String>,
}

impl Http {
    /// The door at `base`.
    pub(crate) fn new(base: String) -> Self {
        let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Self { client, base, key: None }
    }

    /// Asks with an API key.
    pub(crate) fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Asks for a verdict.
    pub(crate) async fn check(&self, body: Value) -> Verdict {
        self.post("/v1/check", &body, &[]).await.verdict()
    }

    /// Posts JSON with further headers.
    pub(crate) async fn post(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        self.post_bytes(path, serde_json::to_vec(body).unwrap(), headers).await
    }

    /// Posts bytes that say they are JSON.
    pub(crate) async fn post_bytes(
        &self,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> Answer {
        self.try_post_bytes(path, body, headers).await.expect("the door answers")
    }

    /// The same, where the door may be away.
    pub(crate) async fn try_post_bytes(
        &self,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> reqwest::Result<Answer> {
        let mut request = self.client.post(format!("{}{path}", self.base)).body(body);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    /// Gets a path.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = self.client.get(format!("{}{path}", self.base));
        self.send(request).await.expect("the door answers")
    }

    async fn send(&self, mut request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await?;
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Ok(Answer { status, headers, body })
    }
}

/// What a door on NATS refused.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// Asks at a bot's NATS door with bytes and headers as they are; `Err` is a request without an answer.
pub(crate) async fn nats_ask(
    client: &Client,
    name: &str,
    body: Vec<u8>,
    headers: HeaderMap,
) -> Result<Result<Verdict, Refused>, String> {
    let request = async_nats::Request::new().payload(body.into()).headers(headers);
    let request = request.timeout(Some(PATIENCE));
    let reply = client
        .send_request(subjects::ingress(&bot(name)), request)
        .await
        .map_err(|error| error.to_string())?;
    let status = reply.headers.as_ref().and_then(|headers| headers.get("Portcullis-Status"));
    Ok(match status {
        None => Ok(serde_json::from_slice(&reply.payload).unwrap()),
        Some(status) => Err(Refused {
            status: status.as_str().parse().unwrap(),
            body: serde_json::from_slice(&reply.payload).unwrap(),
        }),
    })
}

/// Asks for a verdict at a bot's NATS door.
pub(crate) async fn nats_check(client: &Client, name: &str, body: &Value) -> Verdict {
    let body = serde_json::to_vec(body).unwrap();
    nats_ask(client, name, body, HeaderMap::new()).await.expect("an answer").expect("a verdict")
}
