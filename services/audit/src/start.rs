//! Audit as a process of its own: carries the journal on the bus into a ledger on this machine's disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use portcullis_bus::JournalError;
use portcullis_bus_nats::{Client, NatsJournal, lag, subjects};
use portcullis_config::{CommonConfig, HealthConfig, NatsConfig, TelemetryConfig};
use portcullis_service::Kit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use portcullis_core::SystemClock;
use portcullis_ledger::{Ledger, LedgerOptions};

use crate::checkpoints::{self, CheckpointConfig};
use crate::personal::PersonalConfig;
use crate::{Auditor, AuditorOptions, Dead, DeadLetter};

/// How long the bus may take to store something.
const PATIENCE: Duration = Duration::from_secs(2);

/// The configuration of audit.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The folder of the record: audit/ in it is the record itself, index/ can be rebuilt from it. One
    /// process alone may write to it.
    pub data: PathBuf,
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

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "./portcullis-data".into(),
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
    let (bus, record) = (kit.health().condition("bus"), kit.health().condition("ledger"));
    let signing = Some(config.checkpoints.signing(&config.data)?);
    let (data, options) = (config.data.clone(), LedgerOptions { signing, ..<_>::default() });
    let opened = tokio::task::spawn_blocking(move || Ledger::open(&data, options));
    let (ledger, report) =
        opened.await?.with_context(|| format!("data: {}", config.data.display()))?;
    tracing::info!(?report, "ledger open");
    record.met();
    // From the start, so that the first of a kind is a rise that an alert sees.
    for name in ["gaps", "missing", "late", "dead", "duplicates"] {
        metrics::counter!(format!("portcullis_audit_{name}_total")).increment(0);
    }
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
    let journal = Arc::new(NatsJournal::new(client.clone(), PATIENCE));
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
    let (bus, ended) = (client.clone(), kit.shutdown().clone());
    kit.tasks().spawn("journal-lag", lag::watch(bus, subjects::JOURNAL, "audit", ended.clone()));
    let full = lag::watch_stream(client.clone(), subjects::JOURNAL, ended);
    kit.tasks().spawn("journal-fill", full);
    portcullis_host::close_at_the_end(&kit, client);
    Ok(())
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
    async fn keep(&self, letter: DeadLetter<'_>) -> Result<(), JournalError> {
        self.0.write("audit", letter.sequence, letter.raw, letter.why).await
    }
}
