//! The generic cell rate algorithm, in its "virtual scheduling" form (ATM Forum, Traffic Management
//! Specification 4.0, section 4.4): for each key one number is kept, the theoretical arrival time.
//!
//! Times are whole microseconds. The time in which one unit flows back is rounded up, so that no
//! rounding ever admits more than `burst + rate × time`; a rate above one unit a microsecond counts as
//! one a microsecond.

use std::time::Duration;

use crate::{LimitOutcome, LimitRule};

/// What a rule means in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// How far this check moves the theoretical arrival time.
    pub increment: i64,
    /// How far that time may be ahead of now.
    pub window: i64,
}

/// Where a key stands when a check arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What the check would cost.
    pub charge: Charge,
    /// How far the theoretical arrival time is ahead of now, before the check; from 0 to the window.
    pub ahead: i64,
}

/// The longest window that is kept: about 35 years. Times of a store stay exact in a double.
const LONGEST: u128 = 1 << 50;

/// Microseconds in which one unit flows back.
fn interval(rule: &LimitRule) -> u128 {
    rule.period.as_micros().div_ceil(u128::from(rule.rate.max(1))).max(1)
}

impl Charge {
    /// What `rule` means in microseconds.
    pub fn of(rule: &LimitRule) -> Self {
        let interval = interval(rule);
        let clip = |micros: u128| i64::try_from(micros.min(LONGEST)).unwrap_or(i64::MAX);
        let window = clip(u128::from(rule.burst.max(1)) * interval);
        Self { increment: clip(u128::from(rule.cost) * interval), window }
    }
}

impl Standing {
    /// Takes what a store has kept as the theoretical arrival time, `ahead` of now. More than the
    /// window, as after a rule was made tighter, counts as the window.
    pub fn new(charge: Charge, ahead: i64) -> Self {
        Self { charge, ahead: ahead.clamp(0, charge.window) }
    }

    /// Microseconds until the check fits; zero or less if it fits now.
    pub fn wait(&self) -> i64 {
        self.ahead + self.charge.increment - self.charge.window
    }

    fn left(&self, charged: bool) -> i64 {
        let taken = if charged { self.charge.increment } else { 0 };
        (self.charge.window - self.ahead - taken).max(0)
    }

    /// Units left under `rule`.
    fn units(&self, rule: &LimitRule, charged: bool) -> u64 {
        let units = u128::try_from(self.left(charged)).unwrap_or(0) / interval(rule);
        u64::try_from(units).unwrap_or(u64::MAX)
    }
}

/// Turns where each rule's key stands into one outcome, in the order of the rules.
pub fn judge(rules: &[LimitRule], standings: &[Standing]) -> LimitOutcome {
    let refused = standings
        .iter()
        .enumerate()
        .filter(|(_, standing)| standing.wait() > 0)
        .max_by_key(|(index, standing)| (standing.wait(), std::cmp::Reverse(*index)))
        .map(|(index, _)| index);
    let allowed = refused.is_none();
    let share = |standing: &Standing| standing.left(true) as f64 / standing.charge.window as f64;
    let tightest = refused.or_else(|| {
        let by_share = |(_, a): &(usize, &Standing), (_, b): &(usize, &Standing)| {
            share(a).total_cmp(&share(b))
        };
        standings.iter().enumerate().min_by(by_share).map(|(index, _)| index)
    });
    let at = |index: usize| Some((rules.get(index)?, standings.get(index)?));
    let retry_after = refused.and_then(at).and_then(|(_, standing)| {
        let never = standings.iter().any(|each| each.charge.increment > each.charge.window);
        (!never).then(|| Duration::from_micros(u64::try_from(standing.wait()).unwrap_or(0)))
    });
    let remaining = tightest.and_then(at).map(|(rule, standing)| standing.units(rule, allowed));
    LimitOutcome { allowed, remaining, tightest, retry_after, refused }
}
