//! Rate limits as a process of its own, over Redis.

use std::sync::Arc;

use portcullis_config::StageConfig;
use portcullis_host::{Counters, Work};
use portcullis_rate_limit::{RateLimit, Settler};
use portcullis_state_redis::RedisLimiter;

fn main() -> std::process::ExitCode {
    portcullis_service::run::<StageConfig<Counters>>("rate-limit", async |kit, config| {
        let limiter = Arc::new(RedisLimiter::new(portcullis_host::redis(&config.stage.redis)?));
        let client = portcullis_host::nats(&config.nats, kit.name()).await?;
        let settler = Settler::new(portcullis_host::journal(&client), limiter.clone());
        kit.tasks().spawn("settler", settler.run(kit.shutdown().clone()));
        let stage = Arc::new(RateLimit::new(limiter, None));
        portcullis_host::stage_on(&kit, &config, Work::Waits, stage, client).await
    })
}
