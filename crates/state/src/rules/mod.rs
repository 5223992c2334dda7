//! What the rules of a policy charge for a message, and what a limiter's answer means. Shared by the
//! stage rate-limit and by its stand-in inside ingress, so that both limit alike.

mod key;
mod settings;
mod settle;

use std::time::Duration;

use portcullis_core::{Ask, Factors, Finding, Limit, Report, Severity, StageError, StageName};

use crate::{LimitCheck, LimitOutcome, LimitRule, PenaltyBox, Ticket};
pub use settings::{Algorithm, Costs, Key, Keys, Penalty, Per, Rule, Settings, Unit};
pub use settle::{Settling, ticket_id};

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "+rules-2");

/// The rules of a policy as they apply to one message.
pub struct Charges {
    rules: Vec<Charged>,
    check: LimitCheck,
    shadow: bool,
    given: usize,
    replicas: Option<u32>,
}

/// A rule as it applies to one message.
struct Charged {
    rule: Rule,
    /// By how much its limit is scaled.
    factor: f64,
}

impl Charges {
    /// Reads the settings in an ask and applies them to its message.
    ///
    /// # Errors
    /// `Unreadable` with the path of the setting that does not hold.
    pub fn of(ask: &Ask) -> Result<Self, StageError> {
        Self::shared(ask, None)
    }

    /// The same for one of so many replicas that do not know what the others admit: each has its share of
    /// every limit.
    ///
    /// # Errors
    /// As [`Charges::of`].
    pub fn share(ask: &Ask, replicas: u32) -> Result<Self, StageError> {
        Self::shared(ask, Some(replicas.max(1)))
    }

    fn shared(ask: &Ask, replicas: Option<u32>) -> Result<Self, StageError> {
        let settings: Settings = ask.settings()?;
        settings.validate().map_err(StageError::Unreadable)?;
        let share = 1.0 / f64::from(replicas.unwrap_or(1));
        let (mut rules, mut limits) = (Vec::new(), Vec::new());
        for rule in settings.rules {
            let Some(key) = key::of(&rule, ask) else { continue };
            let factor = factor(&rule, &ask.known.factors) * share;
            limits.push(limit(&rule, key, factor, ask));
            rules.push(Charged { rule, factor });
        }
        let settles = rules.iter().any(|charged| charged.rule.settles());
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let ticket = settles.then(|| Ticket {
            id: ticket_id(&ask.interaction.id),
            body: settle::body(&rules, &limits),
            keep: seconds(settings.settle_within_s),
            reserve_for: seconds(settings.reserve_for_s),
        });
        let check = LimitCheck { bot: ask.interaction.bot.clone(), rules: limits, ticket };
        let given = ask.total_bytes();
        Ok(Self { rules, check, shadow: settings.shadow, given, replicas })
    }

    /// What a limiter is to be asked; `None` where no rule applies.
    pub fn check(&self) -> Option<&LimitCheck> {
        (!self.check.rules.is_empty()).then_some(&self.check)
    }

    /// The report: clean where no rule applied, otherwise by the limiter's answer.
    pub fn report(&self, outcome: Option<&LimitOutcome>, mode: Option<&str>) -> Report {
        // No text is read: whatever was given, nothing of it was left out.
        let mut report = Report::clean(VERSION, self.given);
        report.mode = mode.map(str::to_owned);
        report.measures.replicas = self.replicas;
        let Some(outcome) = outcome else { return report };
        let limits = self.rules.iter().zip(&self.check.rules).zip(&outcome.rules);
        report.measures.limits = limits
            .map(|((charged, limit), standing)| {
                charged.limit(limit, standing.remaining, standing.reset)
            })
            .collect();
        let at = |index: usize| report.measures.limits.get(index);
        report.measures.remaining =
            outcome.tightest.and_then(at).map(|limit| limit.remaining).or(outcome.remaining);
        for (charged, standing) in self.rules.iter().zip(&outcome.rules) {
            if charged.rule.shadow && !standing.fits {
                report.findings.push(finding(Some(&charged.rule.name), true, false));
            }
        }
        if !outcome.allowed {
            let rule = outcome.refused.and_then(|index| self.rules.get(index));
            let name = rule.map(|charged| charged.rule.name.as_str());
            report.findings.push(finding(name, self.shadow, outcome.retry_after.is_none()));
            report.measures.retry_after_s = outcome.retry_after.map(whole_seconds);
        }
        report
    }
}

impl Charged {
    fn limit(&self, limit: &LimitRule, remaining: u64, reset: Duration) -> Limit {
        let rule = &self.rule;
        let scaled = |units: u64| (units as f64 * self.factor).floor() as u64;
        let quota = u64::from(rule.capacity());
        // GCRA gives its burst back in the time that so many units take at its rate.
        let window = match rule.algorithm {
            Algorithm::Gcra => limit.period.as_secs_f64() * quota as f64 / f64::from(rule.rate),
            Algorithm::Window => limit.period.as_secs_f64(),
        };
        Limit {
            name: rule.name.clone(),
            quota: scaled(quota).max(1),
            window_s: (window.ceil() as u64).max(1),
            unit: rule.unit.word().to_owned(),
            remaining: scaled(remaining),
            reset_s: if reset.is_zero() { 0 } else { whole_seconds(reset) },
        }
    }
}

impl Unit {
    /// The word in headers: `requests` is the draft's, the others are ours.
    pub fn word(self) -> &'static str {
        match self {
            Self::Messages => "requests",
            Self::Chars => "characters",
            Self::Tokens => "tokens",
        }
    }
}

fn finding(rule: Option<&str>, shadow: bool, never: bool) -> Finding {
    let (kind, severity) = if shadow {
        ("rate.would_exceed", Severity::Info)
    } else {
        ("rate.exceeded", Severity::Medium)
    };
    let mut detail = format!("rule {}", rule.unwrap_or("unnamed"));
    if never {
        detail.push_str(": larger than its limit");
    }
    Finding::new(StageName::rate_limit(), kind, severity, 1.0).with_detail(detail)
}

/// Seconds, rounded up: whoever waits so long is not too early.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// Tokens of so many bytes, as the unit describes them.
fn tokens(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(4)).unwrap_or(u32::MAX)
}

/// By how much orders scale a rule: the smallest factor that is on one of its keys.
fn factor(rule: &Rule, factors: &Factors) -> f64 {
    let of_keys = rule.key.all().iter().map(|key| match key {
        Key::Speaker => factors.speaker,
        Key::Conversation => factors.conversation,
        Key::Address | Key::Network | Key::Host => factors.address,
        Key::ApiKey | Key::Bot => None,
    });
    let smallest = of_keys.chain([factors.everybody]).flatten().reduce(f64::min);
    // What is no number was meant to slow somebody down.
    smallest
        .map_or(1.0, |factor| if factor.is_finite() { factor.clamp(0.001, 1_000.0) } else { 0.001 })
}

/// Units at a scaled limit. What fits under the whole limit fits under a smaller one, after a longer wait.
fn scaled(units: u32, factor: f64, capacity: u32) -> u32 {
    let price = (f64::from(units) / factor).ceil();
    (price as u32).min(units.max(capacity))
}

/// What a rule means for this message.
fn limit(rule: &Rule, key: String, factor: f64, ask: &Ask) -> LimitRule {
    let cost = match rule.unit {
        Unit::Messages => 1,
        Unit::Chars => u32::try_from(ask.size.chars).unwrap_or(u32::MAX).max(1),
        Unit::Tokens => tokens(ask.size.bytes).max(1),
    };
    let capacity = rule.capacity();
    let price = scaled(cost, factor, capacity);
    let whole = scaled(cost.saturating_add(rule.reserve), factor, capacity);
    LimitRule {
        key,
        algorithm: match rule.algorithm {
            Algorithm::Gcra => crate::Algorithm::Gcra,
            Algorithm::Window => crate::Algorithm::Window,
        },
        rate: rule.rate,
        period: rule.per.duration(),
        burst: capacity,
        cost: price,
        reserve: whole.saturating_sub(price),
        penalty: rule.penalty.map(|penalty| PenaltyBox {
            after: penalty.after,
            forgive: Duration::from_secs(penalty.forgive_s.into()),
            most: penalty.at_most,
        }),
        shadow: rule.shadow,
    }
}
