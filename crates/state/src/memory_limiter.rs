//! Limits of one process, in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use portcullis_core::{BotId, Clock};

use crate::{Charge, LimitCheck, LimitError, LimitOutcome, Limiter, Standing, judge};

type Keys = HashMap<(BotId, String), i64>;

/// A limiter that keeps a bounded number of keys. When it is full it forgets those that are back at
/// their full burst, which loses nothing; if that is not enough, those nearest to it.
pub struct MemoryLimiter {
    clock: Arc<dyn Clock>,
    start: Instant,
    capacity: usize,
    /// Theoretical arrival time of each key, in microseconds since `start`.
    keys: Mutex<Keys>,
}

impl MemoryLimiter {
    /// Keys that are kept where nothing else is said: about 20 MB when all are in use.
    pub const CAPACITY: usize = 100_000;

    /// A limiter for at most `capacity` keys (at least 16).
    pub fn new(clock: Arc<dyn Clock>, capacity: usize) -> Self {
        let start = clock.instant();
        Self { clock, start, capacity: capacity.max(16), keys: Mutex::default() }
    }

    /// Keys that are kept now.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no key is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make_room(&self, keys: &mut Keys, now: i64, coming: usize) {
        if keys.len() + coming <= self.capacity {
            return;
        }
        keys.retain(|_, arrival| *arrival > now);
        // Leaving an eighth free makes the next sweep an eighth of the capacity away.
        let aim = (self.capacity - self.capacity / 8).saturating_sub(coming);
        if keys.len() <= aim {
            return;
        }
        let surplus = keys.len() - aim;
        let mut arrivals: Vec<i64> = keys.values().copied().collect();
        let (_, bound, _) = arrivals.select_nth_unstable(surplus - 1);
        let (bound, mut surplus) = (*bound, surplus);
        keys.retain(|_, arrival| {
            let goes = surplus > 0 && *arrival <= bound;
            surplus -= usize::from(goes);
            !goes
        });
    }
}

#[async_trait]
impl Limiter for MemoryLimiter {
    async fn check(&self, check: &LimitCheck) -> Result<LimitOutcome, LimitError> {
        let now = self.clock.instant().saturating_duration_since(self.start).as_micros();
        let now = i64::try_from(now).unwrap_or(i64::MAX / 2);
        let mut keys = self.lock();
        let ids: Vec<_> =
            check.rules.iter().map(|rule| (check.bot.clone(), rule.key.clone())).collect();
        let standings: Vec<Standing> = check
            .rules
            .iter()
            .zip(&ids)
            .map(|(rule, id)| {
                let arrival = keys.get(id).copied().unwrap_or(now);
                Standing::new(Charge::of(rule), arrival - now)
            })
            .collect();
        let outcome = judge(&check.rules, &standings);
        if outcome.allowed {
            self.make_room(&mut keys, now, ids.len());
            for (id, standing) in ids.into_iter().zip(&standings) {
                keys.insert(id, now + standing.ahead + standing.charge.increment);
            }
        }
        Ok(outcome)
    }
}
