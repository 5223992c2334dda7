//! The process itself: on a real bus as its own user, with a real engine.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use futures::StreamExt;
use portcullis_bus::Journal;
use portcullis_bus_nats::{Client, ConnectOptions, NatsJournal, admin, connect};
use portcullis_bus_rights::{UserPassword, server_config};
use portcullis_core::BotId;
use portcullis_testkit::{NatsOptions, NatsServer, OpenSearch, Process, eventually};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::engine::engine;
use crate::support::{PATIENCE, client, spoken};

const PASSWORD: &str = "password-of-a-test";
const USERS: [&str; 4] = ["operator", "ingress", "audit", "search"];

async fn bus() -> NatsServer {
    let users = USERS.map(|user| UserPassword {
        user: user.to_owned(),
        password: SecretString::from(PASSWORD.to_owned()),
    });
    let config = server_config(&users, &[BotId::fallback()]).unwrap();
    let options = NatsOptions { config: config.expose_secret().to_owned(), ..<_>::default() };
    NatsServer::start_with(options).await
}

async fn as_user(server: &NatsServer, user: &str) -> Client {
    let password = SecretString::from(PASSWORD.to_owned());
    connect(&ConnectOptions::new(server.url(), user).user(user, password)).await.unwrap()
}

/// The process, with its health door.
struct Search {
    process: Process,
    folder: tempfile::TempDir,
    door: String,
}

impl Search {
    fn start(bus: &NatsServer, engine: &str) -> Self {
        Self::start_with(bus, engine, "portcullis-journal")
    }

    fn start_with(bus: &NatsServer, engine: &str, stream: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis-search"));
        command
            .env("PORTCULLIS__NATS__URL", bus.url())
            .env("PORTCULLIS__NATS__USER", "search")
            .env("PORTCULLIS__NATS__PASSWORD", PASSWORD)
            .env("PORTCULLIS__ENGINE__URL", engine)
            .env("PORTCULLIS__STREAM", stream)
            .env("PORTCULLIS__LONGEST_PAUSE_MS", "500")
            .env("PORTCULLIS__HEALTH__LISTEN", free.to_string());
        let process = Process::start_logging(&mut command, folder.path(), &log);
        Self { process, folder, door: format!("http://{free}") }
    }

    async fn get(&self, path: &str) -> Option<(u16, String)> {
        let answer = reqwest::get(format!("{}{path}", self.door)).await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    async fn is_ready(&self) -> bool {
        matches!(self.get("/readyz").await, Some((200, _)))
    }

    /// A metric's value; its name with its labels.
    async fn metric(&self, name: &str) -> Option<f64> {
        let (_, metrics) = self.get("/metrics").await?;
        let line = metrics.lines().find(|line| line.starts_with(&format!("{name} ")))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

#[tokio::test]
async fn an_engine_that_is_away_slows_nobody_and_what_it_refuses_is_dead() {
    let bus = bus().await;
    let operator = as_user(&bus, "operator").await;
    admin::init(&operator, &admin::InitOptions::default()).await.unwrap();
    let ingress = as_user(&bus, "ingress").await;
    let journal = NatsJournal::new(ingress.clone(), Duration::from_secs(5));
    for number in 0..300 {
        journal.append(&spoken(&format!("m{number}"), "jane", 1)).await.unwrap();
    }
    let context = async_nats::jetstream::new(ingress);
    let poison = context.publish("portcullis.v1.journal.verdict.shop", "my card is 4111".into());
    poison.await.unwrap().await.unwrap();

    // The engine is away: search is up, not ready, and says how far it is behind.
    let mut engine = OpenSearch::start().await;
    engine.kill();
    let search = Search::start(&bus, &engine.url());
    eventually(PATIENCE, async || {
        search.metric("portcullis_search_lag_seconds").await.unwrap_or(0.0) > 1.0
    })
    .await;
    assert_eq!(search.get("/livez").await.unwrap().0, 200);
    assert_eq!(search.get("/readyz").await.unwrap().0, 503);
    let pending = "portcullis_consumer_pending{stream=\"JOURNAL\",consumer=\"search\"}";
    eventually(PATIENCE, async || search.metric(pending).await == Some(301.0)).await;

    // The ledger's reader has everything meanwhile.
    let ledger = NatsJournal::new(as_user(&bus, "audit").await, Duration::from_secs(5));
    let mut deliveries = ledger.follow("audit").await.unwrap();
    for _ in 0..301 {
        deliveries.next().await.unwrap().unwrap().ack().await.unwrap();
    }

    engine.restart().await;
    eventually(PATIENCE, async || search.is_ready().await).await;
    let created = "portcullis_search_documents_total{outcome=\"created\"}";
    eventually(PATIENCE, async || search.metric(created).await == Some(300.0)).await;
    eventually(PATIENCE, async || {
        search.metric("portcullis_search_lag_seconds").await == Some(0.0)
    })
    .await;
    eventually(PATIENCE, async || search.metric(pending).await == Some(0.0)).await;
    assert_eq!(search.metric("portcullis_search_dead_total").await, Some(1.0));
    let client = client(&engine.url());
    client.refresh("portcullis-journal").await.unwrap();
    let question = json!({ "size": 0, "track_total_hits": true });
    let found = client.search("portcullis-journal", &question).await.unwrap();
    assert_eq!(found["hits"]["total"]["value"], 300);

    // The letter says where and why, and nothing of what it was.
    let context = async_nats::jetstream::new(operator);
    let stream = context.get_stream("DEAD").await.unwrap();
    let letter = stream.direct_get_last_for_subject("portcullis.v1.dead.search").await.unwrap();
    let letter = String::from_utf8(letter.payload.to_vec()).unwrap();
    let read: serde_json::Value = serde_json::from_str(&letter).unwrap();
    assert_eq!((read["sequence"].as_u64(), read["error"].as_str()), (Some(301), Some("not JSON")));
    let metrics = search.get("/metrics").await.unwrap().1;
    // What alerts speak of is exposed.
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/prometheus/rules/search.yaml");
    let rules = std::fs::read_to_string(rules).unwrap();
    let word = |c: char| !(c.is_ascii_lowercase() || c == '_');
    let named: Vec<&str> =
        rules.split(word).filter(|name| name.starts_with("portcullis_search_")).collect();
    assert_eq!(named.len(), 2);
    for name in named {
        assert!(metrics.contains(&format!("\n{name} ")), "{name}");
    }
    for text in [letter, search.log(), metrics] {
        assert!(!text.contains("4111") && !text.contains(PASSWORD), "{text}");
    }
    assert!(!search.log().contains("PermissionsViolation"), "{}", search.log());
}

/// Killed at any point, it loses nothing and makes nothing twice. What it held comes again after thirty seconds.
#[tokio::test]
async fn killed_again_and_again_it_loses_nothing() {
    const ENTRIES: usize = 3_000;
    let bus = bus().await;
    let operator = as_user(&bus, "operator").await;
    admin::init(&operator, &admin::InitOptions::default()).await.unwrap();
    let journal = NatsJournal::new(as_user(&bus, "ingress").await, Duration::from_secs(5));
    let engine = engine().await;
    let started = std::time::Instant::now();
    for kill in 0..10 {
        for number in 0..ENTRIES / 10 {
            journal.append(&spoken(&format!("k{kill}-{number}"), "jane", 1)).await.unwrap();
        }
        let mut search = Search::start_with(&bus, &engine.url(), "killed");
        // from before it is connected to after its first batch
        tokio::time::sleep(Duration::from_millis(60 * kill)).await;
        search.process.signal("KILL");
        assert!(search.process.ended(PATIENCE).await.is_some());
    }
    let search = Search::start_with(&bus, &engine.url(), "killed");
    for what in ["pending", "unacknowledged"] {
        let left = format!("portcullis_consumer_{what}{{stream=\"JOURNAL\",consumer=\"search\"}}");
        eventually(PATIENCE, async || search.metric(&left).await == Some(0.0)).await;
    }
    let client = client(&engine.url());
    let question = json!({ "size": 0, "track_total_hits": true });
    eventually(PATIENCE, async || {
        client.refresh("killed").await.unwrap();
        let found = client.search("killed", &question).await.unwrap();
        found["hits"]["total"]["value"].as_u64() == Some(ENTRIES as u64)
    })
    .await;
    println!("all there after {:?}", started.elapsed());
    assert_eq!(search.metric("portcullis_search_dead_total").await, Some(0.0));
}
