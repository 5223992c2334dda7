//! The one place that connects to Redis, and the one way to run a script on it.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{ErrorKind, FromRedisValue, RedisError, ScriptInvocation};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

/// How a connection behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisOptions {
    /// An operation that has no answer after this time has failed, whatever it waited for.
    pub response_timeout: Duration,
    /// A connection that is not made after this time has failed.
    pub connect_timeout: Duration,
    /// Operations at once. Past about 64, latency rises and throughput does not.
    pub in_flight: usize,
}

impl Default for RedisOptions {
    /// 100 ms for an answer, 1 s for a connection, 64 operations at once.
    fn default() -> Self {
        Self {
            response_timeout: Duration::from_millis(100),
            connect_timeout: Duration::from_secs(1),
            in_flight: 64,
        }
    }
}

/// Why no connection could be prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The address is not of the form `redis://[user:password@]host[:port][/database]`.
    #[error("redis address must be redis://[user:password@]host[:port][/database]")]
    Address,
}

/// The server is away, did not answer in time, or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Away;

/// One multiplexed connection that mends itself. Cloning shares it.
#[derive(Clone)]
pub struct Redis {
    manager: ConnectionManager,
    seats: Arc<Semaphore>,
    response_timeout: Duration,
}

/// Prepares a connection. It is made at the first operation and made again whenever it is lost: a
/// process can start before its Redis.
///
/// # Errors
/// [`ConnectError::Address`]; the address, which may hold a password, is not part of it.
#[expect(clippy::disallowed_methods, reason = "the one place that connects to Redis")]
pub fn connect(url: &SecretString, options: RedisOptions) -> Result<Redis, ConnectError> {
    let client = redis::Client::open(url.expose_secret()).map_err(|_| ConnectError::Address)?;
    // No tries of its own: a lost server fails each operation at once instead of after a timeout, and
    // the next operation tries again.
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(options.connect_timeout))
        .set_response_timeout(Some(options.response_timeout))
        .set_pipeline_buffer_size(options.in_flight.max(1));
    let manager = ConnectionManager::new_lazy_with_config(client, config)
        .map_err(|_| ConnectError::Address)?;
    Ok(Redis {
        manager,
        seats: Arc::new(Semaphore::new(options.in_flight.max(1))),
        response_timeout: options.response_timeout,
    })
}

impl Redis {
    /// Runs a script within the response timeout, waiting for a seat included. It is sent by its hash,
    /// and whole only to a server that does not know it.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, Away> {
        let answer = tokio::time::timeout(self.response_timeout, self.try_twice(script)).await;
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                // The category alone: the server's own words could repeat a key.
                tracing::debug!(category = error.category(), "redis operation failed");
                Err(Away)
            }
            Err(_) => {
                tracing::debug!(category = "timeout", "redis operation failed");
                Err(Away)
            }
        }
    }

    async fn try_twice<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, RedisError> {
        // The semaphore is never closed.
        let closed = |_| RedisError::from((ErrorKind::Client, "no seat"));
        let _seat = self.seats.acquire().await.map_err(closed)?;
        let mut connection = self.manager.clone();
        match script.invoke_async(&mut connection).await {
            // The last attempt to connect had failed and another has just begun. Nothing was sent, so
            // trying again charges nobody twice.
            Err(error) if error.is_connection_refusal() => {
                script.invoke_async(&mut connection).await
            }
            answer => answer,
        }
    }
}
