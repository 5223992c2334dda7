//! What is kept of one key in memory. The scripts of `state-redis` do the same on a server.

use crate::Algorithm;
use crate::terms::{SLOTS, Terms};

const KEPT: usize = 17;

/// One key's count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Account {
    /// The theoretical arrival time.
    Gcra(i64),
    /// The number of the newest slot, and the units of each, oldest first.
    Window { newest: i64, units: [i64; KEPT], width: i64 },
}

impl Account {
    pub(crate) fn new(terms: &Terms, now: i64) -> Self {
        match terms.algorithm {
            Algorithm::Gcra => Self::Gcra(now),
            Algorithm::Window => {
                Self::Window { newest: now / terms.unit, units: [0; KEPT], width: terms.unit }
            }
        }
    }

    /// Takes what was kept under other terms as nothing, and lets time pass.
    pub(crate) fn at(self, terms: &Terms, now: i64) -> Self {
        match (self, terms.algorithm) {
            (Self::Gcra(arrival), Algorithm::Gcra) => {
                Self::Gcra(now + (arrival - now).clamp(0, terms.limit))
            }
            (Self::Window { newest, mut units, width }, Algorithm::Window)
                if width == terms.unit =>
            {
                let slot = (now / width).max(newest);
                let gone = usize::try_from(slot - newest).unwrap_or(KEPT).min(KEPT);
                units.rotate_left(gone % KEPT);
                units.iter_mut().rev().take(gone).for_each(|unit| *unit = 0);
                Self::Window { newest: slot, units, width }
            }
            _ => Self::new(terms, now),
        }
    }

    /// What is taken, in the measure of the limit.
    pub(crate) fn used(&self, now: i64) -> i64 {
        match self {
            Self::Gcra(arrival) => arrival - now,
            Self::Window { units, .. } => units.iter().sum(),
        }
    }

    /// Microseconds until so many units fit; 0 where they fit now, -1 where they never do.
    pub(crate) fn wait(&self, terms: &Terms, taken: i64, now: i64) -> i64 {
        let need = self.used(now).saturating_add(terms.measure(taken)) - terms.limit;
        if need <= 0 {
            return 0;
        }
        if taken > terms.most {
            return -1;
        }
        match self {
            Self::Gcra(_) => need,
            Self::Window { newest, units, width } => {
                let mut freed = 0;
                for (slot, unit) in (newest - SLOTS..).zip(units) {
                    freed += unit;
                    if freed >= need {
                        return (slot + SLOTS + 1) * width - now;
                    }
                }
                -1
            }
        }
    }

    /// Takes units, or gives back what was taken at `since`. The count stays within the limit.
    pub(crate) fn change(&mut self, terms: &Terms, change: i64, since: i64, now: i64) {
        match self {
            Self::Gcra(arrival) => {
                let ahead = (*arrival - now).saturating_add(terms.measure(change));
                *arrival = now + ahead.clamp(0, terms.limit);
            }
            Self::Window { newest, units, width } => {
                if change >= 0 {
                    let room = (terms.limit - units.iter().sum::<i64>()).max(0);
                    if let Some(last) = units.last_mut() {
                        *last += change.min(room);
                    }
                } else {
                    let back = *newest - since / *width;
                    let place = usize::try_from(SLOTS - back).ok();
                    if let Some(slot) = place.and_then(|place| units.get_mut(place)) {
                        *slot = slot.saturating_add(change).max(0);
                    }
                }
            }
        }
    }

    /// Microseconds until nothing is taken any more.
    pub(crate) fn reset(&self, now: i64) -> i64 {
        match self {
            Self::Gcra(arrival) => arrival - now,
            Self::Window { newest, units, width } => {
                let last = (newest - SLOTS..).zip(units).filter(|(_, unit)| **unit > 0).last();
                last.map_or(0, |(slot, _)| (slot + SLOTS + 1) * width - now)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::LimitRule;

    #[test]
    fn a_window_counts_the_oldest_slot_until_nothing_of_it_is_within_the_period() {
        let rule = LimitRule {
            algorithm: Algorithm::Window,
            rate: 10,
            period: Duration::from_micros(1_600),
            ..LimitRule::default()
        };
        let terms = Terms::of(&rule);
        let mut account = Account::new(&terms, 1_050);
        account.change(&terms, 10, 1_050, 1_050);
        assert_eq!(account.wait(&terms, 1, 1_099), 2_700 - 1_099);
        assert_eq!(account.wait(&terms, 11, 1_099), -1);
        let later = account.clone().at(&terms, 2_699);
        assert_eq!((later.used(2_699), later.reset(2_699)), (10, 1));
        let free = account.clone().at(&terms, 2_700);
        assert_eq!((free.used(2_700), free.reset(2_700)), (0, 0));
        account.change(&terms, -4, 1_000, 1_200);
        assert_eq!(account.used(1_200), 6);
        assert_eq!(account.at(&terms, 1 << 40).used(1 << 40), 0);
    }
}
