//! Search as a process of its own: follows the journal on the bus, and feeds an engine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use async_trait::async_trait;
use portcullis_bus::{Delivery, JournalError};
use portcullis_bus_nats::{NatsJournal, lag};
use portcullis_config::{
    CommonConfig, HealthConfig, NatsConfig, Secret, ServerUrl, TelemetryConfig,
};
use portcullis_core::{Clock, SystemClock};
use portcullis_search_http::{Client, Login, Options, Schema};
use portcullis_service::Kit;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::document;
use crate::erasure::Erasures;
use crate::feeder::{Feeder, READER};
use crate::feeding::{Dead, Feeding};
use crate::lag::Lag;

/// How long the bus may take to store something.
const PATIENCE: Duration = Duration::from_secs(2);

/// How to reach Elasticsearch or OpenSearch.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// Address of the engine, or of several nodes of it with commas between: https://host:9200. TLS is used where
    /// the scheme is https.
    pub url: ServerUrl,
    /// User name, where the engine has users.
    pub user: Option<String>,
    /// Password of the user.
    pub password: Option<Secret>,
    /// API key of Elasticsearch, in the form in which it was given (base64); in place of user and password.
    pub api_key: Option<Secret>,
    /// File with the certificates of the authorities to trust, in PEM; the system's where absent.
    pub ca_file: Option<PathBuf>,
    /// How long one request may take, in milliseconds.
    #[schemars(range(min = 1))]
    pub timeout_ms: u64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            url: default_url(),
            user: None,
            password: None,
            api_key: None,
            ca_file: None,
            timeout_ms: 30_000,
        }
    }
}

#[expect(clippy::expect_used, reason = "a literal of this file, which the sample's test parses")]
fn default_url() -> ServerUrl {
    ServerUrl::parse("http://127.0.0.1:9200").expect("an address without credentials")
}

impl EngineConfig {
    /// A client of the engine.
    ///
    /// # Errors
    /// Where the configuration cannot be used.
    pub fn client(&self) -> anyhow::Result<Client> {
        let secret = |secret: &Secret| SecretString::from(secret.expose().to_owned());
        let login = match (&self.user, &self.password, &self.api_key) {
            (None, None, None) => Login::Nobody,
            (Some(user), Some(password), None) => Login::Basic(user.clone(), secret(password)),
            (None, None, Some(key)) => Login::ApiKey(secret(key)),
            _ => anyhow::bail!("engine: either user and password, or api_key"),
        };
        let options = Options {
            urls: self.url.as_str().to_owned(),
            login,
            authorities: self.ca_file.clone(),
            timeout: Duration::from_millis(self.timeout_ms.max(1)),
        };
        Client::new(&options).context("engine")
    }
}

/// The configuration of search.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The data stream that documents go to. Its templates are named after it: NAME, NAME-mappings and NAME-settings;
    /// the last is put once and then an operator's.
    pub stream: String,
    /// Labels of each document, such as the name of this installation: labels.NAME in the engine.
    pub labels: BTreeMap<String, String>,
    /// Documents in one request, at most.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Bytes in one request, at most.
    #[schemars(range(min = 1))]
    pub batch_bytes: usize,
    /// How long to gather entries before a request, in milliseconds.
    pub gather_ms: u64,
    /// The longest pause between two attempts while the engine is away or busy, in milliseconds.
    #[schemars(range(min = 1))]
    pub longest_pause_ms: u64,
    /// Seconds between two sweeps, which delete once more what persons that were forgotten in the last eight days left.
    #[schemars(range(min = 1))]
    pub sweep_s: u64,
    /// How long work in flight may take after the signal to stop, in milliseconds.
    pub grace_ms: u64,
    /// How to reach Elasticsearch or OpenSearch.
    pub engine: EngineConfig,
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
            stream: "portcullis-journal".into(),
            labels: BTreeMap::new(),
            batch: 500,
            batch_bytes: 5 << 20,
            gather_ms: 100,
            longest_pause_ms: 30_000,
            sweep_s: 3_600,
            grace_ms: 10_000,
            engine: EngineConfig::default(),
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

/// The data stream of a name.
///
/// # Errors
/// Where an engine would refuse the name.
pub fn schema(stream: &str) -> anyhow::Result<Schema> {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let named = (1..=200).contains(&stream.len())
        && stream.bytes().all(fits)
        && stream.starts_with(|first: char| first.is_ascii_alphanumeric());
    ensure!(named, "stream: 1 to 200 of a-z, 0-9, '-', '_' and '.', with a letter or digit first");
    let settings = json!({ "index": { "codec": "best_compression" } });
    Ok(Schema { stream: stream.to_owned(), mappings: document::mappings(), settings })
}

/// Starts search on the bus. An engine that is away is waited for: until then the process is not ready.
///
/// # Errors
/// Where the configuration cannot be used or the bus refuses us.
pub async fn start(kit: Kit, config: Config) -> anyhow::Result<()> {
    let (bus, engine) = (kit.health().condition("bus"), kit.health().condition("engine"));
    let (client, schema) = (config.engine.client()?, schema(&config.stream)?);
    // From the start, so that the first of a kind is a rise that an alert sees.
    for name in ["dead", "retries", "erased"] {
        metrics::counter!(format!("portcullis_search_{name}_total")).increment(0);
    }
    for outcome in ["created", "there", "erased"] {
        metrics::counter!("portcullis_search_documents_total", "outcome" => outcome).increment(0);
    }
    metrics::counter!("portcullis_search_batches_total", "outcome" => "done").increment(0);
    let nats = portcullis_host::nats(&config.nats, kit.name()).await?;
    bus.met();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (erasures, behind) = (Erasures::default(), Lag::default());
    let feeder = Feeder {
        journal: Arc::new(NatsJournal::new(nats.clone(), PATIENCE)),
        client: client.clone(),
        schema,
        dead: Arc::new(OnTheBus(portcullis_bus_nats::Dead::new(nats.clone(), PATIENCE))),
        erasures: erasures.clone(),
        lag: behind.clone(),
        engine,
        clock: Arc::clone(&clock),
        feeding: Feeding {
            batch: config.batch,
            batch_bytes: config.batch_bytes,
            gather: Duration::from_millis(config.gather_ms),
            longest_pause: Duration::from_millis(config.longest_pause_ms),
            labels: config.labels.clone(),
            ..Feeding::default()
        },
    };
    let ended = kit.shutdown().clone();
    kit.tasks().spawn("lag", behind.tell(Arc::clone(&clock), ended.clone()));
    let each = Duration::from_secs(config.sweep_s.max(1));
    let sweep = Feeder::sweep(erasures, client, config.stream, each, clock, ended.clone());
    kit.tasks().spawn("sweep", sweep);
    let shutdown = ended.clone();
    kit.tasks().vital("feeder", async move {
        feeder.run(shutdown).await;
        Ok(())
    });
    kit.tasks().spawn("journal-lag", lag::watch_journals(nats.clone(), READER, ended));
    portcullis_host::close_at_the_end(&kit, nats);
    Ok(())
}

/// What the engine refuses goes to the stream `DEAD`.
struct OnTheBus(portcullis_bus_nats::Dead);

#[async_trait]
impl Dead for OnTheBus {
    async fn keep(&self, unread: &dyn Delivery, why: &str) -> Result<(), JournalError> {
        self.0.write(READER, unread, why).await
    }
}
