//! The bus against a real nats-server.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a panic is a failed test with its place"
)]

mod caller;
mod doors;
mod drain;
mod journals;
mod outage;
mod stores;
mod traces;

use std::sync::Arc;
use std::time::Duration;

use portcullis_bus::Seats;
use portcullis_bus_nats::{Client, ConnectOptions, ServeError, StageDoor, Work, admin, connect};
use portcullis_core::StageName;
use portcullis_testkit::{FaultStage, NatsServer, shop};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// No answer of a server on this machine takes this long.
const PATIENCE: Duration = Duration::from_secs(10);

async fn client(server: &NatsServer) -> Client {
    connect(&ConnectOptions::new(server.url(), "test").fail_fast()).await.unwrap()
}

/// Sizes that fit any machine on which tests run.
fn small() -> admin::InitOptions {
    admin::InitOptions {
        journal_max_bytes: Some(64 * 1024 * 1024),
        submit_max_bytes: 1024 * 1024,
        held_max_bytes: 1024 * 1024,
        bots: vec![shop()],
        ..admin::InitOptions::default()
    }
}

/// A served stage, until its token is cancelled.
struct Replica {
    stage: FaultStage,
    shutdown: CancellationToken,
    served: JoinSet<Result<(), ServeError>>,
}

impl Replica {
    /// Serves a stage with a client of its own, as a process would.
    async fn start(server: &NatsServer, name: StageName, seats: usize, work: Work) -> Self {
        let stage = FaultStage::new(name);
        let seats = Seats::new(Arc::new(stage.clone()), seats);
        let door = StageDoor::open(client(server).await, seats, work, "1.2.3").await.unwrap();
        let shutdown = CancellationToken::new();
        let mut served = JoinSet::new();
        served.spawn(door.serve(shutdown.clone()));
        Self { stage, shutdown, served }
    }

    /// Drains.
    async fn stop(mut self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.served.join_next()).await;
        ended.expect("drained in time").unwrap().unwrap().unwrap();
    }
}
