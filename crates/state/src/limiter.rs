//! The port that limits how much may come in how short a time.

use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::BotId;

/// How a rule counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// The generic cell rate algorithm: units flow back evenly, and `burst` of them may come at once.
    #[default]
    Gcra,
    /// A sliding window: in no stretch of `period` more than `rate` units.
    Window,
}

/// A limit that shrinks while its key has blocks on record. From the `after`-th block on each one halves
/// it, and one is forgiven in every `forgive`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PenaltyBox {
    /// Blocks on record at which the limit is halved for the first time. At least 1 is taken.
    pub after: u32,
    /// Time in which one block is forgiven. At least a millisecond is taken.
    pub forgive: Duration,
    /// The limit shrinks to no less than one part in so many. At least 1 is taken, at most 1024.
    pub most: u32,
}

/// One rule and what this check would cost under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitRule {
    /// What is counted. The caller has hashed it: it is stored as it is. No two rules of a check have
    /// the same key.
    pub key: String,
    /// How it counts.
    pub algorithm: Algorithm,
    /// Units that flow back in one `period`. At least 1 is taken, and at most one a microsecond.
    pub rate: u32,
    /// The period of `rate`. At least a microsecond is taken.
    pub period: Duration,
    /// Units that may come at once after a long rest; of GCRA alone. At least 1 is taken.
    pub burst: u32,
    /// Units that this check takes.
    pub cost: u32,
    /// Further units that it takes until they are settled, or for the check's `reserve_for`.
    pub reserve: u32,
    /// Whether a limit shrinks by blocks.
    pub penalty: Option<PenaltyBox>,
    /// Counts, and never refuses: where it would, it takes nothing and says so.
    pub shadow: bool,
}

impl Default for LimitRule {
    /// One message a second under an empty key.
    fn default() -> Self {
        Self {
            key: String::new(),
            algorithm: Algorithm::Gcra,
            rate: 1,
            period: Duration::from_secs(1),
            burst: 1,
            cost: 1,
            reserve: 0,
            penalty: None,
            shadow: false,
        }
    }
}

/// What is kept of an admitted check until it is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Its name within the bot. The caller has hashed it.
    pub id: String,
    /// What the caller wants back when it settles; opaque to the store.
    pub body: String,
    /// How long it is kept.
    pub keep: Duration,
    /// How long reserved units stay taken when nobody settles them.
    pub reserve_for: Duration,
}

/// Several rules that must all admit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitCheck {
    /// Whose limits these are; all of them lie together in a store that is spread over machines.
    pub bot: BotId,
    /// The rules. With none, everything is admitted.
    pub rules: Vec<LimitRule>,
    /// Kept where the check is admitted. Without one nothing is reserved.
    pub ticket: Option<Ticket>,
}

/// Where a rule stands after a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleOutcome {
    /// Whether the check fitted under this rule.
    pub fits: bool,
    /// Units left.
    pub remaining: u64,
    /// Time after which the whole limit is there again.
    pub reset: Duration,
}

/// Whether a check was admitted. A refused check has taken nothing under any rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitOutcome {
    /// Whether all rules admitted it, those in shadow aside.
    pub allowed: bool,
    /// Units left after this check under the tightest rule: the one with the smallest share of its
    /// limit left, or the one that refused. `None` without rules.
    pub remaining: Option<u64>,
    /// Which rule that is, as an index into the check's rules.
    pub tightest: Option<usize>,
    /// On refusal: after this time the same check is admitted if nothing else comes before it.
    /// `None` on refusal means never, because it costs more than the limit.
    pub retry_after: Option<Duration>,
    /// Which rule refused, as an index into the check's rules: the one with the longest wait.
    pub refused: Option<usize>,
    /// Each rule's own standing, in the order of the check's rules.
    pub rules: Vec<RuleOutcome>,
}

/// A change of one rule's count after the fact. It is never refused: what does not fit under the limit
/// any more is let go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The rule as it was checked.
    pub rule: LimitRule,
    /// Its index in the check.
    pub index: usize,
    /// Units to take, or to give back where negative.
    pub units: i64,
    /// Whether the reserved units are given back, if they are still taken.
    pub release: bool,
    /// Whether a block goes on record in the rule's penalty box.
    pub block: bool,
}

/// All changes that one entry of the record causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Whose limits these are.
    pub bot: BotId,
    /// The ticket of the check.
    pub ticket: String,
    /// What names the entry; the same one twice changes nothing.
    pub entry: String,
    /// The changes.
    pub changes: Vec<Change>,
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
    /// Admits and charges under every rule, or refuses and charges under none; in one step that no other
    /// check comes between.
    ///
    /// # Errors
    /// [`LimitError::Away`]; whether the check was charged is then unknown.
    async fn check(&self, check: &LimitCheck) -> Result<LimitOutcome, LimitError>;

    /// The body of a ticket that is still kept.
    ///
    /// # Errors
    /// [`LimitError::Away`].
    async fn ticket(&self, bot: &BotId, id: &str) -> Result<Option<String>, LimitError>;

    /// Applies a settlement in one step, once for each of its entries. `false` where the ticket is gone
    /// or the entry was applied before.
    ///
    /// # Errors
    /// [`LimitError::Away`]; the settlement may be given again.
    async fn settle(&self, settlement: &Settlement) -> Result<bool, LimitError>;
}

/// Counts who is there.
#[async_trait]
pub trait Presence: Send + Sync + 'static {
    /// Says that the replica `me` is there, and counts those who said so within the last `within`; at
    /// least 1.
    ///
    /// # Errors
    /// [`LimitError::Away`].
    async fn present(&self, me: &str, within: Duration) -> Result<u32, LimitError>;

    /// Says that the replica `me` is leaving.
    ///
    /// # Errors
    /// [`LimitError::Away`]; it is then forgotten after its time.
    async fn leave(&self, me: &str) -> Result<(), LimitError>;
}
