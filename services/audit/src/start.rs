//! Audit as a process of its own: carries the journal on the bus into a ledger on this machine's disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use portcullis_bus::{Delivery, JournalError};
use portcullis_bus_nats::{Client, Journals, NatsJournal, lag};
use portcullis_config::{CommonConfig, HealthConfig, NatsConfig, TelemetryConfig};
use portcullis_service::{Condition, Kit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use portcullis_core::SystemClock;
use portcullis_host::audit_key;
use portcullis_ledger::{Ledger, LedgerOptions};
use portcullis_ledger_postgres::WriterOptions;

use crate::checkpoints::{self, CheckpointConfig};
use crate::database::{OnPostgres, PostgresConfig};
use crate::personal::PersonalConfig;
use crate::{Auditor, AuditorOptions, Dead};

/// How long the bus may take to store something.
const PATIENCE: Duration = Duration::from_secs(2);

/// The configuration of audit.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The folder of the record: audit/ in it is the record itself, index/ can be rebuilt from it. One
    /// process alone may write to it. Where the record is in PostgreSQL, only keys/ is in it.
    pub data: PathBuf,
    /// Where the record is kept: files (in the data folder), or postgres (one writes, others stand by; all need the
    /// same keys).
    pub ledger: LedgerKind,
    /// Which of the journals this audit writes the record of, where `admin init --journals` made more than one: each
    /// has an audit and a record of its own. 0 is the first.
    pub journal: u16,
    /// How to reach PostgreSQL, where the record is there.
    pub postgres: PostgresConfig,
    /// How checkpoints of the record are signed, and where they are told.
    pub checkpoints: CheckpointConfig,
    /// What is personal in the record, and how long it can be read.
    pub personal: PersonalConfig,
    /// How long work in flight may take after the signal to stop, in milliseconds.
    pub grace_ms: u64,
    /// How to reach NATS.
    pub nats: NatsConfig,
    /// Where the process tells how it is: /livez, /readyz and /metrics.
    pub health: HealthConfig,
    /// Logs and traces. Neither ever holds the text of a message.
    pub telemetry: TelemetryConfig,
}

/// Where the record is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LedgerKind {
    /// In files on this machine.
    #[default]
    Files,
    /// In PostgreSQL.
    Postgres,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "./portcullis-data".into(),
            ledger: LedgerKind::default(),
            journal: 0,
            postgres: PostgresConfig::default(),
            checkpoints: CheckpointConfig::default(),
            personal: PersonalConfig::default(),
            grace_ms: 10_000,
            nats: NatsConfig::default(),
            health: HealthConfig::default(),
            telemetry: TelemetryConfig::default(),
        }
    }
}

impl CommonConfig for Config {
    fn health(&self) -> Option<&HealthConfig> {
        Some(&self.health)
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }

    fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }
}

/// Starts audit on the bus.
///
/// # Errors
/// Where the ledger cannot be opened or the bus refuses us.
pub async fn start(kit: Kit, config: Config) -> anyhow::Result<()> {
    let bus = kit.health().condition("bus");
    let record = kit.health().condition("ledger");
    // From the start, so that the first of a kind is a rise that an alert sees.
    for name in ["gaps", "missing", "late", "dead", "duplicates"] {
        metrics::counter!(format!("portcullis_audit_{name}_total")).increment(0);
    }
    let client = match config.ledger {
        LedgerKind::Files => on_files(&kit, &config, &bus, &record).await?,
        LedgerKind::Postgres => on_postgres(&kit, &config, &bus, record).await?,
    };
    let (bus, ended) = (client.clone(), kit.shutdown().clone());
    kit.tasks().spawn("journal-lag", lag::watch_journals(bus, "audit", ended.clone()));
    let full = lag::watch_fill(client.clone(), ended);
    kit.tasks().spawn("journal-fill", full);
    portcullis_host::close_at_the_end(&kit, client);
    Ok(())
}

async fn on_files(
    kit: &Kit,
    config: &Config,
    bus: &Condition,
    record: &Condition,
) -> anyhow::Result<Client> {
    let signing = Some(config.checkpoints.signing(&config.data)?);
    // Said before anything is opened.
    drop(config.checkpoints.places(None)?);
    let (data, options) = (config.data.clone(), LedgerOptions { signing, ..<_>::default() });
    let opened = tokio::task::spawn_blocking(move || Ledger::open(&data, options));
    let (ledger, report) =
        opened.await?.with_context(|| format!("data: {}", config.data.display()))?;
    tracing::info!(?report, "ledger open");
    record.met();
    metrics::gauge!("portcullis_audit_active").set(1.0);
    let ledger = Arc::new(ledger);
    let kept = config.personal.open(&config.data)?;
    tracing::info!(audit_key = kept.public(), "ingress seals what is personal to this key");
    let (retained, personal) = (Arc::clone(&kept), config.personal.clone());
    let (store, ends) = (Arc::clone(&ledger), kit.shutdown().clone());
    kit.tasks().vital("retention", async move {
        retained.retain(&personal, &*store, &SystemClock, ends).await;
        Ok(())
    });
    let client = portcullis_host::nats(&config.nats, kit.name()).await?;
    bus.met();
    let (told, ended) = (client.clone(), kit.shutdown().clone().cancelled_owned());
    kit.tasks().spawn("audit-key", audit_key::tell(told, kept.public().to_owned(), ended));
    let journal = Arc::new(NatsJournal::new(client.clone(), PATIENCE).only(config.journal));
    let dead = OnTheBus::new(client.clone(), PATIENCE);
    let options = AuditorOptions::default();
    for place in config.checkpoints.places(Some(client.clone()))? {
        let told = checkpoints::publish(ledger.checkpoints(), place, kit.shutdown().clone());
        kit.tasks().vital("checkpoints", async move {
            told.await;
            Ok(())
        });
    }
    let auditor = Auditor::new(journal, ledger, Arc::new(dead), options).keeping(kept);
    let shutdown = kit.shutdown().clone();
    kit.tasks().vital("auditor", async move { Ok(auditor.run(shutdown).await?) });
    Ok(client)
}

async fn on_postgres(
    kit: &Kit,
    config: &Config,
    bus: &Condition,
    record: Condition,
) -> anyhow::Result<Client> {
    let address = config.postgres.address()?;
    let signing = Some(config.checkpoints.signing(&config.data)?);
    // Said before anything is waited for.
    drop(config.checkpoints.places(None)?);
    let client = portcullis_host::nats(&config.nats, kit.name()).await?;
    bus.met();
    let host = hostname().unwrap_or_else(|| "unnamed".into());
    let options = WriterOptions {
        holder: format!("{host}/{}", std::process::id()),
        lease: Duration::from_secs(config.postgres.lease_s),
        signing,
        ..WriterOptions::default()
    };
    let audit = OnPostgres {
        address,
        options,
        data: config.data.clone(),
        personal: config.personal.clone(),
        checkpoints: config.checkpoints.clone(),
        journal: Arc::new(NatsJournal::new(client.clone(), PATIENCE).only(config.journal)),
        dead: Arc::new(OnTheBus::new(client.clone(), PATIENCE)),
        client: client.clone(),
        record,
    };
    let shutdown = kit.shutdown().clone();
    kit.tasks().vital("auditor", audit.run(shutdown));
    Ok(client)
}

/// The journal of a server that has one alone, for a process that keeps one record.
///
/// # Errors
/// Where the server does not answer, or has several, each of which needs an audit of its own.
pub async fn lone_journal(client: &Client) -> anyhow::Result<NatsJournal> {
    let found = Journals::found(client).await?.unwrap_or_default().number();
    anyhow::ensure!(found == 1, "this server has {found} journals: start an audit for each");
    Ok(NatsJournal::new(client.clone(), PATIENCE))
}

/// The machine's name, for people.
fn hostname() -> Option<String> {
    let name = std::env::var("HOSTNAME").ok();
    let name = name.or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Entries that could not be read go to the stream `DEAD`.
pub struct OnTheBus(portcullis_bus_nats::Dead);

impl OnTheBus {
    /// Writes that give up after `patience`.
    pub fn new(client: Client, patience: Duration) -> Self {
        Self(portcullis_bus_nats::Dead::new(client, patience))
    }
}

#[async_trait]
impl Dead for OnTheBus {
    async fn keep(&self, unread: &dyn Delivery, why: &str) -> Result<(), JournalError> {
        self.0.write("audit", unread, why).await
    }
}
