//! Limits on Redis, shared by all replicas.

use async_trait::async_trait;
use portcullis_state::{Charge, LimitCheck, LimitError, LimitOutcome, Limiter, Standing, judge};
use redis::Script;

use crate::Redis;

/// GCRA in one script a check, all rules or none.
pub struct RedisLimiter {
    redis: Redis,
    script: Script,
}

impl RedisLimiter {
    /// Limits that are kept on `redis`.
    pub fn new(redis: Redis) -> Self {
        Self { redis, script: Script::new(include_str!("scripts/limit.lua")) }
    }
}

#[async_trait]
impl Limiter for RedisLimiter {
    async fn check(&self, check: &LimitCheck) -> Result<LimitOutcome, LimitError> {
        let charges: Vec<Charge> = check.rules.iter().map(Charge::of).collect();
        if charges.is_empty() {
            return Ok(judge(&[], &[]));
        }
        let mut call = self.script.prepare_invoke();
        for (rule, charge) in check.rules.iter().zip(&charges) {
            call.key(format!("portcullis:{{{}}}:limit:{}", check.bot, rule.key))
                .arg(charge.increment)
                .arg(charge.window);
        }
        let ahead: Vec<i64> = self.redis.run(&call).await.map_err(|_| LimitError::Away)?;
        if ahead.len() != charges.len() {
            return Err(LimitError::Away);
        }
        let standings: Vec<Standing> = charges
            .into_iter()
            .zip(ahead)
            .map(|(charge, ahead)| Standing::new(charge, ahead))
            .collect();
        Ok(judge(&check.rules, &standings))
    }
}
