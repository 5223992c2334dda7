//! The rights table on a real server: what each user needs works, and nothing else does.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use futures::StreamExt;
use portcullis_bus::{
    Caller, Held, HeldItem, Journal, Kv, Mail, MailKind, Models, ModelsError, Outbox, Seats,
};
use portcullis_bus_nats::{
    Client, ConnectError, ConnectOptions, Door, Journals, NatsHeld, NatsJournal, NatsKv,
    NatsModels, NatsOutbox, Remote, Reply, Serving, StageDoor, SubmitQueue, Work, admin, connect,
    subjects,
};
use portcullis_bus_rights::{UserPassword, server_config_of, table, with_journals};
use portcullis_core::{BotId, StageName};
use portcullis_testkit::{FaultStage, NatsOptions, NatsServer, ask, conformance, entry, shop};
use secrecy::ExposeSecret;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{PATIENCE, small};

const PASSWORD: &str = "correct-horse";

fn bots() -> Vec<BotId> {
    vec![shop(), BotId::parse("bank").unwrap()]
}

async fn guarded() -> NatsServer {
    guarded_with(Journals::default()).await
}

pub(crate) async fn guarded_with(journals: Journals) -> NatsServer {
    let table = with_journals(table(&bots()), journals);
    let users: Vec<_> = table
        .iter()
        .map(|rights| UserPassword {
            user: rights.user.clone(),
            password: PASSWORD.to_owned().into(),
        })
        .collect();
    let config = server_config_of(&users, &table).unwrap();
    let config = config.expose_secret().to_owned();
    let server = NatsServer::start_with(NatsOptions { config, ..NatsOptions::default() }).await;
    let options = admin::InitOptions { bots: bots(), journals: Some(journals), ..small() };
    admin::init(&user(&server, "operator").await, &options).await.unwrap();
    server
}

pub(crate) async fn user(server: &NatsServer, user: &str) -> Client {
    let options =
        ConnectOptions::new(server.url(), user).user(user, PASSWORD.to_owned().into()).fail_fast();
    connect(&options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_password_gets_no_connection() {
    let server = guarded().await;
    let nobody = ConnectOptions::new(server.url(), "test").fail_fast();
    assert!(matches!(connect(&nobody).await, Err(ConnectError::Refused(_))));
    let wrong = nobody.user("ingress", "wrong-password".to_owned().into());
    assert_eq!(connect(&wrong).await.err(), Some(ConnectError::Refused("ingress".into())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ingress_has_every_right_that_it_needs() {
    let server = guarded().await;
    let ingress = user(&server, "ingress").await;
    let operator = user(&server, "operator").await;
    let policy = NatsKv::open(operator.clone(), subjects::POLICY_BUCKET).await.unwrap();
    policy.put("shop", "v1".into()).await.unwrap();

    let seen = NatsKv::open(ingress.clone(), subjects::POLICY_BUCKET).await.unwrap();
    assert_eq!(seen.get("shop").await.unwrap().unwrap().value, "v1");
    assert_eq!(seen.history("shop").await.unwrap().len(), 1);
    let mut events = seen.watch().await.unwrap();
    assert!(tokio::time::timeout(PATIENCE, events.next()).await.unwrap().is_some());
    assert!(seen.put("shop", "v2".into()).await.is_err(), "policies are the operator's");

    let verdicts = NatsKv::open(ingress.clone(), subjects::VERDICTS_BUCKET).await.unwrap();
    verdicts.create("shop.inbound.1", "{}".into()).await.unwrap();
    let control = NatsKv::open(ingress.clone(), subjects::CONTROL_BUCKET).await.unwrap();
    control.put("operator.all", "stop".into()).await.unwrap();
    assert!(control.put("console.all", "stop".into()).await.is_err(), "another author's key");

    NatsJournal::new(ingress.clone(), PATIENCE).append(&entry("1")).await.unwrap();
    conformance::held(&NatsHeld::new(ingress.clone(), PATIENCE)).await;
    let mail = Mail { kind: MailKind::Verdict, bot: shop(), id: "1".into(), body: "{}".into() };
    NatsOutbox::new(ingress.clone(), PATIENCE).send(mail).await.unwrap();

    let bot = user(&server, "bot-shop").await;
    bot.request(subjects::submit(&shop()), "{}".into()).await.unwrap();
    let mut queue = SubmitQueue::open(ingress.clone(), 8).await.unwrap();
    queue.next().await.unwrap().unwrap().ack().await.unwrap();
    let context = jetstream::new(bot.clone());
    let consumer: jetstream::consumer::PullConsumer =
        context.get_consumer_from_stream("bot-shop", "VERDICT").await.unwrap();
    let mut mail = consumer.messages().await.unwrap();
    mail.next().await.unwrap().unwrap().ack().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_put_models_and_the_classifier_only_reads_them() {
    let server = guarded().await;
    let operator = user(&server, "operator").await;
    let store = NatsModels::open(operator.clone()).await.unwrap();
    let archive: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    for _again in 0..2 {
        store.put("d1", "model-1", archive.clone().into()).await.unwrap();
    }
    assert_eq!(store.list().await.unwrap().len(), 1);
    assert_eq!(store.fetch("d1").await.unwrap(), archive);
    let roles = NatsKv::open(operator, subjects::MODEL_ROLES_BUCKET).await.unwrap();
    roles.put("injection-classifier", "{}".into()).await.unwrap();

    let classifier = user(&server, "injection-classifier").await;
    let seen = NatsKv::open(classifier.clone(), subjects::MODEL_ROLES_BUCKET).await.unwrap();
    let mut events = seen.watch().await.unwrap();
    assert!(tokio::time::timeout(PATIENCE, events.next()).await.unwrap().is_some());
    assert!(seen.put("injection-classifier", "{}".into()).await.is_err(), "the operator's");
    let store = NatsModels::open(classifier).await.unwrap();
    assert_eq!(store.fetch("d1").await.unwrap(), archive);
    assert_eq!(store.fetch("d2").await, Err(ModelsError::Missing));
    let put = tokio::time::timeout(PATIENCE, store.put("d3", "x", "x".into())).await;
    assert!(!matches!(put, Ok(Ok(()))), "models are the operator's");
    let sentiment = user(&server, "sentiment").await;
    assert!(NatsModels::open(sentiment).await.is_err(), "no model of its own on the bus");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doors_and_stages_answer_with_no_right_to_publish() {
    let server = guarded().await;
    let (shutdown, mut served) = (CancellationToken::new(), JoinSet::new());
    let ingress = user(&server, "ingress").await;
    for (door, word) in [(subjects::INGRESS_DOOR, "verdict"), (subjects::ADMIN_DOOR, "done")] {
        let serving = Serving::new(door, subjects::INGRESS, 4);
        let door = Door::open(ingress.clone(), serving).await.unwrap();
        served.spawn(door.serve(move |_| async move { Reply::body(word) }, shutdown.clone()));
    }
    for name in portcullis_bus_rights::STAGES {
        let stage = FaultStage::new(StageName::parse(name).unwrap());
        let client = user(&server, name).await;
        let seats = Seats::new(Arc::new(stage), 2);
        let door = StageDoor::open(client, seats, Work::Waits, "1.0.0").await.unwrap();
        served.spawn(door.serve(shutdown.clone()));
    }

    let remote = Remote::new(ingress.clone());
    for name in portcullis_bus_rights::STAGES {
        for _ in 0..2 {
            remote.call(&StageName::parse(name).unwrap(), &ask("hello")).await.unwrap();
        }
    }
    let bot = user(&server, "bot-shop").await;
    let verdict = bot.request(subjects::ingress(&shop()), "{}".into()).await.unwrap();
    assert_eq!(verdict.payload, "verdict");
    let operator = user(&server, "operator").await;
    let done = operator.request(subjects::admin("stop"), "{}".into()).await.unwrap();
    assert_eq!(done.payload, "done");
    let ping = operator.request("$SRV.PING.sentiment", "".into()).await.unwrap();
    assert!(!ping.payload.is_empty());
    // The drain has its right too.
    shutdown.cancel();
    while let Some(ended) = served.join_next().await {
        ended.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_read_the_record_and_change_nothing() {
    let server = guarded().await;
    let ingress = user(&server, "ingress").await;
    NatsJournal::new(ingress, PATIENCE).append(&entry("1")).await.unwrap();
    let readers = portcullis_bus_nats::streams::READERS.map(|reader| reads_only(&server, reader));
    futures::future::join_all(readers).await;
}

async fn reads_only(server: &NatsServer, reader: &str) {
    let client = user(server, reader).await;
    let journal = NatsJournal::new(client.clone(), PATIENCE);
    let mut deliveries = journal.follow(reader).await.unwrap();
    let delivery = tokio::time::timeout(PATIENCE, deliveries.next()).await.unwrap();
    let delivery = delivery.unwrap().unwrap();
    let dead = portcullis_bus_nats::Dead::new(client.clone(), PATIENCE);
    dead.write(reader, &*delivery, "not JSON").await.unwrap();
    delivery.ack().await.unwrap();
    let short = NatsJournal::new(client, Duration::from_millis(100));
    let mut forged = entry("forged");
    if reader != "anomaly" {
        assert!(short.append(&forged).await.is_err(), "{reader}");
    }
    forged.body = portcullis_testkit::verdict_entry("forged").body;
    assert!(short.append(&forged).await.is_err(), "{reader}");
    let other = if reader == "audit" { "search" } else { "audit" };
    assert!(short.follow(other).await.is_err(), "{reader} read as {other}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_hear_alerts_and_read_them_later() {
    let server = guarded().await;
    let operator = user(&server, "operator").await;
    let mut heard = operator.subscribe("portcullis.v1.alert.*").await.unwrap();
    operator.flush().await.unwrap();
    let anomaly = user(&server, "anomaly").await;
    let told = anomaly.request("portcullis.v1.alert.critical", "{}".into()).await.unwrap();
    assert!(String::from_utf8_lossy(&told.payload).contains("ALERT"), "it is stored: {told:?}");
    let alert = tokio::time::timeout(PATIENCE, heard.next()).await.unwrap().unwrap();
    assert_eq!(alert.payload, "{}");
    let context = jetstream::new(operator.clone());
    let stream = context.get_stream("ALERT").await.unwrap();
    assert_eq!(stream.direct_get(1).await.unwrap().payload, "{}");
    assert_eq!(stream.get_raw_message(1).await.unwrap().payload, "{}");
    let options = jetstream::consumer::push::OrderedConfig {
        deliver_subject: operator.new_inbox(),
        ..Default::default()
    };
    let mut all = stream.create_consumer(options).await.unwrap().messages().await.unwrap();
    let first = tokio::time::timeout(PATIENCE, all.next()).await.unwrap();
    assert_eq!(first.unwrap().unwrap().payload, "{}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audit_says_its_key_to_ingress_alone() {
    let server = guarded().await;
    let audit = user(&server, "audit").await;
    let (shutdown, mut served) = (CancellationToken::new(), JoinSet::new());
    let door =
        Door::open(audit, Serving::new(subjects::AUDIT_KEY, subjects::AUDIT, 1)).await.unwrap();
    served.spawn(door.serve(|_| async { Reply::body("key") }, shutdown.clone()));
    let ingress = user(&server, "ingress").await;
    let said = ingress.request(subjects::AUDIT_KEY, "".into()).await.unwrap();
    assert_eq!(said.payload, "key");
    for other in ["bot-shop", "sentiment", "search"] {
        let asked = user(&server, other).await;
        let asked = asked.request(subjects::AUDIT_KEY, "".into());
        let answer = tokio::time::timeout(Duration::from_millis(300), asked).await;
        assert!(answer.is_err(), "{other}: {answer:?}");
    }
    // The drain has its right too.
    shutdown.cancel();
    while let Some(ended) = served.join_next().await {
        ended.unwrap().unwrap();
    }
}

/// What every user tries, and must not reach.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_in_the_table_is_refused() {
    let server = guarded().await;
    let operator = user(&server, "operator").await;
    let bank = BotId::parse("bank").unwrap();
    let sealed = HeldItem { bot: bank.clone(), key: "a1".into(), sealed: "x".into() };
    NatsHeld::new(user(&server, "ingress").await, PATIENCE).put(sealed).await.unwrap();
    let forbidden: &[(&str, &[&str])] = &[
        (
            "bot-shop",
            &[
                "portcullis.v1.ingress.bank",
                "portcullis.v1.submit.bank",
                "portcullis.v1.journal.verdict.shop",
                "portcullis.v1.verdict.shop",
                "portcullis.v1.stage.sentiment.check",
                "portcullis.v1.admin.stop",
                "$KV.portcullis_control.operator.all",
                "$JS.API.STREAM.INFO.JOURNAL",
                "$JS.API.CONSUMER.MSG.NEXT.VERDICT.bot-bank",
                "$JS.API.CONSUMER.CREATE.VERDICT.x",
                "$JS.API.DIRECT.GET.HELD.portcullis.v1.held.bank.a1",
            ],
        ),
        (
            "sentiment",
            &[
                "portcullis.v1.stage.moderation.check",
                "portcullis.v1.journal.verdict.shop",
                "portcullis.v1.verdict.shop",
                "_INBOX_ingress.x",
                "$JS.API.INFO",
                "$SRV.PING",
            ],
        ),
        (
            "ingress",
            &[
                "$KV.portcullis_policy.shop",
                "$KV.portcullis_control.console.all",
                "$JS.API.STREAM.DELETE.JOURNAL",
                "$JS.API.STREAM.PURGE.JOURNAL",
                "$JS.API.CONSUMER.CREATE.JOURNAL.x",
            ],
        ),
        ("audit", &["portcullis.v1.journal.verdict.shop", "$JS.API.STREAM.PURGE.JOURNAL"]),
        (
            "operator",
            &[
                "portcullis.v1.journal.action.shop",
                "$JS.API.STREAM.DELETE.JOURNAL",
                "$JS.API.STREAM.PURGE.JOURNAL",
                "$JS.API.STREAM.MSG.DELETE.JOURNAL",
                "$JS.API.STREAM.MSG.GET.JOURNAL",
                "$JS.API.DIRECT.GET.JOURNAL",
                "$JS.API.CONSUMER.MSG.NEXT.JOURNAL.audit",
                "$JS.API.CONSUMER.LIST.JOURNAL",
                "portcullis.v1.alert.critical",
                "portcullis.v1.audit.key",
            ],
        ),
    ];
    for (name, subjects) in forbidden {
        let client = user(&server, name).await;
        let tries = subjects.iter().map(async |subject| {
            // A forbidden request is dropped: no answer, not even that there is nobody.
            let request = client.request((*subject).to_owned(), "{}".into());
            let answer = tokio::time::timeout(Duration::from_millis(300), request).await;
            assert!(answer.is_err(), "{name} reached {subject}: {answer:?}");
        });
        futures::future::join_all(tries).await;
    }
    // The same request is answered where the right is there: silence above means refusal.
    let info = operator.request("$JS.API.STREAM.INFO.JOURNAL", "{}".into()).await.unwrap();
    assert!(!info.payload.is_empty());

    let spy = user(&server, "bot-shop").await;
    for subject in ["portcullis.>", "_INBOX_ingress.>", "portcullis.v1.ingress.*", ">"] {
        let mut heard = spy.subscribe(subject).await.unwrap();
        spy.flush().await.unwrap();
        let ingress = user(&server, "ingress").await;
        NatsJournal::new(ingress, PATIENCE).append(&entry(subject)).await.unwrap();
        let heard = tokio::time::timeout(Duration::from_millis(150), heard.next()).await;
        assert!(heard.is_err(), "{subject}");
    }
}
