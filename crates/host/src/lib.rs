//! Hosts a stage as a process of its own on NATS: the composition that every stage's `main` shares. And what
//! stands in for rate-limit where it is missing: a limiter in memory that admits one replica's share.
//!
//! ```no_run
//! # use portcullis_core::{Ask, Report, Stage, StageError, StageName};
//! # struct Echo;
//! # #[async_trait::async_trait]
//! # impl Stage for Echo {
//! #     fn name(&self) -> StageName { StageName::sanitizer() }
//! #     async fn check(&self, ask: &Ask) -> Result<Report, StageError> {
//! #         Ok(Report::clean("1", ask.total_bytes()))
//! #     }
//! # }
//! use std::sync::Arc;
//! use portcullis_config::StageConfig;
//! use portcullis_host::Work;
//!
//! fn main() -> std::process::ExitCode {
//!     portcullis_service::run::<StageConfig>("echo", async |kit, config| {
//!         portcullis_host::stage(&kit, &config, Work::Computes, Arc::new(Echo)).await
//!     })
//! }
//! ```

pub mod audit_key;
mod models;
mod replicas;
mod stand_in;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use portcullis_bus::{Journal, Modelled, Seats};
use portcullis_bus_nats::{Client, ConnectOptions, NatsJournal, StageDoor, connect};
use portcullis_config::{NatsConfig, RedisConfig, RedisMode, Secret, StageConfig};
use portcullis_core::Stage;
use portcullis_service::Kit;
use portcullis_state_redis::{Redis, RedisOptions, Tls, Topology};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use portcullis_bus_nats::Work;
pub use replicas::Replicas;
pub use stand_in::StandIn;

/// The section of a stage that counts in Redis.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Counters {
    /// How to reach Redis.
    pub redis: RedisConfig,
}

/// Warms a stage up, and serves it on the bus until the process is told to stop.
///
/// # Errors
/// Where the warm-up fails or the bus refuses us.
pub async fn stage<S: Default>(
    kit: &Kit,
    config: &StageConfig<S>,
    work: Work,
    stage: Arc<dyn Stage>,
) -> anyhow::Result<()> {
    let client = nats(&config.nats, kit.name()).await?;
    stage_on(kit, config, work, stage, client).await
}

/// As [`stage`], and keeps the stage's models as an operator orders on the bus.
///
/// # Errors
/// Where the warm-up fails or the bus refuses us.
pub async fn modelled<S: Default>(
    kit: &Kit,
    config: &StageConfig<S>,
    work: Work,
    stage: Arc<dyn Stage>,
    models: Arc<dyn Modelled>,
) -> anyhow::Result<()> {
    let client = nats(&config.nats, kit.name()).await?;
    models::keep(kit, client.clone(), models).await;
    stage_on(kit, config, work, stage, client).await
}

/// The same over a connection that is there already, for a stage that uses the bus for more.
///
/// # Errors
/// Where the warm-up fails or the bus refuses us.
pub async fn stage_on<S: Default>(
    kit: &Kit,
    config: &StageConfig<S>,
    work: Work,
    stage: Arc<dyn Stage>,
    client: Client,
) -> anyhow::Result<()> {
    let (bus, warm) = (kit.health().condition("bus"), kit.health().condition("warm-up"));
    stage.warm_up().await.map_err(|error| anyhow!("warm-up: {error}"))?;
    warm.met();
    let seats = Seats::new(stage, config.seats);
    let door = StageDoor::open(client.clone(), seats, work, env!("CARGO_PKG_VERSION")).await?;
    bus.met();
    let shutdown = kit.shutdown().clone();
    kit.tasks().vital("stage", async move { Ok(door.serve(shutdown).await?) });
    close_at_the_end(kit, client);
    Ok(())
}

/// Connects to NATS as the configuration says, and keeps trying until the server is there.
///
/// # Errors
/// Where the server refuses us or is too old, or the configuration cannot be used.
pub async fn nats(config: &NatsConfig, name: &str) -> anyhow::Result<Client> {
    Ok(connect(&nats_options(config, name)).await?)
}

/// The record on the bus, for a reader.
pub fn journal(client: &Client) -> Arc<dyn Journal> {
    Arc::new(NatsJournal::new(client.clone(), Duration::from_secs(2)))
}

/// How to connect to NATS, by configuration.
pub fn nats_options(config: &NatsConfig, name: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(config.url.as_str(), name);
    options.root_certificates = config.ca_file.clone().into_iter().collect();
    match (&config.user, &config.password) {
        (Some(user), Some(password)) => {
            options.user(user, SecretString::from(password.expose().to_owned()))
        }
        _ => options,
    }
}

/// Sends what is still buffered, and closes the connection, when every task has ended.
pub fn close_at_the_end(kit: &Kit, client: Client) {
    kit.on_drain("nats", async move {
        client.flush().await.context("flush")?;
        client.drain().await.context("drain")
    });
}

/// A connection to Redis, by configuration. It connects when it is first used, and again when it was lost.
///
/// # Errors
/// Where the address cannot be used.
pub fn redis(config: &RedisConfig) -> anyhow::Result<Redis> {
    let url = redis_url(config)?;
    let secret = |secret: &Secret| SecretString::from(secret.expose().to_owned());
    let topology = match config.mode {
        RedisMode::Single => Topology::Single,
        RedisMode::Cluster => Topology::Cluster,
        RedisMode::Sentinel => {
            let master = config.sentinel.master.clone();
            anyhow::ensure!(!master.is_empty(), "redis.sentinel.master is missing");
            let user = config.sentinel.user.clone();
            let credentials = config.sentinel.password.as_ref().map(|word| (user, secret(word)));
            Topology::Sentinel { master, credentials }
        }
    };
    let read =
        |file: &PathBuf| std::fs::read(file).with_context(|| format!("redis: {}", file.display()));
    let identity = match (&config.cert_file, &config.key_file) {
        (Some(cert), Some(key)) => Some((read(cert)?, read(key)?)),
        (None, None) => None,
        _ => anyhow::bail!("redis.cert_file and redis.key_file go together"),
    };
    let tls = Tls { authorities: config.ca_file.as_ref().map(read).transpose()?, identity };
    let options = RedisOptions {
        connect_timeout: Duration::from_millis(config.connect_timeout_ms),
        response_timeout: Duration::from_millis(config.response_timeout_ms.max(1)),
        topology,
        tls,
        ..RedisOptions::default()
    };
    Ok(portcullis_state_redis::connect(&url, options)?)
}

/// The addresses with user and password in them, as the client wants them.
fn redis_url(config: &RedisConfig) -> anyhow::Result<SecretString> {
    let urls = config.url.as_str();
    let Some(password) = &config.password else { return Ok(urls.to_owned().into()) };
    let user = encoded(config.user.as_deref().unwrap_or_default());
    let password = encoded(password.expose());
    let with = |url: &str| {
        let (scheme, rest) = url.split_once("://").context("redis.url has no scheme")?;
        Ok(format!("{scheme}://{user}:{password}@{rest}"))
    };
    let urls = urls.split(',').map(with).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(urls.join(",").into())
}

/// Percent-encoding of everything that is not unreserved (RFC 3986, 2.3).
fn encoded(text: &str) -> String {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.bytes().fold(String::new(), |mut out, byte| {
        if unreserved(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use portcullis_config::ServerUrl;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_password_may_hold_any_character() {
        let config =
            RedisConfig { password: Some(Secret::new("p@ss:/ö")), ..RedisConfig::default() };
        let url = redis_url(&config).unwrap();
        assert_eq!(url.expose_secret(), "redis://:p%40ss%3A%2F%C3%B6@127.0.0.1:6379");
        let config = RedisConfig {
            url: ServerUrl::parse("redis://a:1,redis://b:2").unwrap(),
            user: Some("u".into()),
            ..config
        };
        let url = redis_url(&RedisConfig { password: Some(Secret::new("p")), ..config }).unwrap();
        assert_eq!(url.expose_secret(), "redis://u:p@a:1,redis://u:p@b:2");
    }
}
