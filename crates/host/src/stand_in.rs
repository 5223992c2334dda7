//! The coarse limiter inside ingress: stands in for the stage rate-limit where that is missing. It counts
//! what this process sees, by the same rules, and admits this replica's share of each limit.

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_bus::{CallError, Caller};
use portcullis_core::{Ask, Clock, Report, StageName};
use portcullis_state::rules::Charges;
use portcullis_state::{Limiter, MemoryLimiter};

use crate::replicas::Replicas;

/// Answers for the stage rate-limit, and for no other.
pub struct StandIn {
    limiter: MemoryLimiter,
    replicas: Replicas,
}

impl StandIn {
    /// Nothing counted yet.
    pub fn new(clock: Arc<dyn Clock>, replicas: Replicas) -> Self {
        Self { limiter: MemoryLimiter::new(clock, MemoryLimiter::CAPACITY), replicas }
    }
}

#[async_trait]
impl Caller for StandIn {
    async fn call(&self, stage: &StageName, ask: &Ask) -> Result<Report, CallError> {
        if *stage != StageName::rate_limit() {
            return Err(CallError::Absent);
        }
        let charges = Charges::share(ask, self.replicas.seen())?;
        let outcome = match charges.check() {
            Some(check) => {
                Some(self.limiter.check(check).await.map_err(|_| CallError::Dependency)?)
            }
            None => None,
        };
        Ok(charges.report(outcome.as_ref(), Some("local")))
    }
}
