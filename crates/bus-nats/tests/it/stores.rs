//! What is kept: the stores conform, are made once, and say when they are full or missing.

use std::time::Duration;

use async_nats::jetstream;
use futures::StreamExt;
use portcullis_bus::{Held, HeldItem, Journal, JournalError, KvEvent};
use portcullis_bus_nats::admin::{self, InitError, InitOptions, Outcome};
use portcullis_bus_nats::{Dead, NatsHeld, NatsJournal, NatsKv, NatsOutbox, OpenError, subjects};
use portcullis_core::{Body, BotId};
use portcullis_testkit::{NatsServer, conformance, entry, shop};

use crate::{PATIENCE, client, small};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stores_conform() {
    let server = NatsServer::start().await;
    let bus = client(&server).await;
    admin::init(&bus, &small()).await.unwrap();
    conformance::journal(&NatsJournal::new(bus.clone(), PATIENCE), "audit").await;
    let policy = NatsKv::open(bus.clone(), subjects::POLICY_BUCKET).await.unwrap();
    conformance::kv(&policy).await;
    conformance::held(&NatsHeld::new(bus.clone(), PATIENCE)).await;
    conformance::outbox(&NatsOutbox::new(bus.clone(), PATIENCE), async || {
        let context = jetstream::new(bus.clone());
        let consumer: jetstream::consumer::PullConsumer =
            context.get_consumer_from_stream("bot-shop", "VERDICT").await.unwrap();
        let mail = consumer.fetch().max_messages(10).messages().await.unwrap();
        mail.map(|mail| mail.unwrap().payload.clone()).collect().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_can_be_run_again_and_updates_what_differs() {
    let server = NatsServer::start().await;
    let bus = client(&server).await;
    let outcomes = async |options: &InitOptions| admin::init(&bus, options).await.unwrap();
    let first = outcomes(&small()).await;
    assert!(first.iter().all(|change| change.outcome == Outcome::Created), "{first:?}");
    assert!(first.iter().any(|change| change.name == "JOURNAL/audit"), "{first:?}");
    let again = outcomes(&small()).await;
    assert!(again.iter().all(|change| change.outcome == Outcome::Unchanged), "{again:?}");
    assert_eq!(first.len(), again.len());

    let larger = InitOptions { journal_max_bytes: Some(65 * 1024 * 1024), ..small() };
    let updated: Vec<_> = outcomes(&larger)
        .await
        .into_iter()
        .filter(|change| change.outcome != Outcome::Unchanged)
        .map(|change| (change.name, change.outcome))
        .collect();
    assert_eq!(updated, [("JOURNAL".to_owned(), Outcome::Updated)]);

    // Who does not say a size, as an upgrade of the chart, leaves what somebody made larger as it is.
    let unsaid = InitOptions { journal_max_bytes: None, ..small() };
    let again = outcomes(&unsaid).await;
    assert!(again.iter().all(|change| change.outcome == Outcome::Unchanged), "{again:?}");

    let alone = InitOptions { replicas: Some(3), ..small() };
    assert_eq!(admin::init(&bus, &alone).await, Err(InitError::NoCluster(3)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_refuses_is_named() {
    let server = NatsServer::start().await;
    let bus = client(&server).await;
    let stranger = jetstream::stream::Config {
        name: "STRANGER".into(),
        subjects: vec!["portcullis.v1.alert.high".into()],
        ..Default::default()
    };
    jetstream::new(bus.clone()).create_stream(stranger).await.unwrap();
    let error = admin::init(&bus, &small()).await.unwrap_err();
    assert!(matches!(&error, InitError::Refused { name, .. } if name == "ALERT"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_made_is_named() {
    let server = NatsServer::start().await;
    let bus = client(&server).await;
    let error = NatsKv::open(bus.clone(), subjects::POLICY_BUCKET).await.err();
    assert_eq!(error, Some(OpenError::Missing("bucket portcullis_policy".into())));
    let journal = NatsJournal::new(bus.clone(), Duration::from_secs(1));
    assert_eq!(journal.append(&entry("1")).await, Err(JournalError::Away));
    assert_eq!(journal.follow("audit").await.err(), Some(JournalError::Away));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_journal_and_an_entry_that_is_too_large_are_told_apart() {
    let server = NatsServer::start().await;
    let bus = client(&server).await;
    let tiny = InitOptions { journal_max_bytes: Some(16 * 1024), ..small() };
    admin::init(&bus, &tiny).await.unwrap();
    let journal = NatsJournal::new(bus, PATIENCE);

    let mut large = entry("large");
    if let Body::Action(action) = &mut large.body {
        action.reason = Some("x".repeat(9 * 1024 * 1024));
    }
    assert_eq!(journal.append(&large).await, Err(JournalError::Refused));
    let mut kept = 0;
    let error = loop {
        match journal.append(&entry(&kept.to_string())).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 1000);
    };
    assert_eq!(error, JournalError::Full);
    assert!(kept > 10, "kept {kept}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_cannot_be_read_goes_to_the_dead_and_is_never_quoted() {
    let server = NatsServer::start().await;
    let bus = client(&server).await;
    admin::init(&bus, &small()).await.unwrap();
    let subject = "portcullis.v1.journal.verdict.shop";
    let named = r#"{"id": "verdict/shop/inbound/7", "text": "marker-7"}"#;
    for body in ["marker-7 is not JSON", "{\"id\": \"marker-7 says\"}", named] {
        jetstream::new(bus.clone()).publish(subject, body.into()).await.unwrap().await.unwrap();
    }
    let journal = NatsJournal::new(bus.clone(), PATIENCE);
    let mut deliveries = journal.follow("audit").await.unwrap();
    let dead = Dead::new(bus.clone(), PATIENCE);
    for category in ["not JSON", "not an entry", "not an entry"] {
        let delivery = deliveries.next().await.unwrap().unwrap();
        let error = delivery.entry().unwrap_err().to_owned();
        assert_eq!(error, category);
        // Twice: after a redelivery there is still one letter.
        for _ in 0..2 {
            dead.write("audit", &*delivery, &error).await.unwrap();
        }
        delivery.ack().await.unwrap();
    }
    let mut stream = jetstream::new(bus).get_stream("DEAD").await.unwrap();
    assert_eq!(stream.info().await.unwrap().state.messages, 3);
    let letter = async |sequence| -> serde_json::Value {
        let message = stream.direct_get(sequence).await.unwrap();
        assert!(!String::from_utf8_lossy(&message.payload).contains("marker-7"));
        serde_json::from_slice(&message.payload).unwrap()
    };
    let first = letter(1).await;
    assert_eq!((&first["error"], &first["bytes"]), (&"not JSON".into(), &20.into()));
    assert_eq!((first.get("id"), letter(2).await.get("id")), (None, None));
    assert_eq!(letter(3).await["id"], "verdict/shop/inbound/7");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_cannot_be_deleted_from() {
    let server = NatsServer::start().await;
    let bus = client(&server).await;
    admin::init(&bus, &small()).await.unwrap();
    NatsJournal::new(bus.clone(), PATIENCE).append(&entry("1")).await.unwrap();
    let stream = jetstream::new(bus).get_stream("JOURNAL").await.unwrap();
    assert!(stream.delete_message(1).await.is_err());
    assert!(stream.purge().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_form_is_no_way_to_another_bots_case() {
    let server = NatsServer::start().await;
    let bus = client(&server).await;
    admin::init(&bus, &small()).await.unwrap();
    let held = NatsHeld::new(bus, PATIENCE);
    let bank = BotId::parse("bank").unwrap();
    held.put(HeldItem { bot: bank.clone(), key: "a1".into(), sealed: "x".into() }).await.unwrap();
    for key in ["*", ">", "a1.b", "", "A"] {
        assert_eq!(held.get(&shop(), key).await.unwrap(), None, "{key:?}");
        held.remove(&bank, key).await.unwrap();
        let item = HeldItem { bot: shop(), key: key.into(), sealed: "x".into() };
        assert!(held.put(item).await.is_err(), "{key:?}");
    }
    assert_eq!(held.list(None).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_reaches_every_watcher_within_a_second() {
    use portcullis_bus::Kv;
    let server = NatsServer::start().await;
    let bus = client(&server).await;
    admin::init(&bus, &small()).await.unwrap();
    let control = NatsKv::open(bus.clone(), subjects::CONTROL_BUCKET).await.unwrap();
    let other = NatsKv::open(client(&server).await, subjects::CONTROL_BUCKET).await.unwrap();
    let mut events = other.watch().await.unwrap();
    assert_eq!(events.next().await, Some(KvEvent::Snapshot));
    control.put("operator.all", "stop".into()).await.unwrap();
    let event = tokio::time::timeout(Duration::from_secs(1), events.next()).await.unwrap();
    assert!(matches!(event, Some(KvEvent::Put { key, .. }) if key == "operator.all"));
}
