//! Whether the process is ready, by named conditions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// The conditions of a process. Cheap to clone; all clones are one.
///
/// A condition counts for readiness once it has been met, for good. That it holds now is told by the gauge
/// `portcullis_condition{condition}`.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    started: bool,
    draining: bool,
    conditions: Vec<Entry>,
}

#[derive(Debug, Clone, Serialize)]
struct Entry {
    name: &'static str,
    /// Whether it has been met.
    met: bool,
    /// Whether it holds now.
    holds: bool,
}

/// What `/readyz` tells.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Readiness {
    pub(crate) ready: bool,
    started: bool,
    draining: bool,
    conditions: Vec<Entry>,
}

impl Health {
    /// No conditions, not started.
    pub fn new() -> Self {
        Self::default()
    }

    /// A condition to be met before the process is ready. Asked for again by the same name, it is the same.
    pub fn condition(&self, name: &'static str) -> Condition {
        let mut state = self.lock();
        if !state.conditions.iter().any(|entry| entry.name == name) {
            state.conditions.push(Entry { name, met: false, holds: false });
            metrics::gauge!("portcullis_condition", "condition" => name).set(0.0);
        }
        Condition { health: self.clone(), name }
    }

    /// Whether the process has started, every condition has been met, and it is not draining.
    pub fn is_ready(&self) -> bool {
        self.lock().is_ready()
    }

    /// The start is done: conditions alone decide from now on.
    pub fn started(&self) {
        self.lock().started = true;
        self.tell();
    }

    /// The process is stopping: never ready again.
    pub fn draining(&self) {
        self.lock().draining = true;
        self.tell();
    }

    pub(crate) fn readiness(&self) -> Readiness {
        let state = self.lock();
        Readiness {
            ready: state.is_ready(),
            started: state.started,
            draining: state.draining,
            conditions: state.conditions.clone(),
        }
    }

    fn set(&self, name: &'static str, holds: bool) {
        let mut changed = false;
        for entry in self.lock().conditions.iter_mut().filter(|entry| entry.name == name) {
            changed |= entry.holds != holds;
            entry.holds = holds;
            entry.met |= holds;
        }
        metrics::gauge!("portcullis_condition", "condition" => name)
            .set(f64::from(u8::from(holds)));
        match (changed, holds) {
            (true, true) => tracing::info!(condition = name, "condition met"),
            (true, false) => tracing::warn!(condition = name, "condition lost"),
            (false, _) => {}
        }
        self.tell();
    }

    fn tell(&self) {
        metrics::gauge!("portcullis_ready").set(f64::from(u8::from(self.is_ready())));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_ready(&self) -> bool {
        self.started && !self.draining && self.conditions.iter().all(|entry| entry.met)
    }
}

/// One condition, in the hands of whoever knows whether it holds.
#[derive(Debug, Clone)]
pub struct Condition {
    health: Health,
    name: &'static str,
}

impl Condition {
    /// It holds.
    pub fn met(&self) {
        self.health.set(self.name, true);
    }

    /// It holds no more. The process stays ready.
    pub fn lost(&self) {
        self.health.set(self.name, false);
    }

    /// Whether it holds now.
    pub fn holds(&self) -> bool {
        self.health.lock().conditions.iter().any(|entry| entry.name == self.name && entry.holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_once_all_has_been_there_and_a_later_loss_is_not_unready() {
        let health = Health::new();
        let (bus, warm) = (health.condition("bus"), health.condition("warm-up"));
        bus.met();
        warm.met();
        assert!(!health.is_ready(), "the start has not returned");
        health.started();
        assert!(health.is_ready());
        assert!(bus.holds());
        bus.lost();
        assert!(!bus.holds());
        assert!(health.is_ready());
        let shown = serde_json::to_value(health.readiness()).unwrap();
        assert_eq!(shown["conditions"][0]["met"], true);
        assert_eq!(shown["conditions"][0]["holds"], false);
        health.draining();
        assert!(!health.is_ready());
    }

    #[test]
    fn a_condition_that_was_never_met_keeps_the_process_unready() {
        let health = Health::new();
        health.started();
        assert!(health.is_ready());
        let late = health.condition("late");
        assert!(!health.is_ready());
        late.lost();
        assert!(!health.is_ready());
    }
}
