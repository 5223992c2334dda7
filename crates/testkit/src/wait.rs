//! Waits for something to become true, and says where it did not.

use std::panic::Location;
use std::time::{Duration, Instant};

/// Asks every few milliseconds until the answer is `true`; fails the test at the caller's place
/// when `timeout` has passed.
#[track_caller]
pub fn eventually(
    timeout: Duration,
    mut ask: impl AsyncFnMut() -> bool,
) -> impl Future<Output = ()> {
    let place = Location::caller();
    async move {
        let end = Instant::now() + timeout;
        while !ask().await {
            assert!(Instant::now() < end, "not within {timeout:?} at {place}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
