//! Makes streams, consumers and buckets, and makes sure that the server understood.

use async_nats::Client;
use async_nats::jetstream::consumer::{IntoConsumerConfig, pull};
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, ConsumerErrorKind};
use async_nats::jetstream::{Context, consumer};
use serde::Serialize;
use serde_json::Value;

use crate::journals::Journals;
pub use crate::streams::InitOptions;
use crate::{store, streams, subjects};

/// What became of a stream, bucket or consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there.
    Created,
    /// It was there, and as it should be.
    Unchanged,
    /// It was there and is now as it should be.
    Updated,
}

/// One thing that was made, or found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name: `JOURNAL`, or `JOURNAL/audit` for a consumer.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// Why not everything is as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InitError {
    /// The server did not answer, or has no JetStream; running this again is safe.
    #[error("jetstream does not answer: is it switched on?")]
    Away,
    /// Copies were asked for, and the server stands alone; some releases would take the setting and
    /// keep one copy.
    #[error("replicas is {0}, and the server is no member of a cluster")]
    NoCluster(usize),
    /// Another number of journals is there. An entry that moved would be in two records.
    #[error(
        "journals is {asked}, and this server has {found}: the number stays what it was at first"
    )]
    Journals {
        /// As was asked for.
        asked: u16,
        /// As is there.
        found: u16,
    },
    /// The server refuses it; it says why.
    #[error("{name}: the server refuses it: {why}")]
    Refused {
        /// What.
        name: String,
        /// The server's own words.
        why: String,
    },
    /// The server took something else than it was asked for, as old servers do silently.
    #[error(
        "{name}: the server keeps another {field} than was asked for; is it older than 2.10.23?"
    )]
    Differs {
        /// What.
        name: String,
        /// The first field that differs.
        field: String,
    },
}

/// Makes or updates everything. Safe to run again, and while everything is in use: what the options do not say stays
/// as it is, so that who changes one thing in a hurry changes nothing else.
///
/// # Errors
/// At the first thing that is not as it should be.
pub async fn init(client: &Client, options: &InitOptions) -> Result<Vec<Change>, InitError> {
    let copies = options.replicas.unwrap_or(1);
    if copies > 1 && client.server_info().cluster.is_none() {
        return Err(InitError::NoCluster(copies));
    }
    let found = Journals::found(client).await.map_err(|_| InitError::Away)?;
    let journals = match (options.journals, found) {
        (Some(asked), Some(found)) if asked != found => {
            let (asked, found) = (asked.number(), found.number());
            return Err(InitError::Journals { asked, found });
        }
        (asked, found) => asked.or(found),
    };
    let options = &InitOptions { journals, ..options.clone() };
    let context = store::context(client);
    let mut changes = Vec::new();
    // A stream that an upgrade adds has as many copies as the record.
    let record = found_stream(&context, subjects::JOURNAL).await?;
    let like = InitOptions {
        replicas: options.replicas.or(record.as_ref().map(|record| record.num_replicas)),
        journal_max_bytes: options.journal_max_bytes.or(record.map(|record| record.max_bytes)),
        ..options.clone()
    };
    for stream in streams::streams(&like) {
        let (name, outcome) = (stream.name.clone(), make_stream(&context, stream, options).await?);
        changes.push(Change { name, outcome });
    }
    for (stream, consumer) in streams::consumers(options) {
        let name = format!("{stream}/{}", consumer.durable_name.as_deref().unwrap_or_default());
        let outcome = make_consumer(&context, &stream, consumer, &name).await?;
        changes.push(Change { name, outcome });
    }
    Ok(changes)
}

/// How a stream is; `None` where it is not there.
async fn found_stream(context: &Context, name: &str) -> Result<Option<Config>, InitError> {
    match context.get_stream(name).await {
        Ok(stream) => Ok(Some(stream.cached_info().config.clone())),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(inner) if inner.code() == 404 => Ok(None),
            _ => Err(InitError::Away),
        },
    }
}

async fn make_stream(
    context: &Context,
    asked: Config,
    options: &InitOptions,
) -> Result<Outcome, InitError> {
    let name = asked.name.clone();
    let found = found_stream(context, &name).await?;
    let asked = match &found {
        Some(found) => streams::keeping(asked, found, options),
        None => asked,
    };
    let refused = |kind: CreateStreamErrorKind| match kind {
        CreateStreamErrorKind::JetStream(inner) => {
            InitError::Refused { name: name.clone(), why: inner.to_string() }
        }
        _ => InitError::Away,
    };
    let (echoed, outcome) = match found {
        None => {
            let made = context.create_stream(asked.clone()).await;
            let made = made.map_err(|error| refused(error.kind()))?;
            (made.cached_info().config.clone(), Outcome::Created)
        }
        Some(found) if differing_field(&asked, &found).is_none() => return Ok(Outcome::Unchanged),
        Some(_) => {
            let made = context.update_stream(&asked).await;
            let made = made.map_err(|error| refused(error.kind()))?;
            (made.config, Outcome::Updated)
        }
    };
    match differing_field(&asked, &echoed) {
        None => Ok(outcome),
        Some(field) => Err(InitError::Differs { name, field }),
    }
}

async fn make_consumer(
    context: &Context,
    stream: &str,
    asked: pull::Config,
    name: &str,
) -> Result<Outcome, InitError> {
    let durable = asked.durable_name.clone().unwrap_or_default();
    let wanted = asked.clone().into_consumer_config();
    let refused = |kind: ConsumerErrorKind| match kind {
        ConsumerErrorKind::JetStream(inner) => {
            InitError::Refused { name: name.to_owned(), why: inner.to_string() }
        }
        _ => InitError::Away,
    };
    let found: Option<consumer::Config> =
        match context.get_consumer_from_stream::<pull::Config, _, _>(durable, stream).await {
            Ok(consumer) => Some(consumer.cached_info().config.clone()),
            Err(error) => match error.kind() {
                ConsumerErrorKind::JetStream(inner) if inner.code() == 404 => None,
                kind => return Err(refused(kind)),
            },
        };
    if found.as_ref().is_some_and(|found| differing_field(&wanted, found).is_none()) {
        return Ok(Outcome::Unchanged);
    }
    let outcome = if found.is_some() { Outcome::Updated } else { Outcome::Created };
    let made = context
        .create_consumer_on_stream(asked, stream)
        .await
        .map_err(|error| refused(error.kind()))?;
    match differing_field(&wanted, &made.cached_info().config) {
        None => Ok(outcome),
        Some(field) => Err(InitError::Differs { name: name.to_owned(), field }),
    }
}

/// The first field that was asked for and is not there as asked. What the server adds is its own
/// business.
fn differing_field(asked: &impl Serialize, echoed: &impl Serialize) -> Option<String> {
    let (Ok(Value::Object(asked)), Ok(Value::Object(echoed))) =
        (serde_json::to_value(asked), serde_json::to_value(echoed))
    else {
        return Some("form".to_owned());
    };
    asked
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .find(|(field, value)| !echoed.get(field).is_some_and(|echoed| holds(echoed, value)))
        .map(|(field, _)| field)
}

/// Whether a value is as was asked for. In a map (what a stream says of itself) the server may add words of its own.
fn holds(echoed: &Value, asked: &Value) -> bool {
    match (echoed, asked) {
        (Value::Object(echoed), Value::Object(asked)) => {
            asked.iter().all(|(key, value)| echoed.get(key) == Some(value))
        }
        _ => echoed == asked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_an_old_server_ignored_is_named() {
        let asked = streams::streams(&InitOptions::default());
        for stream in &asked {
            assert_eq!(differing_field(stream, stream), None);
        }
        let held = asked.iter().find(|stream| stream.name == "HELD").unwrap();
        let echoed = Config { discard_new_per_subject: false, ..held.clone() };
        assert_eq!(differing_field(held, &echoed).as_deref(), Some("discard_new_per_subject"));
    }
}
