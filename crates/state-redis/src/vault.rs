//! The vault on Redis, shared by all replicas.

use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::BotId;
use portcullis_state::{Entrusted, Kept, StateError, VAULT_VALUES, Vault};

use crate::Redis;
use crate::script::{Invocation, Script};

/// Sealed values in one hash for each conversation.
pub struct RedisVault {
    redis: Redis,
    entrust: Script,
    all: Script,
}

impl RedisVault {
    /// A vault that is kept on `redis`.
    pub fn new(redis: Redis) -> Self {
        Self {
            redis,
            entrust: Script::new(include_str!("scripts/entrust.lua")),
            all: Script::new("return redis.call('HGETALL', KEYS[1])"),
        }
    }
}

/// In the hash slot of its bot, like everything of that bot.
fn key_of(bot: &BotId, key: &str) -> String {
    format!("portcullis:{{{bot}}}:vault:{key}")
}

#[async_trait]
impl Vault for RedisVault {
    async fn entrust(
        &self,
        bot: &BotId,
        key: &str,
        values: &[Entrusted],
        ttl: Duration,
    ) -> Result<Vec<Option<u32>>, StateError> {
        let mut call = Invocation::default();
        call.key(key_of(bot, key))
            .arg(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX >> 16).max(1))
            .arg(VAULT_VALUES);
        for value in values {
            let newest = value.hashes.first().map(String::as_str).unwrap_or_default();
            let previous = value.hashes.get(1).map(String::as_str).unwrap_or_default();
            call.arg(&value.entity).arg(newest).arg(previous).arg(value.sealed.as_slice());
        }
        let numbers: Vec<u32> =
            self.redis.run(&self.entrust, &call).await.map_err(|_| StateError::Away)?;
        if numbers.len() != values.len() {
            return Err(StateError::Away);
        }
        Ok(numbers.into_iter().map(|number| (number > 0).then_some(number)).collect())
    }

    async fn all(&self, bot: &BotId, key: &str) -> Result<Vec<Kept>, StateError> {
        let mut call = Invocation::default();
        call.key(key_of(bot, key));
        let fields: Vec<(String, Vec<u8>)> =
            self.redis.run(&self.all, &call).await.map_err(|_| StateError::Away)?;
        Ok(fields.into_iter().filter_map(kept).collect())
    }
}

/// A field `v:<entity>:<number>` with the value `<hash>:<sealed>`.
fn kept((field, value): (String, Vec<u8>)) -> Option<Kept> {
    let (entity, number) = field.strip_prefix("v:")?.rsplit_once(':')?;
    let at = value.iter().position(|byte| *byte == b':')?;
    let (hash, sealed) = value.split_at_checked(at)?;
    Some(Kept {
        entity: entity.to_owned(),
        number: number.parse().ok()?,
        hash: String::from_utf8(hash.to_vec()).ok()?,
        sealed: sealed.get(1..)?.to_vec(),
    })
}
