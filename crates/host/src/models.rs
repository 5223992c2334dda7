//! Follows on the bus which model a stage is to judge with.

use std::sync::Arc;
use std::time::Duration;

use portcullis_bus::Modelled;
use portcullis_bus_nats::{Client, NatsKv, NatsModels, subjects};
use portcullis_service::Kit;
use tokio::sync::Notify;

/// How long a stage waits before it answers, so that after a restart it judges from its first message with the
/// model that an operator ordered.
const AT_START: Duration = Duration::from_secs(5);
/// A pause before the bucket is watched again.
const AGAIN: Duration = Duration::from_secs(1);
/// A pause where the bucket or the store was never made.
const MISSING: Duration = Duration::from_secs(30);

/// Keeps a stage's models until the process ends. Returns when what was ordered before is in force, or cannot
/// be had for now: then the stage begins with the model of its program, and says so.
pub(crate) async fn keep(kit: &Kit, client: Client, models: Arc<dyn Modelled>) {
    let (first, shutdown) = (Arc::new(Notify::new()), kit.shutdown().clone());
    let known = first.clone();
    let follow = async move {
        loop {
            let opened = tokio::try_join!(
                NatsKv::open(client.clone(), subjects::MODEL_ROLES_BUCKET),
                NatsModels::open(client.clone())
            );
            let pause = match opened {
                Ok((roles, store)) => {
                    let ready = || known.notify_one();
                    if let Err(error) = models.follow(&roles, &store, &ready).await {
                        tracing::warn!(%error, "which model is to judge cannot be followed");
                    }
                    AGAIN
                }
                Err(error) => {
                    tracing::warn!(%error, "models of the bus cannot be had; the program's own judges");
                    known.notify_one();
                    MISSING
                }
            };
            tokio::time::sleep(pause).await;
        }
    };
    kit.tasks().spawn("models", async move {
        tokio::select! {
            () = follow => {}
            () = shutdown.cancelled() => {}
        }
    });
    if tokio::time::timeout(AT_START, first.notified()).await.is_err() {
        tracing::warn!("the model that is ordered is not there yet; the program's own judges");
    }
}
