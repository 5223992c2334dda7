//! Who may publish and subscribe to what: one table for the server's configuration, for secrets and
//! for the tests.
//!
//! A right that is not here does not exist. Replies to requests need none: users that answer are
//! allowed exactly one reply to each request that reached them.

mod config;

use portcullis_bus_nats::Journals;
use portcullis_bus_nats::streams::{self, InitOptions, READERS};
use portcullis_bus_nats::subjects::{
    self, CONTROL_BUCKET, MODEL_ROLES_BUCKET, MODELS_STORE, POLICY_BUCKET, VERDICTS_BUCKET,
    inbox_prefix,
};
use portcullis_core::{BotId, StageName};

pub use config::{ConfigError, UserPassword, server_config, server_config_of};

/// The rights of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// The user.
    pub user: String,
    /// Subjects that it may publish to.
    pub publish: Vec<String>,
    /// Subjects that it may subscribe to; its private inbox is among them.
    pub subscribe: Vec<String>,
    /// Whether it may answer each request that reached it, once.
    pub answers: bool,
}

/// The stages that are processes of their own.
pub const STAGES: [&str; 5] =
    ["rate-limit", "sanitizer", "injection-classifier", "sentiment", "moderation"];

/// Where the watch tells what it saw, by its severity.
const ALERTS: &str = "portcullis.v1.alert.*";

/// The stages among them whose model can be swapped.
const MODELLED: [&str; 1] = ["injection-classifier"];

/// Every user and every right.
pub fn table(bots: &[BotId]) -> Vec<Rights> {
    // `portcullis` is every stage, ingress, audit and the watch in one process on the bus.
    let in_one = watching_over(conducting(Rights::of("portcullis")))
        .consuming(subjects::JOURNAL, "anomaly")
        .consuming(subjects::JOURNAL, "audit")
        .consuming(subjects::JOURNAL, "rate-limit")
        .publishes(["portcullis.v1.dead.audit", subjects::CHECKPOINT]);
    let mut table = vec![conducting(Rights::of("ingress")), in_one];
    table.extend(STAGES.iter().map(|stage| self::stage(stage)));
    table.extend([audit(), reader("search"), anomaly(), operator(bots)]);
    table.extend(bots.iter().map(bot));
    table
}

/// The same rights where the record has several journals: what is had of the first is had of each.
#[must_use]
pub fn with_journals(mut table: Vec<Rights>, journals: Journals) -> Vec<Rights> {
    let more: Vec<String> = journals.streams().skip(1).collect();
    for rights in &mut table {
        let of_each = |subject: &String| {
            let is_of = subject.split('.').any(|token| token == subjects::JOURNAL);
            let each = if is_of { more.as_slice() } else { &[] };
            each.iter().map(|name| subject.replace(subjects::JOURNAL, name)).collect::<Vec<_>>()
        };
        let added: Vec<String> = rights.publish.iter().flat_map(of_each).collect();
        rights.publish.extend(added);
    }
    table
}

/// The user of a stage that is not part of this repository, in whatever language: those of a stage, and no
/// others.
pub fn own_stage(name: &StageName) -> Rights {
    stage(name.as_str())
}

impl Rights {
    fn of(user: impl Into<String>) -> Self {
        let user = user.into();
        let subscribe = vec![format!("{}.>", inbox_prefix(&user))];
        Self { user, publish: Vec::new(), subscribe, answers: false }
    }

    fn publishes<S: Into<String>>(mut self, subjects: impl IntoIterator<Item = S>) -> Self {
        self.publish.extend(subjects.into_iter().map(Into::into));
        self
    }

    fn listens<S: Into<String>>(mut self, subjects: impl IntoIterator<Item = S>) -> Self {
        self.subscribe.extend(subjects.into_iter().map(Into::into));
        self
    }

    /// Answers requests. To drain, it sends itself a message: to an inbox that only it can read.
    fn answering(mut self) -> Self {
        self.answers = true;
        let own = format!("{}.>", inbox_prefix(&self.user));
        self.publishes([own])
    }

    /// Reads a durable consumer that is there already.
    fn consuming(self, stream: &str, consumer: &str) -> Self {
        self.publishes([
            format!("$JS.API.CONSUMER.INFO.{stream}.{consumer}"),
            format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"),
            format!("$JS.ACK.{stream}.{consumer}.>"),
        ])
    }

    /// Gets values of a bucket.
    fn getting(self, bucket: &str) -> Self {
        self.publishes([
            format!("$JS.API.STREAM.INFO.KV_{bucket}"),
            format!("$JS.API.DIRECT.GET.KV_{bucket}.>"),
        ])
    }

    /// Watches a bucket, and reads its history, with consumers that the server forgets.
    fn watching(self, bucket: &str) -> Self {
        self.getting(bucket).reading(&format!("KV_{bucket}"))
    }

    /// Reads a stream with consumers that the server forgets.
    fn reading(self, stream: &str) -> Self {
        self.publishes([
            format!("$JS.API.CONSUMER.CREATE.{stream}"),
            format!("$JS.API.CONSUMER.CREATE.{stream}.>"),
            format!("$JS.API.CONSUMER.INFO.{stream}.*"),
            format!("$JS.API.CONSUMER.DELETE.{stream}.>"),
            format!("$JS.FC.{stream}.>"),
        ])
    }

    /// Follows which model is to judge, and gets it.
    fn following_models(self) -> Self {
        self.watching(MODEL_ROLES_BUCKET).reading(&format!("OBJ_{MODELS_STORE}")).publishes([
            format!("$JS.API.STREAM.INFO.OBJ_{MODELS_STORE}"),
            format!("$JS.API.DIRECT.GET.OBJ_{MODELS_STORE}.>"),
        ])
    }

    /// Reads the record under its own name.
    fn reading_the_record(self) -> Self {
        let user = self.user.clone();
        let dead = format!("portcullis.v1.dead.{user}");
        self.consuming(subjects::JOURNAL, &user).publishes([dead]).asking_for_the_record()
    }

    /// Asks how many streams the record has, as who writes or reads it must, and how full it is.
    fn asking_for_the_record(self) -> Self {
        self.publishes([format!("$JS.API.STREAM.INFO.{}", subjects::JOURNAL)])
    }

    /// Writes to the record what is of a kind (`*`: of any), whichever of its streams that is in.
    fn recording(self, kind: &str) -> Self {
        self.publishes([
            format!("portcullis.v1.journal.{kind}.*"),
            format!("portcullis.v1.journal.*.{kind}.*"),
        ])
    }
}

/// The doors and the conductor.
fn conducting(rights: Rights) -> Rights {
    rights
        .listens([
            subjects::INGRESS_DOOR,
            subjects::STREAM_DOOR,
            // the pieces of a stream, each instance's own
            "portcullis.v1.session.*.*.*",
            subjects::ADMIN_DOOR,
            "$SRV.>",
        ])
        .answering()
        .publishes([
            "portcullis.v1.stage.*.check",
            "portcullis.v1.verdict.*",
            "portcullis.v1.resolution.*",
            "portcullis.v1.held.*.*",
            "portcullis.v1.dead.ingress",
            subjects::AUDIT_KEY,
            "$JS.API.DIRECT.GET.HELD",
            "$JS.API.DIRECT.GET.HELD.>",
            "$JS.API.STREAM.INFO.HELD",
            "$JS.API.STREAM.PURGE.HELD",
        ])
        .recording("*")
        .asking_for_the_record()
        .consuming(subjects::SUBMIT, subjects::INGRESS)
        .watching(POLICY_BUCKET)
        .watching(CONTROL_BUCKET)
        .getting(VERDICTS_BUCKET)
        .publishes([
            format!("$KV.{VERDICTS_BUCKET}.>"),
            // What operators order at the door is written under these authors; what the watch ordered they take back.
            format!("$KV.{CONTROL_BUCKET}.operator.>"),
            format!("$KV.{CONTROL_BUCKET}.operator-mute.>"),
            format!("$KV.{CONTROL_BUCKET}.operator-limits.>"),
            format!("$KV.{CONTROL_BUCKET}.anomaly.>"),
        ])
}

fn stage(name: &str) -> Rights {
    let stage = Rights::of(name)
        .listens([format!("portcullis.v1.stage.{name}.check"), "$SRV.>".to_owned()])
        .answering();
    let stage = if MODELLED.contains(&name) { stage.following_models() } else { stage };
    if READERS.contains(&name) { stage.reading_the_record() } else { stage }
}

fn reader(name: &str) -> Rights {
    Rights::of(name).reading_the_record()
}

/// It says, to whom asks, which key ingress seals to.
fn audit() -> Rights {
    reader("audit").publishes([subjects::CHECKPOINT]).listens([subjects::AUDIT_KEY]).answering()
}

fn anomaly() -> Rights {
    watching_over(reader("anomaly").watching(CONTROL_BUCKET)).recording("action")
}

/// What the watch over the record tells and orders, the latter under its own name.
fn watching_over(rights: Rights) -> Rights {
    rights.publishes([ALERTS.to_owned(), format!("$KV.{CONTROL_BUCKET}.anomaly.>")])
}

/// Makes streams and their consumers, writes policies, and reads what is told to people: alerts, and why an entry could
/// not be read; neither quotes anybody. It cannot purge the record: the stream itself refuses that. On no other stream
/// it makes a consumer of its own, by which it could read what people wrote, and it writes no order past the door that
/// journals it.
fn operator(bots: &[BotId]) -> Rights {
    let options = InitOptions { bots: bots.to_vec(), ..InitOptions::default() };
    let consumers = streams::consumers(&options).into_iter().filter_map(|(stream, consumer)| {
        Some(format!("$JS.API.CONSUMER.CREATE.{stream}.{}", consumer.durable_name?))
    });
    Rights::of("operator")
        .listens([subjects::CHECKPOINT, ALERTS])
        .watching(POLICY_BUCKET)
        .watching(CONTROL_BUCKET)
        .reading(subjects::ALERT)
        .publishes([
            subjects::ADMIN_DOOR,
            "$SRV.>",
            "$JS.API.INFO",
            "$JS.API.STREAM.CREATE.*",
            "$JS.API.STREAM.UPDATE.*",
            "$JS.API.STREAM.INFO.*",
            "$JS.API.CONSUMER.INFO.>",
        ])
        .publishes([subjects::ALERT, subjects::DEAD].iter().flat_map(|stream| {
            [
                format!("$JS.API.DIRECT.GET.{stream}"),
                format!("$JS.API.DIRECT.GET.{stream}.>"),
                // as the command line of NATS asks
                format!("$JS.API.STREAM.MSG.GET.{stream}"),
            ]
        }))
        .publishes(consumers)
        .following_models()
        .publishes([
            format!("$KV.{POLICY_BUCKET}.>"),
            format!("$KV.{MODEL_ROLES_BUCKET}.>"),
            format!("$O.{MODELS_STORE}.>"),
            // a model that is put again takes the place of what was there
            format!("$JS.API.STREAM.PURGE.OBJ_{MODELS_STORE}"),
        ])
}

fn bot(bot: &BotId) -> Rights {
    let user = subjects::bot_user(bot);
    Rights::of(&user)
        .publishes([
            subjects::ingress(bot),
            subjects::submit(bot),
            subjects::stream(bot),
            subjects::session(bot.as_str(), "*", "*"),
        ])
        .consuming(subjects::VERDICT, &user)
}
