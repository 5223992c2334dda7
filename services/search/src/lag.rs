//! How far the engine is behind the journal, in seconds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use portcullis_core::Clock;
use tokio_util::sync::CancellationToken;

/// How often it is told.
const EACH: Duration = Duration::from_secs(1);

/// The time of the oldest entry that is not in the engine yet; none where all are. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Lag(Arc<Mutex<Option<Timestamp>>>);

impl Lag {
    /// An entry of this time is not in the engine yet, and none before it.
    pub fn behind(&self, oldest: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(oldest);
    }

    /// As far as is known nothing is missing since this time: where the journal cannot be read, or the engine was not
    /// there yet.
    pub fn blind(&self, since: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(since);
    }

    /// Everything is there.
    pub fn caught_up(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Seconds from the oldest that is missing until now; 0 where none is.
    pub fn seconds(&self, now: Timestamp) -> f64 {
        let oldest = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        oldest.map_or(0.0, |oldest| now.duration_since(oldest).as_secs_f64().max(0.0))
    }

    /// Tells it as `portcullis_search_lag_seconds` until `shutdown`, also while an answer is waited for.
    pub async fn tell(self, clock: Arc<dyn Clock>, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            metrics::gauge!("portcullis_search_lag_seconds").set(self.seconds(clock.now()));
            tokio::select! {
                () = tokio::time::sleep(EACH) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_that_of_the_oldest_and_ends_when_all_are_there() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let lag = Lag::default();
        assert_eq!(lag.seconds(at(100)), 0.0);
        lag.blind(at(90));
        lag.blind(at(95));
        assert_eq!(lag.seconds(at(100)), 10.0);
        lag.behind(at(98));
        assert_eq!(lag.seconds(at(100)), 2.0);
        // clocks of two machines may differ
        assert_eq!(lag.seconds(at(90)), 0.0);
        lag.caught_up();
        assert_eq!(lag.seconds(at(100)), 0.0);
    }
}
