//! The stages of the one process, for `up` and for the commands that check without a server.

use std::sync::Arc;

use anyhow::anyhow;
use portcullis_bus::Local;
use portcullis_core::Clock;
use portcullis_injection_classifier::InjectionClassifier;
use portcullis_moderation::Moderation;
use portcullis_rate_limit::RateLimit;
use portcullis_sanitizer::Sanitizer;
use portcullis_sentiment::Sentiment;
use portcullis_state::{Limiter, MemoryLimiter};
use portcullis_state_redis::{Redis, RedisLimiter};

/// Messages that a stage looks at at once. The doors admit no more than this, so that a stage is never
/// busy where everything is in one process.
const SEATS: usize = 1024;

/// Limits in Redis where there is one, else in memory.
pub(crate) fn limiter(redis: Option<Redis>, clock: &Arc<dyn Clock>) -> Arc<dyn Limiter> {
    match redis {
        Some(redis) => Arc::new(RedisLimiter::new(redis)),
        None => Arc::new(MemoryLimiter::new(clock.clone(), MemoryLimiter::CAPACITY)),
    }
}

/// Every stage, counting in `limiter`.
///
/// # Errors
/// Where the classifier's model cannot be loaded.
pub(crate) fn local(limiter: Arc<dyn Limiter>, clock: &Arc<dyn Clock>) -> anyhow::Result<Local> {
    Ok(Local::new()
        .with(Arc::new(RateLimit::new(limiter, None).with_clock(clock.clone())), SEATS)
        .with(Arc::new(Sanitizer), SEATS)
        .with(Arc::new(InjectionClassifier::new()?), SEATS)
        .with(Arc::new(Sentiment::new()?), SEATS)
        .with(Arc::new(Moderation), SEATS))
}

/// Lets every stage prove itself before the first message.
///
/// # Errors
/// Where one fails; says which.
pub(super) async fn warm_up(stages: &Local) -> anyhow::Result<()> {
    for stage in stages.stages() {
        let name = stage.name();
        stage.warm_up().await.map_err(|error| anyhow!("warm-up of {name}: {error}"))?;
    }
    Ok(())
}
