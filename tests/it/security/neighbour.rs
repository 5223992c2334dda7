//! A neighbour on the bus: another tenant of the same NATS, or one of our own stages taken over.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use portcullis_bus::{CallError, Caller, Seats};
use portcullis_bus_nats::subjects::inbox_prefix;
use portcullis_bus_nats::{
    Client, ConnectOptions, Remote, StageDoor, Work, admin, connect, subjects,
};
use portcullis_bus_rights::{Rights, STAGES, UserPassword, server_config, table};
use portcullis_core::{BotId, Report, Stage, StageName};
use portcullis_testkit::{FaultStage, NatsOptions, NatsServer, answer_garbage, ask, shop};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::doors::{PATIENCE, small};
use super::hostile::until_served;
use super::rig::bot;

const PASSWORD: &str = "correct-horse";

fn bots() -> Vec<BotId> {
    vec![shop(), bot("bank")]
}

/// A server with every user of the table, and the streams.
async fn guarded() -> NatsServer {
    let users: Vec<_> = table(&bots())
        .into_iter()
        .map(|rights| UserPassword { user: rights.user, password: PASSWORD.to_owned().into() })
        .collect();
    let config = server_config(&users, &bots()).unwrap();
    let config = config.expose_secret().to_owned();
    let server = NatsServer::start_with(NatsOptions { config, ..NatsOptions::default() }).await;
    admin::init(&user(&server, "operator").await, &small(&["shop", "bank"])).await.unwrap();
    server
}

async fn user(server: &NatsServer, name: &str) -> Client {
    let options = ConnectOptions::new(server.url(), name);
    connect(&options.user(name, PASSWORD.to_owned().into()).fail_fast()).await.unwrap()
}

/// A user at the server itself, without a client library: the server's own word for each right.
struct Wire(BufReader<TcpStream>);

impl Wire {
    fn open(server: &NatsServer, name: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut wire = Self(BufReader::new(stream));
        assert!(wire.line().starts_with("INFO "));
        let hello = json!({ "user": name, "pass": PASSWORD, "verbose": false, "headers": true });
        assert!(wire.is_allowed(&format!("CONNECT {hello}\r\n")), "{name} may connect");
        wire
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    /// Sends commands, and says whether the server took them all.
    fn is_allowed(&mut self, commands: &str) -> bool {
        let stream = self.0.get_mut();
        stream.write_all(format!("{commands}PING\r\n").as_bytes()).unwrap();
        let mut allowed = true;
        loop {
            let line = self.line();
            match line.split_whitespace().next() {
                Some("PONG") => return allowed,
                Some("-ERR") => {
                    assert!(line.contains("Permissions Violation"), "{line}");
                    allowed = false;
                }
                // What a subscription brings.
                Some("MSG" | "HMSG") => {
                    let length: usize = line.split_whitespace().last().unwrap().parse().unwrap();
                    let mut body = vec![0; length + 2];
                    std::io::Read::read_exact(&mut self.0, &mut body).unwrap();
                }
                Some("PING") => self.0.get_mut().write_all(b"PONG\r\n").unwrap(),
                _ => {}
            }
        }
    }

    fn may_publish(&mut self, subject: &str) -> bool {
        self.is_allowed(&format!("PUB {subject} 1\r\nx\r\n"))
    }

    fn may_listen(&mut self, subject: &str) -> bool {
        let heard = self.is_allowed(&format!("SUB {subject} 7\r\n"));
        self.is_allowed("UNSUB 7\r\n");
        heard
    }
}

/// Whether a pattern of the table covers a subject (NATS: `*` one token, `>` the rest).
fn covers(pattern: &str, subject: &str) -> bool {
    let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
    loop {
        match (pattern.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(own), Some(other)) if own == other => {}
            _ => return false,
        }
    }
}

fn concrete(pattern: &str) -> String {
    pattern
        .split('.')
        .map(|token| if token == "*" || token == ">" { "x" } else { token })
        .collect::<Vec<_>>()
        .join(".")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_nats_user_has_only_its_rights() {
    let server = guarded().await;
    let table = table(&bots());
    let all = |of: fn(&Rights) -> &Vec<String>| -> BTreeSet<String> {
        table.iter().flat_map(|rights| of(rights).iter().map(|subject| concrete(subject))).collect()
    };
    let mut publish = all(|rights| &rights.publish);
    publish.extend(FORBIDDEN_TO_ALL.map(str::to_owned));
    publish.extend(table.iter().map(|rights| format!("{}.x", inbox_prefix(&rights.user))));
    let mut listen = all(|rights| &rights.subscribe);
    listen.extend(publish.iter().filter(|subject| !subject.starts_with('$')).cloned());
    listen
        .extend([">", "*", "portcullis.>", "portcullis.v1.>", "_INBOX.>", "$JS.>"].map(Into::into));
    for rights in &table {
        let mut wire = Wire::open(&server, &rights.user);
        for subject in &publish {
            let granted = rights.publish.iter().any(|pattern| covers(pattern, subject));
            assert_eq!(wire.may_publish(subject), granted, "{} publishes {subject}", rights.user);
        }
        for subject in &listen {
            let granted = rights.subscribe.iter().any(|pattern| covers(pattern, subject));
            assert_eq!(wire.may_listen(subject), granted, "{} hears {subject}", rights.user);
        }
    }
    operators_turn_no_consumer_round(&server).await;
    // The table itself, where it matters most: who, and nobody else.
    for (subject, only) in WHO_PUBLISHES {
        let who: Vec<&str> = table
            .iter()
            .filter(|rights| rights.publish.iter().any(|pattern| covers(pattern, subject)))
            .map(|rights| rights.user.as_str())
            .collect();
        assert_eq!(who, *only, "{subject}");
    }
}

const FORBIDDEN_TO_ALL: [&str; 9] = [
    "$JS.API.STREAM.DELETE.JOURNAL",
    "$JS.API.STREAM.PURGE.JOURNAL",
    "$JS.API.STREAM.MSG.DELETE.JOURNAL",
    "$JS.API.CONSUMER.DELETE.JOURNAL.audit",
    "$JS.API.STREAM.RESTORE.JOURNAL",
    "$JS.API.STREAM.SNAPSHOT.JOURNAL",
    "$SYS.REQ.SERVER.PING",
    "_INBOX.x",
    "x",
];

/// The consumers that an operator makes are for others to read, and the server does not turn them round.
async fn operators_turn_no_consumer_round(server: &NatsServer) {
    let context = async_nats::jetstream::new(user(server, "operator").await);
    for (stream, consumer) in [("JOURNAL", "audit"), ("SUBMIT", "ingress"), ("VERDICT", "bot-shop")]
    {
        let to_me = async_nats::jetstream::consumer::push::Config {
            durable_name: Some(consumer.to_owned()),
            deliver_subject: format!("{}.mine", inbox_prefix("operator")),
            ..Default::default()
        };
        let turned = context.create_consumer_on_stream(to_me, stream).await;
        assert!(turned.is_err(), "{stream} {consumer}");
    }
}

/// Who may publish what weighs most.
const WHO_PUBLISHES: &[(&str, &[&str])] = &[
    ("portcullis.v1.ingress.shop", &["bot-shop"]),
    ("portcullis.v1.submit.shop", &["bot-shop"]),
    ("portcullis.v1.stream.shop", &["bot-shop"]),
    ("portcullis.v1.session.shop.i1.s1", &["bot-shop"]),
    ("portcullis.v1.stage.sanitizer.check", &["ingress", "portcullis"]),
    ("portcullis.v1.verdict.shop", &["ingress", "portcullis"]),
    ("portcullis.v1.resolution.shop", &["ingress", "portcullis"]),
    ("portcullis.v1.held.shop.a1", &["ingress", "portcullis"]),
    ("portcullis.v1.journal.verdict.shop", &["ingress", "portcullis"]),
    ("portcullis.v1.journal.resolution.shop", &["ingress", "portcullis"]),
    ("portcullis.v1.journal.action.shop", &["ingress", "portcullis", "anomaly"]),
    ("portcullis.v1.admin.stop", &["operator"]),
    ("$KV.portcullis_policy.shop", &["operator"]),
    ("$KV.portcullis_control.operator.all.all", &["ingress", "portcullis"]),
    ("$KV.portcullis_control.console.all.all", &[]),
    ("$KV.portcullis_control.anomaly.bot.shop", &["ingress", "portcullis", "anomaly"]),
    ("portcullis.v1.alert.critical", &["portcullis", "anomaly"]),
    ("portcullis.v1.audit.key", &["ingress", "portcullis"]),
    ("$KV.portcullis_verdicts.shop.a1", &["ingress", "portcullis"]),
    ("$KV.portcullis_model_roles.injection-classifier", &["operator"]),
    ("$O.portcullis_models.M.x", &["operator"]),
    ("$O.portcullis_models.C.x", &["operator"]),
    ("$JS.API.STREAM.PURGE.OBJ_portcullis_models", &["operator"]),
    ("$JS.API.STREAM.PURGE.HELD", &["ingress", "portcullis"]),
    ("$JS.API.STREAM.PURGE.JOURNAL", &[]),
    ("$JS.API.STREAM.DELETE.JOURNAL", &[]),
    ("$JS.API.STREAM.MSG.DELETE.JOURNAL", &[]),
    ("$JS.API.DIRECT.GET.HELD.portcullis.v1.held.shop.a1", &["ingress", "portcullis"]),
    ("$JS.API.CONSUMER.MSG.NEXT.VERDICT.bot-shop", &["bot-shop"]),
    ("$JS.API.CONSUMER.MSG.NEXT.JOURNAL.audit", &["portcullis", "audit"]),
    ("$JS.API.CONSUMER.MSG.NEXT.JOURNAL.anomaly", &["portcullis", "anomaly"]),
    ("$JS.API.CONSUMER.CREATE.JOURNAL.x", &[]),
    ("$JS.API.CONSUMER.CREATE.VERDICT.x", &[]),
    ("$JS.API.CONSUMER.CREATE.SUBMIT.x", &[]),
    ("$JS.API.CONSUMER.CREATE.HELD.x", &[]),
    ("$JS.API.CONSUMER.DURABLE.CREATE.JOURNAL.audit", &[]),
    ("_INBOX_ingress.x", &["ingress"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_cannot_answer_for_a_stage() {
    let server = guarded().await;
    let table = table(&bots());
    for name in STAGES {
        let subject = format!("portcullis.v1.stage.{name}.check");
        for rights in &table {
            let mut wire = Wire::open(&server, &rights.user);
            let own = rights.user == name;
            assert_eq!(wire.may_listen(&subject), own, "{} as {name}", rights.user);
            assert_eq!(wire.is_allowed(&format!("SUB {subject} {name} 8\r\n")), own);
        }
    }
    // Neighbours that try leave the stage absent: nobody but itself answers for it.
    let moderation = StageName::parse("moderation").unwrap();
    let subject = subjects::stage_check(&moderation);
    let body = serde_json::to_vec(&Report::clean("forged", 5)).unwrap();
    let mut forgers = Vec::new();
    for name in ["sentiment", "audit", "bot-bank", "operator"] {
        let forger = user(&server, name).await;
        forgers.push(
            answer_garbage(forger, subject.clone(), "moderation".into(), body.clone().into()).await,
        );
    }
    let remote = Remote::new(user(&server, "ingress").await);
    for _ in 0..20 {
        assert_eq!(remote.call(&moderation, &ask("hello")).await, Err(CallError::Absent));
    }
    // With the stage there, it is the stage that answers.
    let mut serving = JoinSet::new();
    let shutdown = CancellationToken::new();
    serve(&server, FaultStage::new(moderation.clone()), &mut serving, &shutdown).await;
    until_served(&remote, &moderation).await;
    for _ in 0..20 {
        let report = remote.call(&moderation, &ask("hello")).await.unwrap();
        assert_eq!(report.version, "fault/1");
    }
    shutdown.cancel();
    serving.join_all().await;
}

async fn serve(
    server: &NatsServer,
    stage: FaultStage,
    serving: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) {
    let client = user(server, stage.name().as_str()).await;
    let seats = Seats::new(Arc::new(stage), 4);
    let door = StageDoor::open(client, seats, Work::Waits, "1.0.0").await.unwrap();
    let until = shutdown.clone();
    serving.spawn(async move { door.serve(until).await.unwrap() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_cannot_read_anothers_replies() {
    let server = guarded().await;
    let table = table(&bots());
    for rights in &table {
        let mut wire = Wire::open(&server, &rights.user);
        for other in &table {
            let own = rights.user == other.user;
            let inbox = inbox_prefix(&other.user);
            for listening in [format!("{inbox}.>"), format!("{inbox}.x.y"), format!("{inbox}.*")] {
                let may = wire.may_listen(&listening);
                assert_eq!(may, own, "{} hears {listening}", rights.user);
            }
            let forged = wire.may_publish(&format!("{inbox}.x"));
            let grants =
                rights.publish.iter().any(|pattern| covers(pattern, &format!("{inbox}.x")));
            assert_eq!(forged, grants && own, "{} forges to {inbox}", rights.user);
        }
        for wide in ["_INBOX.>", "_INBOX*.>", ">", "*.>"] {
            assert!(!wire.may_listen(wide), "{} hears {wide}", rights.user);
        }
    }
    // While ingress is answered, nobody else hears it.
    let (mut serving, shutdown) = (JoinSet::new(), CancellationToken::new());
    let sentiment = StageName::parse("sentiment").unwrap();
    serve(&server, FaultStage::new(sentiment.clone()), &mut serving, &shutdown).await;
    let mut heard = Vec::new();
    for name in ["moderation", "bot-bank", "audit"] {
        let spy = user(&server, name).await;
        for subject in ["_INBOX_ingress.>", "_INBOX_ingress.*.*", ">"] {
            heard.push(spy.subscribe(subject).await.unwrap());
        }
        spy.flush().await.unwrap();
    }
    let remote = Remote::new(user(&server, "ingress").await);
    until_served(&remote, &sentiment).await;
    for _ in 0..20 {
        remote.call(&sentiment, &ask("hello")).await.unwrap();
    }
    let mut any = futures::stream::select_all(heard);
    let overheard = tokio::time::timeout(Duration::from_millis(300), any.next()).await;
    assert!(!matches!(overheard, Ok(Some(_))), "{overheard:?}");
    shutdown.cancel();
    serving.join_all().await;
}
