//! The NATS micro service protocol (ADR-32): PING, INFO and STATS of a stage, so that `nats micro`
//! finds it. The data path is our own, because the library's service drops what it has read when it
//! is stopped.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use async_nats::service::{Info, PingResponse, endpoint};
use async_nats::{Client, Message};
use bytes::Bytes;
use futures::StreamExt;
use jiff::Timestamp;
use portcullis_bus::CallError;
use portcullis_core::{Clock, SystemClock};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::wire;

const PREFIX: &str = "io.nats.micro.v1";

/// Who answers.
pub(crate) struct Identity {
    name: String,
    id: String,
    version: String,
    subject: String,
    started: Timestamp,
}

impl Identity {
    pub(crate) fn new(name: &str, version: &str, subject: String) -> Self {
        Self {
            name: name.to_owned(),
            id: format!("{:016x}", rand::random::<u64>()),
            version: version.to_owned(),
            subject,
            started: SystemClock.now(),
        }
    }
}

/// What a stage has done since it started.
#[derive(Default)]
pub(crate) struct Figures(Mutex<Counts>);

#[derive(Clone, Copy, Default)]
struct Counts {
    requests: u64,
    errors: u64,
    time: Duration,
    last_error: Option<CallError>,
}

impl Figures {
    pub(crate) fn count(&self, took: Duration, error: Option<CallError>) {
        let mut counts = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        counts.requests += 1;
        counts.time += took;
        if error.is_some() {
            counts.errors += 1;
            counts.last_error = error;
        }
    }

    fn read(&self) -> Counts {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Statistics in the protocol's form.
#[derive(Serialize)]
struct Stats<'a> {
    #[serde(rename = "type")]
    kind: String,
    name: &'a str,
    id: &'a str,
    version: &'a str,
    metadata: HashMap<String, String>,
    started: Timestamp,
    endpoints: [EndpointStats<'a>; 1],
}

#[derive(Serialize)]
struct EndpointStats<'a> {
    name: &'a str,
    subject: &'a str,
    queue_group: &'a str,
    num_requests: u64,
    num_errors: u64,
    last_error: &'a str,
    /// Nanoseconds.
    processing_time: u64,
    /// Nanoseconds.
    average_processing_time: u64,
}

/// Answers the protocol until `shutdown`. Where it cannot subscribe, the stage serves all the same.
pub(crate) async fn answer(
    client: Client,
    identity: Identity,
    figures: std::sync::Arc<Figures>,
    shutdown: CancellationToken,
) {
    let all = "$SRV.*".to_owned();
    let ours = format!("$SRV.*.{}", identity.name);
    let mine = format!("{ours}.{}", identity.id);
    let mut questions = futures::stream::SelectAll::new();
    for subject in [all, ours, mine] {
        match client.subscribe(subject).await {
            Ok(subscriber) => questions.push(subscriber),
            Err(_) => return,
        }
    }
    loop {
        tokio::select! {
            question = questions.next() => match question {
                Some(question) => reply(&client, question, &identity, &figures).await,
                None => return,
            },
            () = shutdown.cancelled() => return,
        }
    }
}

async fn reply(client: &Client, question: Message, identity: &Identity, figures: &Figures) {
    let Some(to) = question.reply else { return };
    let body = match question.subject.split('.').nth(1) {
        Some("PING") => ping(identity),
        Some("INFO") => info(identity),
        Some("STATS") => stats(identity, figures.read()),
        _ => return,
    };
    if let Ok(body) = body {
        // A lost answer to a question about ourselves is asked again by whoever cares.
        let _ = client.publish(to, Bytes::from(body)).await;
    }
}

fn ping(identity: &Identity) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&PingResponse {
        kind: format!("{PREFIX}.ping_response"),
        name: identity.name.clone(),
        id: identity.id.clone(),
        version: identity.version.clone(),
        metadata: HashMap::new(),
    })
}

fn info(identity: &Identity) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Info {
        kind: format!("{PREFIX}.info_response"),
        name: identity.name.clone(),
        id: identity.id.clone(),
        description: "a Portcullis stage".to_owned(),
        version: identity.version.clone(),
        metadata: HashMap::new(),
        endpoints: vec![endpoint::Info {
            name: "check".to_owned(),
            subject: identity.subject.clone(),
            queue_group: identity.name.clone(),
            metadata: HashMap::new(),
        }],
    })
}

fn stats(identity: &Identity, counts: Counts) -> serde_json::Result<Vec<u8>> {
    let time = u64::try_from(counts.time.as_nanos()).unwrap_or(u64::MAX);
    serde_json::to_vec(&Stats {
        kind: format!("{PREFIX}.stats_response"),
        name: &identity.name,
        id: &identity.id,
        version: &identity.version,
        metadata: HashMap::new(),
        started: identity.started,
        endpoints: [EndpointStats {
            name: "check",
            subject: &identity.subject,
            queue_group: &identity.name,
            num_requests: counts.requests,
            num_errors: counts.errors,
            last_error: counts.last_error.map(wire::error_word).unwrap_or_default(),
            processing_time: time,
            average_processing_time: time.checked_div(counts.requests).unwrap_or_default(),
        }],
    })
}
