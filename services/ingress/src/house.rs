//! What a gateway needs done beside its messages: policies and orders followed, spooled entries delivered,
//! summaries written, held messages expired.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use portcullis_bus::{Kv, KvError, Recorder};
use portcullis_service::{Condition, Kit};

use crate::control::Control;
use crate::gateway::Gateway;
use crate::policies::{FolderState, Policies};

/// Between two looks for windows of throttles that are over.
const SUMMARIES: Duration = Duration::from_secs(5);
/// Between two looks for held messages that have expired.
const SWEEP: Duration = Duration::from_secs(2);
/// Every so many sweeps, cases that are not over are looked up as well.
const SWEEPS_OF_ALL: u32 = 15;
/// Before a lost bucket is watched again.
const AGAIN: Duration = Duration::from_millis(200);

/// Where policies come from.
pub enum PolicySource {
    /// Only the built-in one.
    BuiltIn,
    /// A folder, already read once.
    Folder(FolderState),
    /// A bucket.
    Bucket(Arc<dyn Kv>),
}

/// Does the house's work in tasks of the process, until it is told to stop.
pub fn keep(
    kit: &Kit,
    gateway: &Gateway,
    policies: (Policies, PolicySource),
    control: (Control, Arc<dyn Kv>),
    recorder: Recorder,
) {
    portcullis_pipeline::told::begin();
    let (policies, source) = policies;
    match source {
        PolicySource::BuiltIn => {}
        PolicySource::Folder(state) => {
            until_shutdown(kit, "policies", async move { policies.follow_folder(state).await });
        }
        PolicySource::Bucket(kv) => {
            let known = kit.health().condition("policies");
            until_shutdown(kit, "policies", async move {
                loop {
                    let followed = policies.follow_bucket(&*kv, || known.met()).await;
                    lost(&known, followed).await;
                }
            });
        }
    }
    let (control, kv) = control;
    let known = kit.health().condition("control");
    until_shutdown(kit, "control", async move {
        loop {
            let followed = control.follow(&*kv, || known.met()).await;
            lost(&known, followed).await;
        }
    });
    let spooled = recorder.clone();
    until_shutdown(kit, "spool", async move { recorder.deliver().await });
    let sweeping = gateway.clone();
    until_shutdown(kit, "held", async move {
        for sweep in 0_u32.. {
            tokio::time::sleep(SWEEP).await;
            sweeping.sweep_held(sweep.is_multiple_of(SWEEPS_OF_ALL)).await;
        }
    });
    let (gateway, shutdown) = (gateway.clone(), kit.shutdown().clone());
    kit.tasks().spawn("summaries", async move {
        while !shutdown.is_cancelled() {
            metrics::gauge!("portcullis_spool_bytes").set(spooled.spooled_bytes() as f64);
            tokio::select! {
                () = tokio::time::sleep(SUMMARIES) => gateway.write_summaries(false).await,
                () = shutdown.cancelled() => {}
            }
        }
        gateway.write_summaries(true).await;
    });
}

fn until_shutdown(kit: &Kit, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
    let shutdown = kit.shutdown().clone();
    kit.tasks().spawn(name, async move {
        tokio::select! {
            () = work => {}
            () = shutdown.cancelled() => {}
        }
    });
}

/// A bucket was lost. What was in force stays so; after a pause it is watched again.
async fn lost(known: &Condition, followed: Result<(), KvError>) {
    if let Err(error) = followed {
        tracing::warn!(%error, "a bucket is not to be had");
    }
    known.lost();
    tokio::time::sleep(AGAIN).await;
}
