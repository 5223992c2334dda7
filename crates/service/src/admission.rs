//! A bounded number of seats with immediate refusal: what does not fit is told so at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Seats behind a door. Metrics by `door`: gauges `portcullis_seats` and `portcullis_seats_taken`, counter
/// `portcullis_refused_total`.
#[derive(Debug, Clone)]
pub struct Admission {
    door: &'static str,
    free: Arc<Semaphore>,
    seats: usize,
}

impl Admission {
    /// A door with this many seats (at least one).
    pub fn new(door: &'static str, seats: usize) -> Self {
        let seats = seats.clamp(1, Semaphore::MAX_PERMITS);
        metrics::gauge!("portcullis_seats", "door" => door).set(seats as f64);
        metrics::gauge!("portcullis_seats_taken", "door" => door).set(0.0);
        metrics::counter!("portcullis_refused_total", "door" => door).absolute(0);
        Self { door, free: Arc::new(Semaphore::new(seats)), seats }
    }

    /// Takes a seat, or refuses without waiting. The seat is free again when it is dropped.
    pub fn enter(&self) -> Option<Seat> {
        let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() else {
            metrics::counter!("portcullis_refused_total", "door" => self.door).increment(1);
            return None;
        };
        let taken = metrics::gauge!("portcullis_seats_taken", "door" => self.door);
        taken.increment(1.0);
        Some(Seat { taken, _permit: permit })
    }

    /// Seats in all.
    pub fn seats(&self) -> usize {
        self.seats
    }

    /// Seats that are taken now.
    pub fn taken(&self) -> usize {
        self.seats - self.free.available_permits()
    }
}

/// A seat that is taken as long as this lives.
#[must_use = "the seat is free again as soon as this is dropped"]
pub struct Seat {
    taken: metrics::Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.taken.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_house_refuses_at_once_and_a_freed_seat_is_given_again() {
        let door = Admission::new("test", 2);
        let first = door.enter().unwrap();
        let _second = door.enter().unwrap();
        assert!(door.enter().is_none());
        assert_eq!(door.taken(), 2);
        drop(first);
        assert_eq!(door.taken(), 1);
        assert!(door.enter().is_some());
    }
}
