//! The gate: limits how much a speaker, an address, a conversation or a whole bot may send.

mod settler;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::{Ask, Clock, Report, Stage, StageError, StageName, SystemClock};
use portcullis_state::rules::Charges;
use portcullis_state::{Breaker, LimitCheck, LimitOutcome, Limiter};

pub use portcullis_state::rules::{
    Algorithm, Costs, Key, Keys, Penalty, Per, Rule, Settings, Unit,
};
pub use settler::{READER, Settler};

/// The longest that a message waits for the limiter.
const PATIENCE: Duration = Duration::from_millis(20);

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
        let charges = Charges::of(ask)?;
        let outcome = match charges.check() {
            Some(check) => Some(self.ask_limiter(check, PATIENCE.min(ask.budget.left())).await?),
            None => None,
        };
        Ok(charges.report(outcome.as_ref(), self.mode))
    }
}
