//! How full a door is, as metrics: its seats, those that are taken, and who was refused.

use tokio::sync::OwnedSemaphorePermit;

/// How full a door is, as metrics.
pub struct Figures {
    taken: metrics::Gauge,
    refused: metrics::Counter,
}

impl Figures {
    /// Of the door that metrics call so, with its seats in all.
    pub fn of(door: &str, seats: usize) -> Self {
        let door = door.to_owned();
        metrics::gauge!("portcullis_seats", "door" => door.clone()).set(seats as f64);
        let taken = metrics::gauge!("portcullis_seats_taken", "door" => door.clone());
        taken.set(0.0);
        let refused = metrics::counter!("portcullis_refused_total", "door" => door);
        refused.absolute(0);
        Self { taken, refused }
    }

    /// A seat of the door that is counted as taken as long as what is returned lives.
    pub fn take(&self, permit: OwnedSemaphorePermit) -> TakenSeat {
        self.taken.increment(1.0);
        TakenSeat { _permit: permit, taken: self.taken.clone() }
    }

    /// Somebody was turned away.
    pub fn refuse(&self) {
        self.refused.increment(1);
    }
}

/// A seat that is taken as long as this lives.
#[must_use = "the seat is free again as soon as this is dropped"]
pub struct TakenSeat {
    _permit: OwnedSemaphorePermit,
    taken: metrics::Gauge,
}

impl Drop for TakenSeat {
    fn drop(&mut self) {
        self.taken.decrement(1.0);
    }
}
