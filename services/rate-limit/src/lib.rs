//! The gate: limits how much a speaker, an address, a conversation or a whole bot may send.

mod breaker;
mod settings;

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::{
    Ask, Clock, Finding, Interaction, Report, Severity, Stage, StageError, StageName, SystemClock,
};
use portcullis_state::{LimitCheck, LimitOutcome, LimitRule, Limiter};
use sha2::{Digest, Sha256};

use breaker::Breaker;
pub use settings::{Key, Per, Rule, Settings, Unit};

/// The longest that a message waits for the limiter.
const PATIENCE: Duration = Duration::from_millis(20);

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "+gcra");

/// The stage `rate-limit` over any limiter.
pub struct RateLimit {
    limiter: Arc<dyn Limiter>,
    mode: Option<&'static str>,
    clock: Arc<dyn Clock>,
    breaker: Breaker,
}

impl RateLimit {
    /// A stage that asks `limiter`; `mode` stands in its reports, such as `local` for a limiter that
    /// does not know of other replicas.
    pub fn new(limiter: Arc<dyn Limiter>, mode: Option<&'static str>) -> Self {
        Self { limiter, mode, clock: Arc::new(SystemClock), breaker: Breaker::default() }
    }

    /// Takes the time for its breaker from `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    async fn ask_limiter(
        &self,
        check: &LimitCheck,
        patience: Duration,
    ) -> Result<LimitOutcome, StageError> {
        const AWAY: StageError = StageError::Dependency("redis");
        if !self.breaker.admits(self.clock.instant()) {
            return Err(AWAY);
        }
        match tokio::time::timeout(patience, self.limiter.check(check)).await {
            Ok(Ok(outcome)) => {
                self.breaker.succeeded();
                Ok(outcome)
            }
            Ok(Err(_)) => {
                self.breaker.failed(self.clock.instant());
                Err(AWAY)
            }
            // A message that came with next to no time says nothing of the limiter.
            Err(_) if patience < PATIENCE => Err(StageError::Late),
            Err(_) => {
                self.breaker.failed(self.clock.instant());
                Err(AWAY)
            }
        }
    }
}

#[async_trait]
impl Stage for RateLimit {
    fn name(&self) -> StageName {
        StageName::rate_limit()
    }

    /// Charges the message under every rule that applies to it.
    ///
    /// # Errors
    /// `Unreadable` where the settings do not hold; `Dependency("redis")` where the limiter is away or
    /// took longer than 20 ms; `Late` where the budget was shorter than that and is spent.
    async fn check(&self, ask: &Ask) -> Result<Report, StageError> {
        let settings: Settings = ask.settings()?;
        settings.validate().map_err(StageError::Unreadable)?;
        let applied: Vec<(&Rule, LimitRule)> =
            settings.rules.iter().filter_map(|rule| Some((rule, limit(rule, ask)?))).collect();
        // It reads no text: whatever it was given, nothing of it was left out.
        let mut report = Report::clean(VERSION, ask.total_bytes());
        report.mode = self.mode.map(str::to_owned);
        if applied.is_empty() {
            return Ok(report);
        }
        let (named, rules): (Vec<&Rule>, Vec<LimitRule>) = applied.into_iter().unzip();
        let check = LimitCheck { bot: ask.interaction.bot.clone(), rules };
        let outcome = self.ask_limiter(&check, PATIENCE.min(ask.budget.left())).await?;
        report.measures.remaining = outcome.remaining;
        if !outcome.allowed {
            let rule = outcome.refused.and_then(|index| named.get(index));
            report.findings.push(finding(
                rule.map(|rule| rule.name.as_str()),
                settings.shadow,
                &outcome,
            ));
            report.measures.retry_after_s = outcome.retry_after.map(whole_seconds);
        }
        Ok(report)
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
    let digest = hash.finalize();
    Some(digest.iter().take(16).fold(String::with_capacity(32), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
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
