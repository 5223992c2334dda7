//! How full a door is, as metrics: its seats, those that are taken, and who was refused.

use tokio::sync::OwnedSemaphorePermit;

/// How full a door is, as metrics.
pub(crate) struct Figures {
    pub(crate) taken: metrics::Gauge,
    pub(crate) refused: metrics::Counter,
}

impl Figures {
    /// Of the door that metrics call so, with its seats in all.
    pub(crate) fn of(door: &str, seats: usize) -> Self {
        let door = door.to_owned();
        metrics::gauge!("portcullis_seats", "door" => door.clone()).set(seats as f64);
        let taken = metrics::gauge!("portcullis_seats_taken", "door" => door.clone());
        taken.set(0.0);
        let refused = metrics::counter!("portcullis_refused_total", "door" => door);
        refused.absolute(0);
        Self { taken, refused }
    }
}

/// A seat that is taken as long as this lives.
pub(crate) struct Seat {
    _permit: OwnedSemaphorePermit,
    taken: metrics::Gauge,
}

impl Seat {
    /// Counted as taken from now on.
    pub(crate) fn new(permit: OwnedSemaphorePermit, taken: metrics::Gauge) -> Self {
        taken.increment(1.0);
        Self { _permit: permit, taken }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.taken.decrement(1.0);
    }
}
