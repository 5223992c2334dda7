//! `_bulk`: many documents in one request, each with an outcome of its own.

use std::fmt;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;

use crate::client::{Client, Fault};

/// A document to create under an id.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its `_id`.
    pub id: String,
    /// JSON on one line.
    pub document: Bytes,
}

impl Item {
    /// Its length in a request, in bytes.
    pub fn bytes(&self) -> usize {
        self.id.len() + self.document.len() + 32
    }
}

/// Why something was not done: a status, and the type of the engine's error. Never its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The status as of HTTP.
    pub status: u16,
    /// The type, such as `mapper_parsing_exception`; `unknown` where it is none.
    pub kind: String,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.kind)
    }
}

impl Why {
    pub(crate) fn new(status: u16, kind: Option<&str>) -> Self {
        let word = |kind: &&str| {
            (1..=64).contains(&kind.len())
                && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        Self { status, kind: kind.filter(word).unwrap_or("unknown").to_owned() }
    }

    /// Of an answer that is an error as a whole.
    pub(crate) fn of_answer(status: u16, body: &[u8]) -> Self {
        let read: Result<Failed, _> = serde_json::from_slice(body);
        Self::new(status, read.as_ref().ok().and_then(|read| read.error.kind.as_deref()))
    }
}

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was created.
    Created,
    /// One with this id was there already.
    There,
    /// Not now: the engine is busy, or not in a state to take any.
    Later(Why),
    /// It will never be taken.
    Refused(Why),
}

/// What is not about the document, whatever its status: rights, blocked indexes, and a stream that is not there. Every
/// document would meet it.
const OF_THE_ENGINE: [&str; 5] = [
    "cluster_block_exception",
    "index_closed_exception",
    "index_not_found_exception",
    "security_exception",
    "unavailable_shards_exception",
];

impl Outcome {
    fn of(status: u16, kind: Option<&str>) -> Self {
        let why = Why::new(status, kind);
        match status {
            200..=299 => Self::Created,
            409 => Self::There,
            429 | 500.. => Self::Later(why),
            _ if OF_THE_ENGINE.contains(&why.kind.as_str()) => Self::Later(why),
            _ => Self::Refused(why),
        }
    }
}

#[derive(Deserialize)]
struct Failed {
    error: Kind,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    items: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    create: Created,
}

#[derive(Deserialize)]
struct Created {
    status: u16,
    error: Option<Kind>,
}

/// Only what is read of an answer is asked for: a refusal's words would quote the document.
const ONLY: &str = "filter_path=items.create.status,items.create.error.type";

impl Client {
    /// Creates documents in a data stream and returns what became of each, in their order.
    ///
    /// # Errors
    /// [`Fault`] where the request as a whole was not answered or refused. Some of it may have been done all the same:
    /// asked again, those are [`Outcome::There`].
    pub async fn create(&self, stream: &str, items: &[Item]) -> Result<Vec<Outcome>, Fault> {
        let mut body = Vec::with_capacity(items.iter().map(Item::bytes).sum());
        for item in items {
            let id = serde_json::Value::from(item.id.as_str());
            body.extend_from_slice(format!("{{\"create\":{{\"_id\":{id}}}}}\n").as_bytes());
            body.extend_from_slice(&item.document);
            body.push(b'\n');
        }
        let body = Some(("application/x-ndjson", Bytes::from(body)));
        let path = format!("/{stream}/_bulk?{ONLY}");
        let (status, answer) = self.ask(Method::POST, &path, body, self.timeout).await?;
        if !status.is_success() {
            return Err(Fault::Refused(Why::of_answer(status.as_u16(), &answer)));
        }
        let Answer { items: lines } =
            serde_json::from_slice(&answer).map_err(|_| Fault::Away("unreadable answer"))?;
        if lines.len() != items.len() {
            return Err(Fault::Away("answer of another length"));
        }
        let outcome = |line: Line| {
            let kind = line.create.error.and_then(|error| error.kind);
            Outcome::of(line.create.status, kind.as_deref())
        };
        Ok(lines.into_iter().map(outcome).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_outcome() {
        let why = |status, kind: &str| Why { status, kind: kind.into() };
        assert_eq!(Outcome::of(201, None), Outcome::Created);
        assert_eq!(Outcome::of(409, Some("version_conflict_engine_exception")), Outcome::There);
        for status in [429, 500, 503] {
            assert_eq!(Outcome::of(status, Some("x_y")), Outcome::Later(why(status, "x_y")));
        }
        let parsing = "mapper_parsing_exception";
        assert_eq!(Outcome::of(400, Some(parsing)), Outcome::Refused(why(400, parsing)));
        assert_eq!(Outcome::of(413, None), Outcome::Refused(why(413, "unknown")));
        // What every document would meet is not this document's fault.
        let blocked = "cluster_block_exception";
        assert_eq!(Outcome::of(403, Some(blocked)), Outcome::Later(why(403, blocked)));
        let gone = "index_not_found_exception";
        assert_eq!(Outcome::of(404, Some(gone)), Outcome::Later(why(404, gone)));
    }

    #[test]
    fn an_engines_words_go_no_further() {
        let why = Why::new(400, Some("failed to parse 'my card is 4111'"));
        assert_eq!(why.to_string(), "400 unknown");
        let body = br#"{"error":{"type":"security_exception","reason":"secret"},"status":401}"#;
        assert_eq!(Why::of_answer(401, body).to_string(), "401 security_exception");
        assert_eq!(Why::of_answer(502, b"<html>secret").to_string(), "502 unknown");
    }
}
