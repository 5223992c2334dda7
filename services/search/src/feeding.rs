//! How the feeder works: sizes, pauses, labels, and where what is refused goes.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBuilder};
use portcullis_bus::{Delivery, JournalError};

/// Keeps entries that the engine will never take, for an operator.
#[async_trait]
pub trait Dead: Send + Sync + 'static {
    /// Keeps where the entry stands and why it was not taken; durable when this returns. The same may come again.
    async fn keep(&self, unread: &dyn Delivery, why: &str) -> Result<(), JournalError>;
}

/// How the feeder works.
#[derive(Debug, Clone)]
pub struct Feeding {
    /// Documents in one request, at most.
    pub batch: usize,
    /// Bytes in one request, at most; a longer document goes alone.
    pub batch_bytes: usize,
    /// How long to gather entries before a request.
    pub gather: Duration,
    /// The first pause after a request that was not done.
    pub least_pause: Duration,
    /// The longest pause. Pauses are random between a half of what they have grown to and that.
    pub longest_pause: Duration,
    /// The operator's own labels of each document.
    pub labels: BTreeMap<String, String>,
}

impl Default for Feeding {
    fn default() -> Self {
        Self {
            batch: 500,
            batch_bytes: 5 << 20,
            gather: Duration::from_millis(100),
            least_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(30),
            labels: BTreeMap::new(),
        }
    }
}

impl Feeding {
    /// Pauses that grow.
    pub(crate) fn pauses(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        // the library adds up to as much again
        ExponentialBuilder::default()
            .with_min_delay(self.least_pause / 2)
            .with_max_delay(self.longest_pause / 2)
            .with_jitter()
            // its own seed is the same in every process
            .with_jitter_seed(rand::random())
            .without_max_times()
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_no_two_processes_have_the_same() {
        let feeding = Feeding::default();
        let pauses: Vec<Duration> = feeding.pauses().take(40).collect();
        assert!(pauses[0] >= Duration::from_millis(100) && pauses[0] <= Duration::from_millis(200));
        for pause in &pauses[20..] {
            assert!(*pause >= feeding.longest_pause / 2 && *pause <= feeding.longest_pause);
        }
        let others: Vec<Duration> = feeding.pauses().take(40).collect();
        assert_ne!(pauses, others);
    }
}
