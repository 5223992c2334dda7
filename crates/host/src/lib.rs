//! Hosts a stage as a process of its own on NATS: the composition that every stage's `main` shares.
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

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use portcullis_bus::Seats;
use portcullis_bus_nats::{Client, ConnectOptions, StageDoor, connect};
use portcullis_config::{NatsConfig, RedisConfig, StageConfig};
use portcullis_core::Stage;
use portcullis_service::Kit;
use portcullis_state_redis::{Redis, RedisOptions};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use portcullis_bus_nats::Work;

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
    let (bus, warm) = (kit.health().condition("bus"), kit.health().condition("warm-up"));
    stage.warm_up().await.map_err(|error| anyhow!("warm-up: {error}"))?;
    warm.met();
    let client = nats(&config.nats, kit.name()).await?;
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
    let options = RedisOptions {
        connect_timeout: Duration::from_millis(config.connect_timeout_ms),
        ..RedisOptions::default()
    };
    Ok(portcullis_state_redis::connect(&url, options)?)
}

/// The address with user and password in it, as the client wants it.
fn redis_url(config: &RedisConfig) -> anyhow::Result<SecretString> {
    let url = config.url.as_str();
    let Some(password) = &config.password else { return Ok(url.to_owned().into()) };
    let (scheme, rest) = url.split_once("://").context("redis.url has no scheme")?;
    let user = encoded(config.user.as_deref().unwrap_or_default());
    Ok(format!("{scheme}://{user}:{}@{rest}", encoded(password.expose())).into())
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
    use portcullis_config::Secret;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_password_may_hold_any_character() {
        let config =
            RedisConfig { password: Some(Secret::new("p@ss:/ö")), ..RedisConfig::default() };
        let url = redis_url(&config).unwrap();
        assert_eq!(url.expose_secret(), "redis://:p%40ss%3A%2F%C3%B6@127.0.0.1:6379");
    }
}
