//! Audit as processes: two of them on one PostgreSQL, which take turns when one is killed, paused or told to stop.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "this program is tests: a panic in a function that they share is a failed test with its place"
)]

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use portcullis_bus::Journal;
use portcullis_bus_nats::admin::{InitOptions, init};
use portcullis_bus_nats::{Client, ConnectOptions, Journals, NatsJournal, connect, subjects};
use portcullis_core::BotId;
use portcullis_host::audit_key;
use portcullis_ledger::{Content, Query};
use portcullis_ledger_postgres::{Address, Against, PostgresReader};
use portcullis_merkle::PublicKey;
use portcullis_testkit::{NatsServer, PostgresServer, Process, entry, eventually};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);

/// Bus, database, and a folder that all audits share, as a volume.
struct House {
    nats: NatsServer,
    postgres: PostgresServer,
    shared: TempDir,
    client: Client,
    sent: usize,
}

/// One audit; killed on drop.
struct Audit {
    process: Process,
    log: std::path::PathBuf,
}

impl House {
    async fn build() -> Self {
        Self::with(InitOptions::default()).await
    }

    async fn with(options: InitOptions) -> Self {
        let (nats, postgres) = (NatsServer::start().await, PostgresServer::start().await);
        let client = connect(&ConnectOptions::new(nats.url(), "test")).await.unwrap();
        init(&client, &options).await.unwrap();
        let shared = tempfile::tempdir().unwrap();
        Self { nats, postgres, shared, client, sent: 0 }
    }

    fn audit(&self, name: &str) -> Audit {
        self.audit_of(name, 0, "portcullis", self.shared.path())
    }

    /// An audit of one of several journals.
    fn audit_of(&self, name: &str, journal: u16, schema: &str, data: &Path) -> Audit {
        let log = self.shared.path().join(format!("{name}.log"));
        let password = self.shared.path().join("password");
        std::fs::write(&password, "of no interest to a server that trusts\n").unwrap();
        let url = format!("postgres://127.0.0.1:{}/postgres", self.postgres.port());
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis-audit"));
        command
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .env("PORTCULLIS__DATA", data)
            .env("PORTCULLIS__JOURNAL", journal.to_string())
            .env("PORTCULLIS__LEDGER", "postgres")
            .env("PORTCULLIS__POSTGRES__URL", url)
            .env("PORTCULLIS__POSTGRES__USER", "portcullis")
            .env("PORTCULLIS__POSTGRES__PASSWORD_FILE", &password)
            .env("PORTCULLIS__POSTGRES__SCHEMA", schema)
            .env("PORTCULLIS__POSTGRES__LEASE_S", "1")
            .env("PORTCULLIS__CHECKPOINTS__WITHIN_S", "1")
            .env("PORTCULLIS__CHECKPOINTS__FILE", self.told())
            .env("PORTCULLIS__NATS__URL", self.nats.url())
            .env("PORTCULLIS__HEALTH__LISTEN", "127.0.0.1:0")
            .env("PORTCULLIS__TELEMETRY__FORMAT", "json");
        let own = self.shared.path().join(name);
        std::fs::create_dir_all(&own).unwrap();
        let process = Process::start_logging(&mut command, &own, &File::create(&log).unwrap());
        Audit { process, log }
    }

    /// Where checkpoints are told.
    fn told(&self) -> std::path::PathBuf {
        self.shared.path().join("told.txt")
    }

    async fn send(&mut self, count: usize) {
        let journal = NatsJournal::new(self.client.clone(), Duration::from_secs(5));
        for number in self.sent..self.sent + count {
            journal.append(&entry(&number.to_string())).await.unwrap();
        }
        self.sent += count;
    }

    fn reader(&self) -> PostgresReader {
        PostgresReader::new(&Address::parse(&self.postgres.url()).unwrap(), 2)
    }

    /// Waits until all that was sent is stored.
    async fn stored(&self) {
        let (reader, sent) = (self.reader(), self.sent as u64);
        eventually(PATIENCE, async || reader.last_seq().await.is_ok_and(|last| last >= sent)).await;
    }

    /// Waits until the server knows that all that was sent is done with: it is told after it was stored.
    async fn acknowledged(&self) {
        let sent = self.sent as u64;
        eventually(PATIENCE, async || {
            let asked = self.client.request("$JS.API.CONSUMER.INFO.JOURNAL.audit", "".into()).await;
            let Ok(answer) = asked else { return false };
            let info: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
            info["ack_floor"]["stream_seq"].as_u64().is_some_and(|floor| floor >= sent)
        })
        .await;
    }

    /// Waits until whoever writes tells the key of the shared folder.
    async fn tells_its_key(&self) {
        let file = self.shared.path().join("keys/audit.pub");
        eventually(PATIENCE, async || {
            let asked = self.client.request(subjects::AUDIT_KEY, "".into()).await;
            let Ok(answer) = asked else { return false };
            let told: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
            std::fs::read_to_string(&file).is_ok_and(|key| told["audit_key"] == key.trim())
        })
        .await;
    }

    /// Each entry once, in order, and proven by the checkpoints that were told elsewhere.
    async fn is_whole(&self) {
        let rows = self.reader().search(Query::default()).all().await.unwrap();
        let ids: Vec<_> = rows.iter().map(|row| row.content.entry().unwrap().id.clone()).collect();
        let sent: Vec<_> = (0..self.sent).map(|n| format!("action/shop/{n}")).collect();
        assert_eq!(ids, sent);
        let key = self.shared.path().join("keys/checkpoint.pub");
        let key = PublicKey::parse(&std::fs::read_to_string(key).unwrap()).unwrap();
        let told = key.open_all(&std::fs::read_to_string(self.told()).unwrap()).unwrap();
        let against = Against { key: Some(&key), kept_elsewhere: &told, ..Against::default() };
        let found = self.reader().verify(&against).await.unwrap();
        assert_eq!((found.entries, found.proven > 0), (self.sent as u64, true), "{found:?}");
    }
}

impl Audit {
    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until its log says this for the `times`th time.
    async fn says(&self, words: &str, times: usize) {
        eventually(PATIENCE, async || self.log().matches(words).count() >= times).await;
    }

    async fn metrics(&self) -> String {
        let log = self.log();
        let line = log.lines().find(|line| line.contains("health door open")).unwrap();
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let address = line["fields"]["address"].as_str().or(line["address"].as_str()).unwrap();
        let asked = reqwest::get(format!("http://{address}/metrics")).await;
        asked.unwrap().text().await.unwrap()
    }
}

const WRITES: &str = "this is the writer now";
const STANDS_BY: &str = "standing by";

#[tokio::test]
async fn one_audit_writes_and_another_takes_over_when_it_is_killed_paused_or_stopped() {
    let mut house = House::build().await;
    let first = house.audit("first");
    first.says(WRITES, 1).await;
    let second = house.audit("second");
    second.says(STANDS_BY, 1).await;
    house.send(200).await;
    house.stored().await;
    house.tells_its_key().await;
    assert!(first.metrics().await.contains("portcullis_audit_active 1"));
    assert!(second.metrics().await.contains("portcullis_audit_active 0"));
    assert!(second.metrics().await.contains("portcullis_ready 1"), "{}", second.log());

    // Killed.
    drop(first);
    house.send(200).await;
    second.says(WRITES, 1).await;
    house.stored().await;
    house.tells_its_key().await;

    // Told to stop: it gives the lease back.
    let mut second = second;
    let third = house.audit("third");
    third.says(STANDS_BY, 1).await;
    second.process.signal("TERM");
    let ended = second.process.ended(PATIENCE).await;
    assert!(ended.is_some_and(|status| status.success()), "{}", second.log());
    house.send(200).await;
    third.says(WRITES, 1).await;
    house.stored().await;

    // The database is restarted under it.
    house.postgres.restart().await;
    house.send(100).await;
    house.stored().await;
    let before = third.log().matches(WRITES).count();

    // Paused: who takes over waits for the keys of persons, which the paused one still holds.
    let fourth = house.audit("fourth");
    fourth.says(STANDS_BY, 1).await;
    third.process.signal("STOP");
    fourth.says("the keys are held by another process", 1).await;
    house.send(100).await;
    third.process.signal("CONT");
    third.says("no longer the writer", 1).await;
    house.stored().await;
    assert!(fourth.log().contains(WRITES));
    drop(fourth);
    third.says(WRITES, before + 1).await;
    house.send(50).await;
    house.stored().await;
    let mut third = third;
    third.process.signal("TERM");
    assert!(third.process.ended(PATIENCE).await.is_some_and(|status| status.success()));
    house.is_whole().await;
}

#[tokio::test]
async fn each_journal_has_an_audit_and_a_record_of_its_own() {
    let options = InitOptions { journals: Journals::new(2), ..InitOptions::default() };
    let house = House::with(options).await;
    let other = house.shared.path().join("other");
    let _first = house.audit("first");
    let _second = house.audit_of("second", 1, "portcullis_1", &other);
    // A third has no journal to read, and says so.
    let lost = house.audit_of("lost", 2, "portcullis_2", &house.shared.path().join("lost-data"));
    let journal = NatsJournal::new(house.client.clone(), Duration::from_secs(5));
    // CRC-32 of the first name is even, of the second odd.
    let bots = ["shop", "default"];
    for number in 0..50 {
        for bot in bots {
            let mut entry = entry(&format!("{bot}-{number}"));
            entry.bot = BotId::parse(bot).unwrap();
            journal.append(&entry).await.unwrap();
        }
    }
    for (schema, bot) in [("portcullis", bots[0]), ("portcullis_1", bots[1])] {
        let address = Address::parse(&house.postgres.url()).unwrap().in_schema(schema).unwrap();
        let reader = PostgresReader::new(&address, 2);
        eventually(PATIENCE, async || reader.last_seq().await.is_ok_and(|last| last >= 50)).await;
        let rows = reader.search(Query::default()).all().await.unwrap();
        let of = |row: &portcullis_ledger::Row| row.content.entry().unwrap().bot.to_string();
        assert_eq!(rows.len(), 50, "{schema}: no gap, and nothing of another bot");
        assert!(rows.iter().all(|row| of(row) == bot), "{schema}");
    }
    lost.says("journal 2 of 2 is not there", 1).await;
    // Two audits may have two keys: ingress asks neither.
    audit_key::learn(&house.client, |key| panic!("{key} was told")).await;
}

/// A new record has a new key, and ingress need not be started anew.
#[tokio::test]
async fn a_key_is_learnt_and_another_one_after_it() {
    let house = House::build().await;
    let (told, learnt) = (CancellationToken::new(), Mutex::new(Vec::new()));
    let tell = async {
        for key in ["one", "another"] {
            let ended = told.child_token();
            let tell = audit_key::tell(house.client.clone(), key.into(), ended.cancelled());
            let is_learnt = async || learnt.lock().unwrap().iter().any(|known| known == key);
            let wait = async {
                eventually(PATIENCE, is_learnt).await;
                ended.cancel();
            };
            tokio::join!(tell, wait);
        }
    };
    let learn = audit_key::learn(&house.client, |key| {
        learnt.lock().unwrap().push(key.to_owned());
        true
    });
    tokio::select! {
        () = tell => {}
        () = learn => panic!("it ended"),
    }
    assert_eq!(*learnt.lock().unwrap(), ["one", "another"]);
}

/// The consumer knows how far the old record was. What it does not give is a gap of the new one, even though the server
/// delivers what waits behind the gap again and again.
#[tokio::test]
async fn a_new_record_of_an_old_journal_begins_with_a_gap() {
    let mut house = House::build().await;
    let first = house.audit("first");
    house.send(10).await;
    house.acknowledged().await;
    drop(first);
    house.send(5).await;
    let _second = house.audit_of("second", 0, "anew", &house.shared.path().join("anew"));
    let address = Address::parse(&house.postgres.url()).unwrap().in_schema("anew").unwrap();
    let reader = PostgresReader::new(&address, 2);
    eventually(2 * PATIENCE, async || reader.last_seq().await.is_ok_and(|last| last >= 6)).await;
    let rows = reader.search(Query::default()).all().await.unwrap();
    let Content::Gap(gap) = &rows[0].content else { panic!("{:?}", rows[0]) };
    assert_eq!(gap.after, 0);
    assert_eq!(rows.len() as u64, 1 + 15 - gap.missing());
}
