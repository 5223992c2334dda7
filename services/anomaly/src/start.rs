//! Anomaly as a process of its own: follows the journal on the bus.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use portcullis_bus::{Journal, Kv};
use portcullis_bus_nats::{Alerts, Client, NatsJournal, NatsKv, lag, subjects};
use portcullis_config::{CommonConfig, HealthConfig, NatsConfig, TelemetryConfig};
use portcullis_core::SystemClock;
use portcullis_service::Kit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::acting::Actor;
use crate::alert::Alert;
use crate::outlet::{Alertmanager, Outlet, OutletError, Queue, Webhook, queue};
use crate::reader::{READER, Reader};
use crate::settings::{Acting, Watching};
use crate::snapshot;
use crate::watch::Watch;

/// How long the bus may take to store something.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where alerts go beside the bus. Addresses come from here and from nowhere else.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Outlets {
    /// An Alertmanager, such as `http://alertmanager:9093`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alertmanager: Option<String>,
    /// An address that each alert is posted to, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
}

/// The configuration of the anomaly watch.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The file in which what was learnt is kept.
    pub snapshot: PathBuf,
    /// Seconds between two snapshots.
    pub snapshot_every_s: u64,
    /// How long work in flight may take after the signal to stop, in milliseconds.
    pub grace_ms: u64,
    /// How sensitive the watch is, and how much it remembers.
    pub watching: Watching,
    /// What it orders by itself; nothing by default.
    pub acting: Acting,
    /// Where alerts go beside the bus.
    pub outlets: Outlets,
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
            snapshot: "./portcullis-data/anomaly.snapshot".into(),
            snapshot_every_s: 60,
            grace_ms: 10_000,
            watching: Watching::default(),
            acting: Acting::default(),
            outlets: Outlets::default(),
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

/// Starts the watch as a process of its own.
///
/// # Errors
/// Where the bus refuses us, or the snapshot's folder cannot be used.
pub async fn start(kit: Kit, config: Config) -> anyhow::Result<()> {
    let bus = kit.health().condition("bus");
    let client = portcullis_host::nats(&config.nats, kit.name()).await?;
    on_the_bus(&kit, &config, &client).await?;
    bus.met();
    portcullis_host::close_at_the_end(&kit, client);
    Ok(())
}

/// Watches over the journal on the bus; alerts go to the stream `ALERT`, and wherever the configuration says.
///
/// # Errors
/// Where the bus is not set up, or the snapshot's folder cannot be used.
pub async fn on_the_bus(kit: &Kit, config: &Config, client: &Client) -> anyhow::Result<()> {
    let journal = Arc::new(NatsJournal::new(client.clone(), PATIENCE));
    let control = NatsKv::open(client.clone(), subjects::CONTROL_BUCKET)
        .await
        .context("the bus is not set up")?;
    let alerts = open(kit, OnTheBus(Alerts::new(client.clone(), PATIENCE)));
    over(kit, config, journal, Arc::new(control), vec![alerts])?;
    let behind = lag::watch_journals(client.clone(), READER, kit.shutdown().clone());
    kit.tasks().spawn("watch-lag", behind);
    Ok(())
}

/// Watches over a journal until the shutdown. Each alert is a line of the log, goes to `outlets`, and wherever the
/// configuration says; how to reach NATS, health and telemetry in it are the caller's matter.
///
/// # Errors
/// Where the snapshot's folder or an outlet's address cannot be used.
pub fn over(
    kit: &Kit,
    config: &Config,
    journal: Arc<dyn Journal>,
    control: Arc<dyn Kv>,
    mut outlets: Vec<Queue>,
) -> anyhow::Result<()> {
    if let Some(folder) = config.snapshot.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("snapshot: {}", config.snapshot.display()))?;
    }
    let watch = remembered(config)?;
    if let Some(url) = &config.outlets.alertmanager {
        outlets.push(open(kit, Alertmanager::new(url).context("outlets.alertmanager")?));
    }
    if let Some(url) = &config.outlets.webhook {
        outlets.push(open(kit, Webhook::new(url).context("outlets.webhook")?));
    }
    let every = Duration::from_secs(config.snapshot_every_s.max(1));
    let reader = Reader {
        actor: Actor::new(config.acting.clone(), control, journal.clone()),
        journal,
        watch,
        outlets,
        snapshots: Some((config.snapshot.clone(), every)),
        clock: Arc::new(SystemClock),
    };
    let shutdown = kit.shutdown().clone();
    kit.tasks().vital("watch", async move {
        reader.run(shutdown).await;
        Ok(())
    });
    Ok(())
}

/// What an earlier process has learnt. A snapshot that cannot be used is said and left behind: the watch
/// learns anew.
fn remembered(config: &Config) -> anyhow::Result<Watch> {
    let read = snapshot::read(&config.snapshot)
        .with_context(|| format!("snapshot: {}", config.snapshot.display()))?;
    let Some(bytes) = read else { return Ok(Watch::new(config.watching.clone())) };
    match Watch::from_bytes(&bytes, config.watching.clone()) {
        Ok(watch) => {
            tracing::info!(speakers = watch.speakers(), "snapshot read");
            Ok(watch)
        }
        Err(error) => {
            tracing::error!(%error, path = %config.snapshot.display(), "what was learnt is lost");
            Ok(Watch::new(config.watching.clone()))
        }
    }
}

fn open(kit: &Kit, outlet: impl Outlet) -> Queue {
    let name = outlet.name();
    let (put, work) = queue(outlet, kit.shutdown().clone());
    kit.tasks().vital(name, async move {
        work.await;
        Ok(())
    });
    put
}

/// The stream of alerts on the bus.
struct OnTheBus(Alerts);

#[async_trait]
impl Outlet for OnTheBus {
    fn name(&self) -> &'static str {
        "bus"
    }

    async fn tell(&self, alert: &Alert) -> Result<(), OutletError> {
        let body = serde_json::to_vec(alert).map_err(|_| OutletError::Refused)?;
        let id = format!("{}/{}/{}", alert.id, alert.state.as_str(), alert.at.as_microsecond());
        self.0.publish(alert.severity.as_str(), id, body).await.map_err(|_| OutletError::Away)
    }
}
