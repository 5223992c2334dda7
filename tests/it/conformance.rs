//! Every form of a port does the same: in memory, and on a real nats-server.
//!
//! Limits and conversations, in memory and on Redis, have their suite in `crates/state-redis/tests`.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use futures::StreamExt;
use portcullis_bus::{Local, MemoryHeld, MemoryJournal, MemoryKv, MemoryOutbox, Mixed, Seats};
use portcullis_bus_nats::{
    Client, ConnectOptions, NatsHeld, NatsJournal, NatsKv, NatsOutbox, Remote, StageDoor, Work,
    admin, connect, subjects,
};
use portcullis_core::StageName;
use portcullis_testkit::{FaultStage, NatsServer, conformance, shop};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(10);
const MIB: i64 = 1024 * 1024;

async fn client(server: &NatsServer) -> Client {
    connect(&ConnectOptions::new(server.url(), "conformance").fail_fast()).await.unwrap()
}

async fn bus(server: &NatsServer) -> Client {
    let bus = client(server).await;
    let options = admin::InitOptions {
        journal_max_bytes: Some(64 * MIB),
        submit_max_bytes: MIB,
        held_max_bytes: MIB,
        bots: vec![shop()],
        ..admin::InitOptions::default()
    };
    admin::init(&bus, &options).await.unwrap();
    bus
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journals_conform() {
    conformance::journal(&MemoryJournal::new(), "audit").await;
    let server = NatsServer::start().await;
    conformance::journal(&NatsJournal::new(bus(&server).await, PATIENCE), "audit").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_conform() {
    conformance::kv(&MemoryKv::new(64)).await;
    let server = NatsServer::start().await;
    let bus = bus(&server).await;
    conformance::kv(&NatsKv::open(bus, subjects::POLICY_BUCKET).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_stores_conform() {
    conformance::held(&MemoryHeld::new()).await;
    let server = NatsServer::start().await;
    conformance::held(&NatsHeld::new(bus(&server).await, PATIENCE)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outboxes_conform() {
    let outbox = MemoryOutbox::new();
    let stored = async || outbox.sent().into_iter().map(|mail| mail.body).collect();
    conformance::outbox(&outbox, stored).await;

    let server = NatsServer::start().await;
    let bus = bus(&server).await;
    conformance::outbox(&NatsOutbox::new(bus.clone(), PATIENCE), async || {
        let consumer: jetstream::consumer::PullConsumer = jetstream::new(bus.clone())
            .get_consumer_from_stream(subjects::bot_user(&shop()), subjects::VERDICT)
            .await
            .unwrap();
        let mail = consumer.fetch().max_messages(10).messages().await.unwrap();
        mail.map(|mail| mail.unwrap().payload.clone()).collect().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_conform() {
    const SEATS: usize = 2;
    let stage = || FaultStage::new(StageName::sentiment());
    let seated = stage();
    let local = Arc::new(Local::new().with(Arc::new(seated.clone()), SEATS));
    conformance::caller(local.as_ref(), &seated, SEATS).await;
    let mixed = Mixed::new(Arc::new(Local::new())).with(StageName::sentiment(), local);
    conformance::caller(&mixed, &seated, SEATS).await;

    let server = NatsServer::start().await;
    let served = stage();
    let seats = Seats::new(Arc::new(served.clone()), SEATS);
    let door = StageDoor::open(client(&server).await, seats, Work::Waits, "1.2.3").await.unwrap();
    let shutdown = CancellationToken::new();
    let mut serving = JoinSet::new();
    serving.spawn(door.serve(shutdown.clone()));
    conformance::caller(&Remote::new(client(&server).await), &served, SEATS).await;
    shutdown.cancel();
    serving.join_next().await.unwrap().unwrap().unwrap();
}
