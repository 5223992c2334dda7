//! Ingress as a process of its own: every port on the bus, state on Redis.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use portcullis_bus::{Caller, Kv, Recorder};
use portcullis_bus_nats::{
    Client, NatsHeld, NatsJournal, NatsKv, NatsOutbox, Remote, lag, subjects,
};
use portcullis_core::{Clock, SystemClock};
use portcullis_pipeline::{MaskHash, Pipeline};
use portcullis_service::{Admission, Kit};
use portcullis_state::{Conversations, ConversationsOptions, Sealer, Vault};
use portcullis_state_redis::{RedisConversations, RedisPresence, RedisVault};
use tokio::net::TcpListener;

use crate::config::Config;
use crate::control::Control;
use crate::doors;
use crate::doors::http::Door;
use crate::gateway::{Gateway, Parts};
use crate::house::{self, PolicySource};
use crate::policies::{Policies, Strangers};
use portcullis_door::auth::Keys;
use portcullis_host::{Replicas, StandIn, audit_key};

/// How long a store on the bus may take for what is not in a message's own budget.
const PATIENCE: Duration = Duration::from_secs(2);
/// A door that takes less text than this is of no use.
const LEAST_TEXT: usize = 4 * 1024;
/// Submitted messages in work at once.
const SUBMITTED: usize = 64;

/// Starts ingress on the bus.
///
/// # Errors
/// Where the configuration cannot be used, the bus refuses us, or an address is taken.
pub async fn start(kit: Kit, config: Config) -> anyhow::Result<()> {
    let keys = config.keys()?;
    let sealer = Arc::new(config.sealer()?);
    let bus = kit.health().condition("bus");
    let client = portcullis_host::nats(&config.nats, kit.name()).await?;
    bus.met();
    let redis = portcullis_host::redis(&config.redis)?;
    let replicas = Replicas::assumed(config.replicas);
    replicas.keep_counting(&kit, RedisPresence::new(redis.clone(), "ingress"));
    let vault = Arc::new(RedisVault::new(redis.clone()));
    let conversations = RedisConversations::new(redis, ConversationsOptions::default());
    let ports = Ports {
        replicas,
        caller: Arc::new(Remote::new(client.clone())),
        conversations: Arc::new(conversations),
        vault,
        client: client.clone(),
        sealer,
    };
    let gateway = on_the_bus(&kit, &config, &keys, ports).await?;
    open_http(&kit, &config, keys, gateway.clone()).await?;
    open_nats(&kit, &config, gateway, client.clone()).await?;
    portcullis_host::close_at_the_end(&kit, client);
    Ok(())
}

/// What differs between ingress alone and every stage in one process, both on the bus.
pub struct Ports {
    /// Asks the stages.
    pub caller: Arc<dyn Caller>,
    /// Remembers conversations.
    pub conversations: Arc<dyn Conversations>,
    /// Keeps masked values.
    pub vault: Arc<dyn Vault>,
    /// The bus.
    pub client: Client,
    /// Seals and hashes.
    pub sealer: Arc<Sealer>,
    /// How many instances of ingress there are.
    pub replicas: Replicas,
}

/// A gateway with every port on the bus, and the house's work for it.
///
/// # Errors
/// Where a stream or bucket is missing, or the spool cannot be opened.
pub async fn on_the_bus(
    kit: &Kit,
    config: &Config,
    keys: &Keys,
    ports: Ports,
) -> anyhow::Result<Gateway> {
    let Ports { caller, conversations, vault, client, sealer, replicas } = ports;
    let max_payload = client.server_info().max_payload;
    let text_bytes = doors::text_limit(max_payload).min(config.text_bytes);
    anyhow::ensure!(
        text_bytes >= LEAST_TEXT,
        "nats-server's max_payload is {max_payload} bytes, which leaves no room for messages: set it to 8MB"
    );
    if text_bytes < config.text_bytes {
        tracing::warn!(
            text_bytes,
            max_payload,
            "the server's max_payload lowers the limit of text"
        );
    }
    let bucket = async |name| -> anyhow::Result<Arc<dyn Kv>> {
        let kv = NatsKv::open(client.clone(), name).await;
        let kv: Arc<dyn Kv> = Arc::new(kv.with_context(|| format!("bucket {name}"))?);
        Ok(kv)
    };
    let control_kv = bucket(subjects::CONTROL_BUCKET).await?;
    let verdicts = bucket(subjects::VERDICTS_BUCKET).await?;
    let policies = Policies::new(Strangers::Refused).knowing(keys.bots());
    let source = match &config.policies {
        Some(folder) => {
            let read = policies.read_folder(folder);
            PolicySource::Folder(read.with_context(|| format!("policies: {}", folder.display()))?)
        }
        None => PolicySource::Bucket(bucket(subjects::POLICY_BUCKET).await?),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let recorder = Recorder::new(Arc::new(NatsJournal::new(client.clone(), PATIENCE)));
    let folder = config.spool_folder();
    let recorder = recorder
        .with_spool(&folder, config.spool.max_bytes)
        .with_context(|| format!("spool.folder: {}", folder.display()))?;
    let control = Control::new();
    let sealing = config.sealing()?;
    if config.asks_for_audit_key() {
        let (client, sealing, ended) = (client.clone(), sealing.clone(), kit.shutdown().clone());
        kit.tasks().spawn("audit-key", async move {
            tokio::select! {
                () = audit_key::learn(&client, |key| sealing.learn(key).is_ok()) => {}
                () = ended.cancelled() => {}
            }
        });
    }
    let gateway = Gateway::new(Parts {
        pipeline: pipeline_among(caller, &sealer, &clock, replicas),
        policies: policies.clone(),
        control: control.clone(),
        control_kv: control_kv.clone(),
        conversations,
        verdicts,
        held: Arc::new(NatsHeld::new(client.clone(), PATIENCE)),
        outbox: Arc::new(NatsOutbox::new(client, PATIENCE)),
        recorder: Some(recorder.clone()),
        sealer,
        clock,
    })
    .with_vault(vault)
    .with_text_limit(text_bytes)
    .sealing(sealing);
    house::keep(kit, &gateway, (policies, source), (control, control_kv), recorder);
    Ok(gateway)
}

/// A pipeline that asks `caller`, with the stand-in of an ingress that is alone.
pub fn pipeline(caller: Arc<dyn Caller>, sealer: &Arc<Sealer>, clock: &Arc<dyn Clock>) -> Pipeline {
    pipeline_among(caller, sealer, clock, Replicas::default())
}

/// A pipeline that asks `caller`, with the stand-in of one among several instances of ingress.
pub fn pipeline_among(
    caller: Arc<dyn Caller>,
    sealer: &Arc<Sealer>,
    clock: &Arc<dyn Clock>,
    replicas: Replicas,
) -> Pipeline {
    let hashing = sealer.clone();
    let hash: Arc<MaskHash> =
        Arc::new(move |value| hashing.keyed_hash("mask", value).chars().take(12).collect());
    Pipeline::new(caller, Arc::new(StandIn::new(clock.clone(), replicas)), hash, clock.clone())
}

/// Opens the HTTP door, which also tells how the process is. Returns its address.
///
/// # Errors
/// Where the address is taken.
pub async fn open_http(
    kit: &Kit,
    config: &Config,
    keys: Keys,
    gateway: Gateway,
) -> anyhow::Result<std::net::SocketAddr> {
    let listen = config.http.listen;
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("http.listen: {listen}"))?;
    let address = listener.local_addr()?;
    let streams = doors::http::Streams {
        admission: Admission::new("streams", config.streams),
        tasks: kit.tasks().clone(),
        shutdown: kit.shutdown().clone(),
    };
    let door = Door::new(gateway, keys, config.seats, config.text_bytes, streams);
    let routes = door.routes().merge(kit.health_routes());
    let shutdown = kit.shutdown().clone();
    kit.tasks().vital("http-door", async move {
        portcullis_door::serve(listener, routes, shutdown.cancelled_owned()).await;
        Ok(())
    });
    tracing::info!(%address, "http door open");
    Ok(address)
}

/// Opens the doors on NATS: request-reply, the durable queue, and the operators'.
///
/// # Errors
/// Where the client is closed.
pub async fn open_nats(
    kit: &Kit,
    config: &Config,
    gateway: Gateway,
    client: Client,
) -> anyhow::Result<()> {
    let shutdown = || kit.shutdown().clone();
    let (bus, way) = (client.clone(), gateway.clone());
    let bots = doors::nats::serve_bots(bus, way, config.seats, shutdown()).await?;
    kit.tasks().vital("nats-door", async move { Ok(bots.await?) });
    let (bus, way) = (client.clone(), gateway.clone());
    let admission = Admission::new("nats-streams", config.streams);
    let tasks = kit.tasks().clone();
    let streams = portcullis_streams::nats::serve(
        bus,
        Arc::new(way),
        doors::nats::refuse,
        admission,
        tasks,
        shutdown(),
    )
    .await?;
    kit.tasks().vital("stream-door", async move { Ok(streams.await?) });
    let (bus, way) = (client.clone(), gateway.clone());
    let operators = doors::nats::serve_operators(bus, way, shutdown()).await?;
    kit.tasks().vital("operators-door", async move { Ok(operators.await?) });
    let lag = lag::watch(client.clone(), subjects::SUBMIT, subjects::INGRESS, shutdown());
    kit.tasks().spawn("submit-lag", lag);
    kit.tasks().spawn("submit-door", doors::submit::serve(client, gateway, SUBMITTED, shutdown()));
    Ok(())
}
