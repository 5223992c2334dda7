//! The replicas that are there, on Redis.

use std::time::Duration;

use async_trait::async_trait;
use portcullis_state::{LimitError, Presence};

use crate::Redis;
use crate::script::{Invocation, Script};

/// One sorted set of all replicas of one kind, by when each was last heard of.
pub struct RedisPresence {
    redis: Redis,
    key: String,
    script: Script,
}

impl RedisPresence {
    /// Replicas of a kind, such as `ingress`.
    pub fn new(redis: Redis, kind: &str) -> Self {
        let script = Script::new(include_str!("scripts/present.lua"));
        Self { redis, key: format!("portcullis:replicas:{kind}"), script }
    }
}

#[async_trait]
impl Presence for RedisPresence {
    async fn present(&self, me: &str, within: Duration) -> Result<u32, LimitError> {
        let mut call = Invocation::default();
        call.key(self.key.clone()).arg(me).arg(u64::try_from(within.as_micros()).unwrap_or(0));
        let there: u32 = self.redis.run(&self.script, &call).await.map_err(|_| LimitError::Away)?;
        Ok(there.max(1))
    }

    async fn leave(&self, me: &str) -> Result<(), LimitError> {
        let mut command = redis::cmd("ZREM");
        command.arg(&self.key).arg(me);
        self.redis.query::<i64>(&command).await.map(|_| ()).map_err(|_| LimitError::Away)
    }
}
