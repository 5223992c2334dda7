//! The port that limits how much may come in how short a time.

use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::BotId;

/// One rule and what this check would cost under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitRule {
    /// What is counted. The caller has hashed it: it is stored as it is. No two rules of a check have
    /// the same key.
    pub key: String,
    /// Units that flow back in one `period`, evenly. At least 1 is taken, and at most one a microsecond.
    pub rate: u32,
    /// The period of `rate`. At least a microsecond is taken.
    pub period: Duration,
    /// Units that may come at once after a long rest. At least 1 is taken.
    pub burst: u32,
    /// Units that this check takes.
    pub cost: u32,
}

/// Several rules that must all admit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitCheck {
    /// Whose limits these are; all of them lie together in a store that is spread over machines.
    pub bot: BotId,
    /// The rules. With none, everything is admitted.
    pub rules: Vec<LimitRule>,
}

/// Whether a check was admitted. A refused check has taken nothing under any rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitOutcome {
    /// Whether all rules admitted it.
    pub allowed: bool,
    /// Units left after this check under the tightest rule: the one with the smallest share of its
    /// burst left, or the one that refused. `None` without rules.
    pub remaining: Option<u64>,
    /// Which rule that is, as an index into the check's rules.
    pub tightest: Option<usize>,
    /// On refusal: after this time the same check is admitted if nothing else comes before it.
    /// `None` on refusal means never, because it costs more than the burst.
    pub retry_after: Option<Duration>,
    /// Which rule refused, as an index into the check's rules: the one with the longest wait.
    pub refused: Option<usize>,
}

/// Why a limiter gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The store is away or did not answer in time: ask another limiter, and this one later.
    #[error("limit store away")]
    Away,
}

/// Counts and refuses.
#[async_trait]
pub trait Limiter: Send + Sync + 'static {
    /// Admits and charges under every rule, or refuses and charges under none.
    ///
    /// # Errors
    /// [`LimitError::Away`]; whether the check was charged is then unknown.
    async fn check(&self, check: &LimitCheck) -> Result<LimitOutcome, LimitError>;
}
