//! Stops asking a dependency that does not answer, and tries it again now and then.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row after which the dependency counts as dead.
const FAILURES: u32 = 3;
/// Time between two probes of a dead dependency.
const PROBE_EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
struct State {
    failures: u32,
    /// While it counts as dead: when it may be tried next.
    probe_at: Option<Instant>,
}

/// Closed until three failures in a row; then open, with one request let through each second. A
/// success closes it.
#[derive(Default)]
pub struct Breaker(Mutex<State>);

impl Breaker {
    /// Whether this request may go to the dependency.
    pub fn admits(&self, now: Instant) -> bool {
        let mut state = self.lock();
        match state.probe_at {
            None => true,
            Some(at) if now < at => false,
            Some(_) => {
                // Moved on at once, so that a probe that is never answered blocks nothing.
                state.probe_at = Some(now + PROBE_EVERY);
                true
            }
        }
    }

    /// The dependency answered.
    pub fn succeeded(&self) {
        *self.lock() = State::default();
    }

    /// The dependency did not answer.
    pub fn failed(&self, now: Instant) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.probe_at = Some(now + PROBE_EVERY);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_probes_once_a_second_and_closes() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        breaker.failed(start);
        breaker.failed(start);
        assert!(breaker.admits(start), "two failures are chance");
        breaker.failed(start);
        assert!(!breaker.admits(start));
        let later = start + PROBE_EVERY;
        assert!(breaker.admits(later), "one probe");
        assert!(!breaker.admits(later), "and no second");
        breaker.failed(later);
        assert!(!breaker.admits(later + PROBE_EVERY / 2));
        assert!(breaker.admits(later + PROBE_EVERY));
        breaker.succeeded();
        assert!(breaker.admits(later) && breaker.admits(later));
    }
}
