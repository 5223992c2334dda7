//! Rate limits as a process of its own, over Redis.

use std::sync::Arc;

use portcullis_config::StageConfig;
use portcullis_host::{Counters, Work};
use portcullis_rate_limit::RateLimit;
use portcullis_state_redis::RedisLimiter;

fn main() -> std::process::ExitCode {
    portcullis_service::run::<StageConfig<Counters>>("rate-limit", async |kit, config| {
        let limiter = RedisLimiter::new(portcullis_host::redis(&config.stage.redis)?);
        let stage = Arc::new(RateLimit::new(Arc::new(limiter), None));
        portcullis_host::stage(&kit, &config, Work::Waits, stage).await
    })
}
