//! How many replicas of ingress there are. While the store of counters is away each admits its share of a limit:
//! the limit divided by the replicas that were last seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use portcullis_core::MessageId;
use portcullis_service::Kit;
use portcullis_state::Presence;

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(2);
/// After this a silent replica is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(10);

/// The number last seen. Cheap to clone; all clones see a change at once.
#[derive(Debug, Clone)]
pub struct Replicas(Arc<AtomicU32>);

impl Replicas {
    /// So many, until somebody counts.
    pub fn assumed(number: u32) -> Self {
        Self(Arc::new(AtomicU32::new(number.max(1))))
    }

    /// How many were last seen; at least 1.
    pub fn seen(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Says that this replica is there and counts the others; `false` where the store is away.
    pub async fn count(&self, presence: &dyn Presence, me: &str) -> bool {
        let there = presence.present(me, FORGOTTEN).await;
        if let Ok(there) = there {
            self.0.store(there.max(1), Ordering::Relaxed);
            metrics::gauge!("portcullis_ingress_replicas").set(f64::from(there));
        }
        there.is_ok()
    }

    /// Counts until the process is told to stop, and then says that it leaves.
    pub fn keep_counting(&self, kit: &Kit, presence: impl Presence) {
        let (replicas, shutdown) = (self.clone(), kit.shutdown().clone());
        let me = MessageId::generate();
        kit.tasks().spawn("replicas", async move {
            while !shutdown.is_cancelled() {
                replicas.count(&presence, me.as_str()).await;
                tokio::select! {
                    () = tokio::time::sleep(BEAT) => {}
                    () = shutdown.cancelled() => {}
                }
            }
            // Where it cannot be said it is forgotten.
            let _ = presence.leave(me.as_str()).await;
        });
    }
}

impl Default for Replicas {
    fn default() -> Self {
        Self::assumed(1)
    }
}
