//! The arithmetic of limits, the same in every store: whole numbers, microseconds, and rounding that
//! never admits more than the rule says.
//!
//! GCRA in its "virtual scheduling" form (ATM Forum, Traffic Management Specification 4.0, section 4.4):
//! for each key one number is kept, the theoretical arrival time. The time in which one unit flows back
//! is rounded up, and a rate above one unit a microsecond counts as one a microsecond.
//!
//! The sliding window is kept as counts of [`SLOTS`] + 1 slots of a sixteenth of the period, rounded up. The
//! oldest slot counts as a whole until nothing of it can lie within the period: in no stretch of the
//! period is more admitted than the quota, and a unit comes back up to a sixteenth of the period late.

use std::time::Duration;

use crate::{Algorithm, LimitOutcome, LimitRule, PenaltyBox, RuleOutcome};

/// Slots that make up a period.
pub const SLOTS: i64 = 16;
/// The longest span that is kept: about 35 years. Times of a store stay exact in a double.
const LONGEST: u128 = 1 << 50;

/// A rule in the whole numbers that stores count with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How it counts.
    pub algorithm: Algorithm,
    /// GCRA: microseconds in which one unit flows back. Window: microseconds of a slot.
    pub unit: i64,
    /// GCRA: how many microseconds the theoretical arrival time may be ahead. Window: units in a period.
    pub limit: i64,
    /// The most units that can ever be taken at once.
    pub most: i64,
}

/// What a store found under one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What was taken before the check, in the measure of [`Terms::limit`].
    pub used: i64,
    /// Units that the check costs, after the penalty box.
    pub units: i64,
    /// Microseconds until it fits; 0 where it fits now, negative where it never does.
    pub wait: i64,
    /// Microseconds until nothing is taken any more, this check included where it was admitted.
    pub reset: i64,
}

fn clip(number: u128) -> i64 {
    i64::try_from(number.min(LONGEST)).unwrap_or(i64::MAX)
}

impl Terms {
    /// What `rule` means in whole numbers.
    pub fn of(rule: &LimitRule) -> Self {
        let (period, rate) = (rule.period.as_micros().max(1), u128::from(rule.rate.max(1)));
        let (unit, limit, most) = match rule.algorithm {
            Algorithm::Gcra => {
                let unit = clip(period.div_ceil(rate));
                let limit = clip(u128::from(rule.burst.max(1)) * period.div_ceil(rate));
                (unit, limit, limit / unit)
            }
            Algorithm::Window => {
                let width = clip(period.div_ceil(SLOTS.unsigned_abs().into()));
                let quota = i64::from(rule.rate.max(1));
                (width, quota, quota)
            }
        };
        Self { algorithm: rule.algorithm, unit, limit, most }
    }

    /// What so many units are in the measure of the limit.
    pub fn measure(&self, units: i64) -> i64 {
        match self.algorithm {
            Algorithm::Gcra => units.saturating_mul(self.unit),
            Algorithm::Window => units,
        }
    }

    /// Units that `cost` is while the penalty box multiplies by `times`. What fitted under the whole
    /// limit fits under a shrunken one too, after a longer wait.
    pub fn priced(&self, cost: i64, times: i64) -> i64 {
        cost.saturating_mul(times).min(cost.max(self.most))
    }
}

impl PenaltyBox {
    /// Blocks, microseconds and the most that the price is multiplied by.
    pub fn in_numbers(&self) -> (i64, i64, i64) {
        let forgive = clip(self.forgive.as_micros()).max(1_000);
        (self.after.max(1).into(), forgive, self.most.clamp(1, 1_024).into())
    }

    /// Blocks that are kept on record at most: more would shrink the limit no further.
    pub fn kept(&self) -> i64 {
        i64::from(self.after.max(1)) + 10
    }

    /// When all is forgiven after a further block, given when it was before.
    pub fn after_block(&self, forgiven_at: i64, now: i64) -> i64 {
        let (_, forgive, _) = self.in_numbers();
        let most = now.saturating_add(forgive.saturating_mul(self.kept()));
        (forgiven_at.max(now) + forgive).min(most)
    }
}

/// The multiplier of a penalty box whose blocks are all forgiven in `ahead` microseconds.
pub fn multiplier(after: i64, forgive: i64, most: i64, ahead: i64) -> i64 {
    let level = ahead.max(0).saturating_add(forgive - 1) / forgive;
    if level < after {
        return 1;
    }
    let halvings = u32::try_from(level - after + 1).unwrap_or(u32::MAX).min(10);
    (1_i64 << halvings).min(most)
}

/// Turns where each rule stands into one outcome, in the order of the rules.
pub fn judge(rules: &[LimitRule], standings: &[Standing]) -> LimitOutcome {
    let both = || rules.iter().zip(standings).enumerate();
    let refused = both()
        .filter(|(_, (rule, standing))| !rule.shadow && standing.wait != 0)
        .max_by_key(|(index, (_, standing))| {
            let wait = if standing.wait < 0 { i64::MAX } else { standing.wait };
            (wait, std::cmp::Reverse(*index))
        })
        .map(|(index, _)| index);
    let allowed = refused.is_none();
    let of_rules: Vec<RuleOutcome> =
        both().map(|(_, (rule, standing))| after(rule, standing, allowed)).collect();
    let tightest = refused.or_else(|| {
        let share = |(index, (rule, standing)): (usize, (&LimitRule, &Standing))| {
            let terms = Terms::of(rule);
            (index, left(&terms, standing, allowed) as f64 / terms.limit as f64)
        };
        both().map(share).min_by(|a, b| a.1.total_cmp(&b.1)).map(|(index, _)| index)
    });
    let retry_after = refused
        .and_then(|index| standings.get(index))
        .and_then(|standing| u64::try_from(standing.wait).ok())
        .map(Duration::from_micros);
    let remaining = tightest.and_then(|index| Some(of_rules.get(index)?.remaining));
    LimitOutcome { allowed, remaining, tightest, retry_after, refused, rules: of_rules }
}

/// What is left in the measure of the limit.
fn left(terms: &Terms, standing: &Standing, allowed: bool) -> i64 {
    let taken = if allowed && standing.wait == 0 { terms.measure(standing.units) } else { 0 };
    terms.limit.saturating_sub(standing.used).saturating_sub(taken).max(0)
}

fn after(rule: &LimitRule, standing: &Standing, allowed: bool) -> RuleOutcome {
    let terms = Terms::of(rule);
    let units = left(&terms, standing, allowed) / terms.measure(1);
    // At today's price: in the penalty box each unit takes several.
    let plain = i64::from(rule.cost) + i64::from(rule.reserve);
    let remaining = if standing.units > plain {
        i128::from(units) * i128::from(plain) / i128::from(standing.units)
    } else {
        i128::from(units)
    };
    RuleOutcome {
        fits: standing.wait == 0,
        remaining: u64::try_from(remaining).unwrap_or(0),
        reset: Duration::from_micros(u64::try_from(standing.reset).unwrap_or(0)),
    }
}
