//! What the rules of a policy charge for a message, and what a limiter's answer means. Shared by the
//! stage rate-limit and by its stand-in inside ingress, so that both limit alike.

mod settings;

use std::net::IpAddr;
use std::time::Duration;

use portcullis_core::{Ask, Finding, Interaction, Report, Severity, StageError, StageName};
use sha2::{Digest, Sha256};

use crate::{LimitCheck, LimitOutcome, LimitRule, hex};
pub use settings::{Key, Per, Rule, Settings, Unit};

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "+gcra");

/// The rules of a policy as they apply to one message.
pub struct Charges {
    names: Vec<String>,
    check: LimitCheck,
    shadow: bool,
    given: usize,
}

impl Charges {
    /// Reads the settings in an ask and applies them to its message.
    ///
    /// # Errors
    /// `Unreadable` with the path of the setting that does not hold.
    pub fn of(ask: &Ask) -> Result<Self, StageError> {
        let settings: Settings = ask.settings()?;
        settings.validate().map_err(StageError::Unreadable)?;
        let applied =
            settings.rules.iter().filter_map(|rule| Some((rule.name.clone(), limit(rule, ask)?)));
        let (names, rules) = applied.unzip();
        let check = LimitCheck { bot: ask.interaction.bot.clone(), rules };
        Ok(Self { names, check, shadow: settings.shadow, given: ask.total_bytes() })
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
        let Some(outcome) = outcome else { return report };
        report.measures.remaining = outcome.remaining;
        if !outcome.allowed {
            let rule = outcome.refused.and_then(|index| self.names.get(index));
            report.findings.push(finding(rule.map(String::as_str), self.shadow, outcome));
            report.measures.retry_after_s = outcome.retry_after.map(whole_seconds);
        }
        report
    }
}

fn finding(rule: Option<&str>, shadow: bool, outcome: &LimitOutcome) -> Finding {
    let (kind, severity) = if shadow {
        ("rate.would_exceed", Severity::Info)
    } else {
        ("rate.exceeded", Severity::Medium)
    };
    let mut detail = format!("rule {}", rule.unwrap_or("unnamed"));
    if outcome.retry_after.is_none() {
        detail.push_str(": larger than its burst");
    }
    Finding::new(StageName::rate_limit(), kind, severity, 1.0).with_detail(detail)
}

/// Seconds, rounded up: whoever waits so long is not too early.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// What a rule means for this message, if it applies.
fn limit(rule: &Rule, ask: &Ask) -> Option<LimitRule> {
    let cost = match rule.unit {
        Unit::Messages => 1,
        Unit::Chars => u32::try_from(ask.size.chars).unwrap_or(u32::MAX).max(1),
    };
    Some(LimitRule {
        key: key(rule, &ask.interaction)?,
        rate: rule.rate,
        period: rule.per.duration(),
        burst: rule.burst.unwrap_or(rule.rate),
        cost,
    })
}

/// The name under which a rule counts for this message: a digest, so that no store sees who it is.
/// Speaker and conversation come here as keyed hashes already; an address does not.
fn key(rule: &Rule, interaction: &Interaction) -> Option<String> {
    let value = match rule.key {
        Key::Speaker => interaction.speaker.as_ref()?.as_str().to_owned(),
        Key::Conversation => interaction.conversation.as_ref()?.as_str().to_owned(),
        Key::Address => household(interaction.client_addr?).to_string(),
        Key::Bot => String::new(),
    };
    let mut hash = Sha256::new();
    for part in [interaction.bot.as_str(), &rule.name, &value] {
        hash.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().get(..16).map(hex::encode)
}

/// What one subscriber of a network is given: one IPv4 address, or an IPv6 network of 64 bits.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        v4 => v4,
    }
}
