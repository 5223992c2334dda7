//! What every stream, bucket and consumer should be like.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use portcullis_core::BotId;

use crate::journals::{self, Journals};
use crate::subjects;

const MIB: i64 = 1024 * 1024;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Window in which the server knows an id again.
const DUPLICATES: Duration = Duration::from_secs(120);

/// Readers of the record, each with a consumer of its own name.
pub const READERS: [&str; 4] = ["audit", "search", "anomaly", "rate-limit"];

/// Bytes of the record in each of its streams, where nobody said how many and none is there.
const JOURNAL_BYTES: i64 = 4096 * MIB;

/// Sizes and times that an operator may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitOptions {
    /// Copies of each stream: 1 on a single server, 3 in production; nothing: as many as are there, or one.
    pub replicas: Option<usize>,
    /// How many streams the record has; nothing: as many as are there, or one. It can be said once.
    pub journals: Option<Journals>,
    /// Bytes of the record that are kept for readers, in each of its streams; full, appends are refused. Nothing: as
    /// many as are there, or 4 GiB.
    pub journal_max_bytes: Option<i64>,
    /// How long the record is kept for readers.
    pub journal_max_age: Duration,
    /// Bytes of submitted messages that wait; full, new ones are refused.
    pub submit_max_bytes: i64,
    /// Bytes of held cases; full, new ones are refused.
    pub held_max_bytes: i64,
    /// After this a case is gone, whatever became of it: longer than any policy's time to review.
    pub held_max_age: Duration,
    /// Bytes of models; full, new ones are refused.
    pub models_max_bytes: i64,
    /// Bytes of remembered verdicts; full, the oldest are forgotten before their day is over.
    pub verdicts_max_bytes: i64,
    /// Bots, each with a consumer of its mail.
    pub bots: Vec<BotId>,
}

impl Default for InitOptions {
    fn default() -> Self {
        Self {
            replicas: None,
            journals: None,
            journal_max_bytes: None,
            journal_max_age: 7 * DAY,
            submit_max_bytes: 256 * MIB,
            held_max_bytes: 256 * MIB,
            held_max_age: 2 * DAY,
            models_max_bytes: 512 * MIB,
            verdicts_max_bytes: 1024 * MIB,
            bots: vec![BotId::fallback()],
        }
    }
}

/// Every stream, the buckets' own included, where none is there yet.
pub fn streams(options: &InitOptions) -> Vec<Config> {
    let new = DiscardPolicy::New;
    let old = DiscardPolicy::Old;
    let base = |name: &str, of: &[&str], max_bytes, max_age, discard| Config {
        name: name.to_owned(),
        subjects: of.iter().map(|subject| format!("portcullis.v1.{subject}")).collect(),
        max_bytes,
        max_age,
        discard,
        ..plain(options)
    };
    let journals = options.journals.unwrap_or_default();
    let bytes = options.journal_max_bytes.unwrap_or(JOURNAL_BYTES);
    let age = options.journal_max_age;
    let journal = |at: u16| Config {
        deny_delete: true,
        deny_purge: true,
        metadata: if at == 0 { journals.metadata() } else { HashMap::new() },
        ..base(&journals::stream(at), &[&journals::filter(at)], bytes, age, new)
    };
    let rest = [
        Config {
            retention: RetentionPolicy::WorkQueue,
            ..base(subjects::SUBMIT, &["submit.*"], options.submit_max_bytes, DAY, new)
        },
        base(subjects::VERDICT, &["verdict.*", "resolution.*"], 1024 * MIB, DAY, old),
        Config {
            max_messages_per_subject: 1,
            discard_new_per_subject: true,
            ..base(subjects::HELD, &["held.*.*"], options.held_max_bytes, options.held_max_age, new)
        },
        base(subjects::ALERT, &["alert.*"], 64 * MIB, 7 * DAY, old),
        base(subjects::DEAD, &["dead.*"], 256 * MIB, 30 * DAY, old),
        bucket(options, subjects::POLICY_BUCKET, 64, Duration::ZERO),
        bucket(options, subjects::CONTROL_BUCKET, 1, Duration::ZERO),
        Config {
            max_bytes: options.verdicts_max_bytes,
            discard: old,
            ..bucket(options, subjects::VERDICTS_BUCKET, 1, DAY)
        },
        bucket(options, subjects::MODEL_ROLES_BUCKET, 64, Duration::ZERO),
        object_store(options, subjects::MODELS_STORE),
    ];
    (0..journals.number()).map(journal).chain(rest).collect()
}

/// What a stream that is there keeps as it is, because nobody said otherwise.
pub(crate) fn keeping(asked: Config, found: &Config, options: &InitOptions) -> Config {
    let mut streams = options.journals.unwrap_or_default().streams();
    let sized = options.journal_max_bytes.is_some() || !streams.any(|name| name == asked.name);
    Config {
        num_replicas: options.replicas.map_or(found.num_replicas, |_| asked.num_replicas),
        max_bytes: if sized { asked.max_bytes } else { found.max_bytes },
        ..asked
    }
}

/// Every durable consumer, with its stream.
pub fn consumers(options: &InitOptions) -> Vec<(String, pull::Config)> {
    let reader = |name: &str| pull::Config {
        durable_name: Some(name.to_owned()),
        name: Some(name.to_owned()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: Duration::from_secs(30),
        max_deliver: -1,
        max_ack_pending: 4096,
        max_waiting: 512,
        ..pull::Config::default()
    };
    let journals = options.journals.unwrap_or_default().streams();
    let mut all: Vec<_> =
        journals.flat_map(|stream| READERS.map(|name| (stream.clone(), reader(name)))).collect();
    all.push((subjects::SUBMIT.to_owned(), reader(subjects::INGRESS)));
    all.extend(options.bots.iter().map(|bot| {
        let filter_subjects = vec![subjects::verdict(bot), subjects::resolution(bot)];
        let consumer = pull::Config { filter_subjects, ..reader(&subjects::bot_user(bot)) };
        (subjects::VERDICT.to_owned(), consumer)
    }));
    all
}

/// What the server would fill in is said here, so that what it echoes can be compared.
fn plain(options: &InitOptions) -> Config {
    Config {
        max_bytes: -1,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_message_size: -1,
        duplicate_window: DUPLICATES,
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        num_replicas: options.replicas.unwrap_or(1),
        allow_direct: true,
        ..Config::default()
    }
}

/// A bucket is a stream of a fixed form (ADR-8).
fn bucket(options: &InitOptions, name: &str, history: i64, max_age: Duration) -> Config {
    Config {
        name: format!("KV_{name}"),
        subjects: vec![format!("$KV.{name}.>")],
        max_messages_per_subject: history,
        max_age,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        ..plain(options)
    }
}

/// An object store is a stream of a fixed form (ADR-20).
fn object_store(options: &InitOptions, name: &str) -> Config {
    Config {
        name: format!("OBJ_{name}"),
        subjects: vec![format!("$O.{name}.C.>"), format!("$O.{name}.M.>")],
        max_bytes: options.models_max_bytes,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        ..plain(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command in the middle of an incident says one thing, and the rest stays: above all the copies.
    #[test]
    fn what_is_not_said_stays_as_it_is() {
        let journals = Journals::new(2);
        let there = InitOptions {
            replicas: Some(3),
            journals,
            journal_max_bytes: Some(65_536 * MIB),
            ..InitOptions::default()
        };
        let unsaid = InitOptions { journals, ..InitOptions::default() };
        let larger = InitOptions { journal_max_bytes: Some(131_072 * MIB), ..unsaid.clone() };
        let single = InitOptions { replicas: Some(1), ..unsaid.clone() };
        for (found, name) in streams(&there).into_iter().map(|found| (found.clone(), found.name)) {
            let kept = |options: &InitOptions| {
                let asked = streams(options).into_iter().find(|asked| asked.name == name).unwrap();
                keeping(asked, &found, options)
            };
            assert_eq!(kept(&unsaid), found, "{name}");
            assert_eq!(kept(&larger).num_replicas, 3, "{name}");
            assert_eq!(kept(&single).num_replicas, 1, "{name}");
            let is_journal = name.starts_with(subjects::JOURNAL);
            let bytes = if is_journal { 131_072 * MIB } else { found.max_bytes };
            assert_eq!(kept(&larger).max_bytes, bytes, "{name}");
            assert_eq!(kept(&single).max_bytes, found.max_bytes, "{name}");
        }
    }
}
