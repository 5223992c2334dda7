//! The one place that connects to Redis, and the one way to run a script on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_core::{Clock, SystemClock};
use portcullis_state::Breaker;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::link::Link;
use crate::script::{Invocation, Script};

/// What stands behind an address.
#[derive(Debug, Clone, Default)]
pub enum Topology {
    /// One server.
    #[default]
    Single,
    /// A cluster; the address names one or more of its nodes.
    Cluster,
    /// A master that Sentinels watch; the address names the Sentinels.
    Sentinel {
        /// The master's name.
        master: String,
        /// User and password of the Sentinels, where they have some; the server's are in the address.
        credentials: Option<(Option<String>, SecretString)>,
    },
}

/// What TLS trusts and shows, in PEM; used where the address begins with `rediss`.
#[derive(Clone, Default)]
pub struct Tls {
    /// Certificates of the authorities to trust; the system's where absent.
    pub authorities: Option<Vec<u8>>,
    /// Certificate and key of this client, where the server asks for them.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// How a connection behaves.
#[derive(Clone)]
pub struct RedisOptions {
    /// An operation that has no answer after this time has failed, whatever it waited for.
    pub response_timeout: Duration,
    /// A connection that is not made after this time has failed.
    pub connect_timeout: Duration,
    /// Operations at once. Past about 64, latency rises and throughput does not.
    pub in_flight: usize,
    /// What stands behind the address.
    pub topology: Topology,
    /// What TLS trusts and shows.
    pub tls: Tls,
}

impl Default for RedisOptions {
    /// 20 ms for an answer, 1 s for a connection, 64 operations at once, one server.
    fn default() -> Self {
        Self {
            response_timeout: Duration::from_millis(20),
            connect_timeout: Duration::from_secs(1),
            in_flight: 64,
            topology: Topology::Single,
            tls: Tls::default(),
        }
    }
}

/// Why no connection could be prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The address is not of the form `redis://[user:password@]host[:port][/database]`.
    #[error(
        "redis address must be redis://[user:password@]host[:port][/database], or rediss://… for TLS"
    )]
    Address,
    /// A certificate or key is not PEM, or does not fit.
    #[error("certificates for redis cannot be used")]
    Certificates,
}

/// The server is away, did not answer in time, or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Away;

/// One multiplexed connection that mends itself. Cloning shares it.
///
/// Three operations in a row without an answer open a breaker: then operations fail at once, and one a
/// second is tried. A server that refuses at once costs nothing and opens none.
#[derive(Clone)]
pub struct Redis {
    link: Link,
    seats: Arc<Semaphore>,
    response_timeout: Duration,
    breaker: Arc<Breaker>,
    /// Whether the last operation had no answer: told when it changes.
    away: Arc<AtomicBool>,
}

/// Prepares a connection. It is made at the first operation and made again whenever it is lost: a
/// process can start before its Redis. Several addresses with commas between are nodes of one cluster, or
/// Sentinels of one master. Must be called within a tokio runtime.
///
/// # Errors
/// [`ConnectError`]; the address, which may hold a password, is not part of it.
pub fn connect(url: &SecretString, options: RedisOptions) -> Result<Redis, ConnectError> {
    // There before it counts, so that the first time is a rise.
    metrics::counter!("portcullis_redis_turned_away_total").increment(0);
    Ok(Redis {
        link: Link::new(url.expose_secret(), &options)?,
        seats: Arc::new(Semaphore::new(options.in_flight.max(1))),
        response_timeout: options.response_timeout,
        breaker: Arc::default(),
        away: Arc::default(),
    })
}

impl Redis {
    /// Runs a script within the response timeout, waiting for a seat included. It is sent by its hash,
    /// and whole only to a server that does not know it.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        invocation: &Invocation,
    ) -> Result<T, Away> {
        self.in_time(async {
            let by_hash = script.by_hash(invocation);
            match self.link.query(&by_hash).await {
                Err(error) if is_unknown_script(&error) => {
                    self.link.query(&script.whole(invocation)).await
                }
                answer => answer,
            }
        })
        .await
    }

    /// Runs a command within the response timeout, waiting for a seat included.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Away> {
        self.in_time(self.link.query(command)).await
    }

    /// `portcullis_redis_seconds` tells how long it took and how it ended; what the breaker turned away, which takes
    /// no time, is counted in `portcullis_redis_turned_away_total`.
    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, Away> {
        let began = SystemClock.instant();
        if !self.breaker.admits(began) {
            metrics::counter!("portcullis_redis_turned_away_total").increment(1);
            return Err(Away);
        }
        let (outcome, answer) = self.answered(answer).await;
        match (answer.is_ok(), self.away.swap(answer.is_err(), Ordering::Relaxed)) {
            (false, false) => tracing::warn!(outcome, "redis gives no answer"),
            (true, true) => tracing::info!("redis answers again"),
            _ => {}
        }
        metrics::histogram!("portcullis_redis_seconds", "outcome" => outcome)
            .record((SystemClock.instant() - began).as_secs_f64());
        answer
    }

    /// How an operation ended, in a word, and its answer.
    async fn answered<T>(
        &self,
        answer: impl Future<Output = Result<T, RedisError>>,
    ) -> (&'static str, Result<T, Away>) {
        let seated = async {
            // The semaphore is never closed.
            let closed = |_| RedisError::from((ErrorKind::Client, "no seat"));
            let _seat = self.seats.acquire().await.map_err(closed)?;
            answer.await
        };
        match tokio::time::timeout(self.response_timeout, seated).await {
            Ok(Ok(value)) => {
                self.breaker.succeeded();
                ("ok", Ok(value))
            }
            Ok(Err(error)) => {
                let late = error.is_timeout();
                if late {
                    self.breaker.failed(SystemClock.instant());
                } else {
                    self.breaker.succeeded();
                }
                // The category alone: the server's own words could repeat a key.
                tracing::debug!(category = error.category(), "redis operation failed");
                (if late { "late" } else { "failed" }, Err(Away))
            }
            Err(_) => {
                self.breaker.failed(SystemClock.instant());
                tracing::debug!(category = "timeout", "redis operation failed");
                ("late", Err(Away))
            }
        }
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(redis::ServerErrorKind::NoScript)
}
