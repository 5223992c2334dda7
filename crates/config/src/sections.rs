//! The sections that several processes share, each a struct whose `Default` runs on one machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Secret, ServerUrl};

/// How to reach NATS.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NatsConfig {
    /// Address of the server, or several with commas between: nats://host:4222. TLS is used where the
    /// scheme is tls.
    pub url: ServerUrl,
    /// User name. Each process has its own, with only the rights that it needs.
    pub user: Option<String>,
    /// Password of the user.
    pub password: Option<Secret>,
    /// File with the certificates of the authorities to trust, in PEM; the system's where absent.
    pub ca_file: Option<PathBuf>,
    /// How long a first connection may take, in milliseconds.
    pub connect_timeout_ms: u64,
}

impl Default for NatsConfig {
    fn default() -> Self {
        Self {
            url: default_url("nats://127.0.0.1:4222"),
            user: None,
            password: None,
            ca_file: None,
            connect_timeout_ms: 5_000,
        }
    }
}

/// How to reach Redis.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// Address of the server: redis://host:6379, or redis://host:6379/2 for another database; with TLS
    /// rediss://host:6380. For a cluster some of its nodes, for a master that Sentinels watch the Sentinels,
    /// with commas between.
    pub url: ServerUrl,
    /// What stands behind the address: single, cluster or sentinel.
    pub mode: RedisMode,
    /// User name, where the server has users.
    pub user: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// File with the certificates of the authorities to trust with TLS, in PEM; the system's where absent.
    pub ca_file: Option<PathBuf>,
    /// File with this process's own certificate, in PEM, where the server asks for one.
    pub cert_file: Option<PathBuf>,
    /// File with the key of that certificate, in PEM.
    pub key_file: Option<PathBuf>,
    /// How long a connection may take, in milliseconds.
    pub connect_timeout_ms: u64,
    /// How long an answer may take, in milliseconds; after three that took longer the server is left alone
    /// and tried once a second.
    #[schemars(range(min = 1))]
    pub response_timeout_ms: u64,
    /// Of mode sentinel.
    pub sentinel: SentinelConfig,
}

/// What stands behind an address of Redis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RedisMode {
    /// One server.
    #[default]
    Single,
    /// A cluster. All that belongs to one bot lies in one of its slots.
    Cluster,
    /// A master that Sentinels watch and replace.
    Sentinel,
}

/// How to find a master through Sentinels.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SentinelConfig {
    /// The name under which the Sentinels know the master.
    pub master: String,
    /// User name at the Sentinels, where they have users.
    pub user: Option<String>,
    /// Password at the Sentinels, where they ask for one.
    pub password: Option<Secret>,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: default_url("redis://127.0.0.1:6379"),
            mode: RedisMode::default(),
            user: None,
            password: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
            connect_timeout_ms: 2_000,
            response_timeout_ms: 20,
            sentinel: SentinelConfig::default(),
        }
    }
}

#[expect(clippy::expect_used, reason = "a literal of this file, which the sample's test parses")]
fn default_url(url: &str) -> ServerUrl {
    ServerUrl::parse(url).expect("an address without credentials")
}

/// A door for bots over HTTP.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Address and port to listen on. Port 0 takes a free one.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 8080).into() }
    }
}

/// Where the process tells how it is: /livez, /readyz and /metrics.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HealthConfig {
    /// Address and port to listen on. Port 0 takes a free one.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 9090).into() }
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line, for collectors.
    Json,
}

/// Logs and traces. Neither ever holds the text of a message.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Which log lines are written: a level (error, warn, info, debug, trace), or levels by module, as in
    /// "info,portcullis_pipeline=debug".
    pub log: String,
    /// The form of log lines: pretty, or json (one object a line).
    pub format: LogFormat,
    /// Where traces are sent, by OTLP over plain HTTP: http://collector:4318. Absent: the environment's
    /// OTEL_EXPORTER_OTLP_ENDPOINT, and without that nowhere.
    pub otlp_endpoint: Option<ServerUrl>,
    /// The share of traces begun here that are sent, from 0 to 1. A caller's own choice is kept.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub sample_ratio: f64,
    /// Spans that wait to be sent, at most; more are dropped, so that a slow collector costs no memory.
    pub queue: usize,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            log: "info".into(),
            format: LogFormat::Pretty,
            otlp_endpoint: None,
            sample_ratio: 1.0,
            queue: 2048,
        }
    }
}

/// What the kit of a process needs from every configuration.
pub trait CommonConfig {
    /// Where the process tells how it is; none where another door of it does.
    fn health(&self) -> Option<&HealthConfig>;
    /// Logs and traces.
    fn telemetry(&self) -> &TelemetryConfig;
    /// How long work in flight may take after the signal to stop.
    fn grace(&self) -> Duration;
}

/// The configuration of a stage: the shared sections, and `stage` with its own.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    bound(serialize = "S: Serialize", deserialize = "S: Default + Deserialize<'de>")
)]
pub struct StageConfig<S: Default = Nothing> {
    /// Asks in work at once; a further one is answered busy at once. What computes takes turns on as many
    /// threads as there are cores, so this bounds how many wait for their turn.
    #[schemars(range(min = 1))]
    pub seats: usize,
    /// How long work in flight may take after the signal to stop, in milliseconds.
    pub grace_ms: u64,
    /// How to reach NATS.
    pub nats: NatsConfig,
    /// Where the process tells how it is: /livez, /readyz and /metrics.
    pub health: HealthConfig,
    /// Logs and traces. Neither ever holds the text of a message.
    pub telemetry: TelemetryConfig,
    /// What only this stage has.
    pub stage: S,
}

/// The section of a stage that has nothing of its own.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl<S: Default> Default for StageConfig<S> {
    fn default() -> Self {
        Self {
            seats: 256,
            grace_ms: 10_000,
            nats: NatsConfig::default(),
            health: HealthConfig::default(),
            telemetry: TelemetryConfig::default(),
            stage: S::default(),
        }
    }
}

impl<S: Default> CommonConfig for StageConfig<S> {
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
