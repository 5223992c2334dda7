//! Robust streaming statistics: what a number is like, learnt one value at a time, by hour of the day.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A deviation counts for learning as at most so many spreads: one wild value moves nothing much.
const CLIP: f32 = 3.0;
/// The standard deviation of a normal distribution over its mean absolute deviation.
const MAD: f32 = 1.2533;
/// Values after which the number is known well enough to say that another is unlike it.
const LEARNT: f32 = 12.0;

/// An exponentially weighted mean and mean absolute deviation with clipped steps (Huber's psi, as in
/// Gelper, Fried, Croux 2010).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Normal {
    mean: f32,
    spread: f32,
    seen: f32,
}

impl Normal {
    /// The usual value.
    pub(crate) fn mean(&self) -> f32 {
        self.mean
    }

    /// Whether enough was seen.
    pub(crate) fn is_known(&self) -> bool {
        self.seen >= LEARNT
    }

    /// How many standard deviations `value` is above (or, negative, below) the usual; `floor` is the
    /// smallest deviation that counts as one. 0 until enough was seen.
    pub(crate) fn size(&self, value: f32, floor: f32) -> f32 {
        if !self.is_known() {
            return 0.0;
        }
        (value - self.mean) / (self.spread * MAD).max(floor).max(1e-6)
    }

    /// Learns a value; `rate` is its weight once many were seen.
    pub(crate) fn learn(&mut self, value: f32, rate: f32) {
        if !value.is_finite() {
            return;
        }
        let weight = (1.0 / (self.seen + 1.0)).max(rate);
        let mut step = value - self.mean;
        if self.is_known() {
            let most = CLIP * (self.spread * MAD).max(1e-3 * self.mean.abs()).max(1e-3);
            step = step.clamp(-most, most);
        }
        self.mean += weight * step;
        // the very first value says nothing about the spread
        if self.seen >= 1.0 {
            self.spread += weight * (step.abs() - self.spread);
        }
        self.seen = (self.seen + 1.0).min(1e6);
    }
}

/// Parts of a day that are learnt apart.
const SLOTS: usize = 24;

/// What a number is like at each hour of the day (UTC), and over all hours until an hour is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seasonal {
    hours: Vec<Normal>,
    all: Normal,
}

impl Default for Seasonal {
    fn default() -> Self {
        Self { hours: vec![Normal::default(); SLOTS], all: Normal::default() }
    }
}

fn hour(at: Timestamp) -> usize {
    usize::try_from(at.as_second().rem_euclid(86_400) / 3_600).unwrap_or(0)
}

impl Seasonal {
    /// What is usual at this time.
    pub(crate) fn at(&self, at: Timestamp) -> Normal {
        match self.hours.get(hour(at)) {
            Some(normal) if normal.is_known() => *normal,
            _ => self.all,
        }
    }

    /// Learns a value.
    pub(crate) fn learn(&mut self, at: Timestamp, value: f32, rate: f32) {
        self.all.learn(value, rate);
        if let Some(normal) = self.hours.get_mut(hour(at)) {
            normal.learn(value, rate);
        }
    }
}

/// A count that fades: after `half` seconds without anything new it is half of what it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fading {
    value: f32,
    at_s: f64,
}

impl Fading {
    /// The count at a time, in seconds.
    pub(crate) fn at(&self, now_s: f64, half: f32) -> f32 {
        let past = (now_s - self.at_s).max(0.0) as f32;
        self.value * (-past / half * std::f32::consts::LN_2).exp()
    }

    /// Adds to it, and returns what it is then. A time before the last one counts as that.
    pub(crate) fn add(&mut self, now_s: f64, half: f32, amount: f32) -> f32 {
        self.value = self.at(now_s, half) + amount;
        self.at_s = self.at_s.max(now_s);
        self.value
    }

    /// The count at which something that happens `a_second` times in each second settles.
    pub(crate) fn settled(a_second: f32, half: f32) -> f32 {
        a_second * half / std::f32::consts::LN_2
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_wild_value_moves_little_and_a_new_level_is_learnt() {
        let mut normal = Normal::default();
        for n in 0..500 {
            normal.learn(100.0 + (n % 7) as f32, 0.02);
        }
        let before = normal.mean();
        normal.learn(1e6, 0.02);
        assert!((normal.mean() - before).abs() < 2.0);
        assert!(normal.size(200.0, 1.0) > 10.0);
        for _ in 0..2_000 {
            normal.learn(200.0, 0.02);
        }
        assert!(normal.size(200.0, 1.0).abs() < 1.0);
    }

    #[test]
    fn night_and_day_are_learnt_apart() {
        let mut seasonal = Seasonal::default();
        let time = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        for minute in 0..3 * 1440 {
            let value = if (minute / 60) % 24 < 6 { 2.0 } else { 100.0 };
            seasonal.learn(time(minute), value, 0.02);
        }
        assert!(seasonal.at(time(180)).size(100.0, 1.0) > 20.0);
        assert!(seasonal.at(time(720)).size(100.0, 1.0).abs() < 1.0);
    }

    #[test]
    fn a_count_halves() {
        let mut count = Fading::default();
        count.add(0.0, 10.0, 8.0);
        assert!((count.at(10.0, 10.0) - 4.0).abs() < 1e-3);
        assert!((count.add(20.0, 10.0, 1.0) - 3.0).abs() < 1e-3);
    }

    proptest! {
        #[test]
        fn learning_never_leaves_the_numbers(values in prop::collection::vec(-1e9f32..1e9, 0..200)) {
            let mut normal = Normal::default();
            for value in values {
                normal.learn(value, 0.05);
                prop_assert!(normal.mean().is_finite() && normal.spread.is_finite() && normal.spread >= 0.0);
                prop_assert!(normal.size(1.0, 1.0).is_finite());
            }
        }
    }
}
