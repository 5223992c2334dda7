//! The ways to a server: one, a cluster of them, or the one that Sentinels name.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterConfig};
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind,
    FromRedisValue, IntoConnectionInfo, RedisError, ServerErrorKind, TlsCertificates, TlsMode,
};
use secrecy::ExposeSecret;

use crate::connect::{ConnectError, RedisOptions, Tls, Topology};

/// A way to a server. Cloning shares it.
#[derive(Clone)]
pub(crate) enum Link {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
    Sentinel(Arc<Watched>),
}

impl Link {
    pub(crate) fn new(urls: &str, options: &RedisOptions) -> Result<Self, ConnectError> {
        let nodes = urls
            .split(',')
            .map(|url| url.trim().into_connection_info().map(quick))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| ConnectError::Address)?;
        if nodes.iter().any(is_tls) {
            // One of rustls's two is in every build; whoever chose before us keeps their choice.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        match &options.topology {
            Topology::Single => match <[_; 1]>::try_from(nodes) {
                Ok([node]) => single(node, options),
                Err(_) => Err(ConnectError::Address),
            },
            Topology::Cluster => cluster(nodes, options),
            Topology::Sentinel { .. } => Watched::new(&nodes, options).map(Self::Sentinel),
        }
    }

    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        match self {
            Self::Single(manager) => {
                let mut connection = manager.clone();
                match command.query_async(&mut connection).await {
                    // The last attempt to connect had failed and another has just begun. Nothing was
                    // sent, so trying again charges nobody twice.
                    Err(error) if error.is_connection_refusal() => {
                        command.query_async(&mut connection).await
                    }
                    answer => answer,
                }
            }
            Self::Cluster(connection) => command.query_async(&mut connection.clone()).await,
            Self::Sentinel(watched) => watched.query(command).await,
        }
    }
}

/// A small request must not wait for the acknowledgement of the one before it.
fn quick(node: ConnectionInfo) -> ConnectionInfo {
    node.set_tcp_settings(TcpSettings::default().set_nodelay(true))
}

fn is_tls(node: &ConnectionInfo) -> bool {
    matches!(node.addr(), ConnectionAddr::TcpTls { .. })
}

fn certificates(tls: &Tls) -> TlsCertificates {
    TlsCertificates {
        client_tls: tls
            .identity
            .clone()
            .map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key }),
        root_cert: tls.authorities.clone(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that connects to Redis")]
fn single(node: ConnectionInfo, options: &RedisOptions) -> Result<Link, ConnectError> {
    let client = if is_tls(&node) {
        Client::build_with_tls(node, certificates(&options.tls))
            .map_err(|_| ConnectError::Certificates)?
    } else {
        Client::open(node).map_err(|_| ConnectError::Address)?
    };
    // No tries of its own: a lost server fails each operation at once instead of after a timeout, and
    // the next operation tries again.
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(options.connect_timeout))
        .set_response_timeout(Some(options.response_timeout))
        .set_pipeline_buffer_size(options.in_flight.max(1));
    let manager = ConnectionManager::new_lazy_with_config(client, config)
        .map_err(|_| ConnectError::Address)?;
    Ok(Link::Single(manager))
}

fn cluster(nodes: Vec<ConnectionInfo>, options: &RedisOptions) -> Result<Link, ConnectError> {
    let tls = nodes.iter().any(is_tls);
    let mut builder = ClusterClient::builder(nodes)
        // Redirections count as tries.
        .retries(3)
        .min_retry_wait(1)
        .max_retry_wait(8)
        .connection_timeout(options.connect_timeout)
        .response_timeout(options.response_timeout)
        .tcp_settings(TcpSettings::default().set_nodelay(true));
    if tls {
        builder = builder.tls(TlsMode::Secure).certs(certificates(&options.tls));
    }
    let wrong = |error: RedisError| match error.kind() {
        _ if tls => ConnectError::Certificates,
        _ => ConnectError::Address,
    };
    let client = builder.build().map_err(wrong)?;
    let config = ClusterConfig::new();
    Ok(Link::Cluster(client.get_pending_async_connection_with_config(config)))
}

type Connecting = Shared<BoxFuture<'static, Result<MultiplexedConnection, RedisError>>>;

/// The master that Sentinels name. Whoever finds it gone, or no master any more, asks them again.
pub(crate) struct Watched {
    sentinels: Arc<tokio::sync::Mutex<SentinelClient>>,
    config: AsyncConnectionConfig,
    connect_timeout: Duration,
    /// How often it was looked for, and the connection that is in use or being made. Being shared, it goes
    /// on where the last caller who waited for it gave up.
    current: Mutex<(u64, Option<Connecting>)>,
}

impl Watched {
    fn new(nodes: &[ConnectionInfo], options: &RedisOptions) -> Result<Arc<Self>, ConnectError> {
        let Topology::Sentinel { master, credentials } = &options.topology else {
            return Err(ConnectError::Address);
        };
        let first = nodes.first().ok_or(ConnectError::Address)?;
        let addresses = nodes.iter().map(|node| node.addr().clone());
        let address = |_| ConnectError::Address;
        let settings = TcpSettings::default().set_nodelay(true);
        let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)
            .map_err(address)?
            .set_client_to_redis_db(first.redis_settings().db())
            .set_client_to_redis_tcp_settings(settings);
        if let Some(user) = first.redis_settings().username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = first.redis_settings().password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some((user, password)) = credentials {
            builder = builder.set_client_to_sentinel_password(password.expose_secret());
            if let Some(user) = user {
                builder = builder.set_client_to_sentinel_username(user);
            }
        }
        if is_tls(first) {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates(&options.tls))
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(certificates(&options.tls));
        }
        let client = builder.build().map_err(|_| ConnectError::Certificates)?;
        Ok(Arc::new(Self {
            sentinels: Arc::new(tokio::sync::Mutex::new(client)),
            config: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(options.connect_timeout))
                .set_response_timeout(Some(options.response_timeout))
                .set_pipeline_buffer_size(options.in_flight.max(1)),
            connect_timeout: options.connect_timeout,
            current: Mutex::default(),
        }))
    }

    async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        match self.query_once(command).await {
            // A master that was demoted has done nothing: the new one may be asked.
            Err(error) if is_demoted(&error) => self.query_once(command).await,
            answer => answer,
        }
    }

    async fn query_once<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        let (number, connecting) = self.current();
        let mut connection = match connecting.await {
            Ok(connection) => connection,
            Err(error) => {
                self.forget(number);
                return Err(error);
            }
        };
        let answer = command.query_async(&mut connection).await;
        if let Err(error) = &answer
            && (is_demoted(error) || error.is_io_error() || error.is_unrecoverable_error())
        {
            self.forget(number);
        }
        answer
    }

    fn current(&self) -> (u64, Connecting) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, connecting) = &mut *current;
        let connecting = connecting.get_or_insert_with(|| self.connect()).clone();
        (*number, connecting)
    }

    fn forget(&self, number: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 == number {
            *current = (number + 1, None);
        }
    }

    fn connect(&self) -> Connecting {
        let (sentinels, config) = (self.sentinels.clone(), self.config.clone());
        let timeout = self.connect_timeout;
        let connecting = async move {
            let connecting =
                async { sentinels.lock().await.get_async_connection_with_config(&config).await };
            let late = |_| RedisError::from((ErrorKind::Io, "no master in time"));
            tokio::time::timeout(timeout, connecting).await.map_err(late)?
        };
        connecting.boxed().shared()
    }
}

fn is_demoted(error: &RedisError) -> bool {
    use ServerErrorKind::{MasterDown, ReadOnly};
    matches!(error.kind(), ErrorKind::Server(ReadOnly | MasterDown))
}
