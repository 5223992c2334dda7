//! Conversations on Redis, shared by all replicas.

use crate::Redis;
use crate::script::{Invocation, Script};
use async_trait::async_trait;
use portcullis_core::{BotId, Moods};
use portcullis_state::{
    ConversationState, ConversationUpdate, Conversations, ConversationsOptions, POLARITY_WEIGHT,
    StateError, fresh_salt,
};

/// Salt, turns, polarity and the three moods (each a number or nothing), values.
type Row = (String, u32, [String; 4], Vec<String>);

/// Conversations in one hash and one sorted set each.
pub struct RedisConversations {
    redis: Redis,
    options: ConversationsOptions,
    load: Script,
    update: Script,
}

impl RedisConversations {
    /// Conversations that are kept on `redis`; their number is bounded by their life time alone.
    pub fn new(redis: Redis, options: ConversationsOptions) -> Self {
        Self {
            redis,
            options,
            load: Script::new(include_str!("scripts/load.lua")),
            update: Script::new(include_str!("scripts/update.lua")),
        }
    }

    async fn change(
        &self,
        bot: &BotId,
        key: &str,
        update: Option<&ConversationUpdate>,
    ) -> Result<ConversationState, StateError> {
        let mut call = Invocation::default();
        with_keys(&mut call, bot, key);
        let polarity = update.and_then(ConversationUpdate::clean_polarity);
        let moods = update.and_then(ConversationUpdate::clean_moods).map(|moods| moods.scores());
        let [distress, agitation, urgency] = moods.map_or([None; 3], |scores| scores.map(Some));
        call.arg(fresh_salt())
            .arg(u64::try_from(self.options.ttl.as_millis()).unwrap_or(u64::MAX >> 16))
            .arg(self.options.values)
            .arg(u8::from(update.is_some()))
            .arg(update.map_or(0, |update| update.turns))
            .arg(POLARITY_WEIGHT);
        for mean in [polarity, distress, agitation, urgency] {
            call.arg(mean.map(|mean| mean.to_string()).unwrap_or_default());
        }
        for digest in update.into_iter().flat_map(ConversationUpdate::digests) {
            call.arg(digest);
        }
        self.redis.run(&self.update, &call).await.map(state).map_err(|_| StateError::Away)
    }
}

fn with_keys(call: &mut Invocation, bot: &BotId, key: &str) {
    call.key(format!("portcullis:{{{bot}}}:conversation:{key}"))
        .key(format!("portcullis:{{{bot}}}:values:{key}"));
}

fn state((salt, turns, [polarity, moods @ ..], values): Row) -> ConversationState {
    let moods = moods.map(|score| score.parse().ok());
    let moods = match moods {
        [Some(distress), Some(agitation), Some(urgency)] => {
            Some(Moods { distress, agitation, urgency })
        }
        _ => None,
    };
    ConversationState { salt, values, polarity: polarity.parse().ok(), moods, turns }
}

#[async_trait]
impl Conversations for RedisConversations {
    async fn load(&self, bot: &BotId, key: &str) -> Result<Option<ConversationState>, StateError> {
        let mut call = Invocation::default();
        with_keys(&mut call, bot, key);
        let row: Option<Row> =
            self.redis.run(&self.load, &call).await.map_err(|_| StateError::Away)?;
        Ok(row.map(state))
    }

    async fn begin(&self, bot: &BotId, key: &str) -> Result<ConversationState, StateError> {
        self.change(bot, key, None).await
    }

    async fn update(
        &self,
        bot: &BotId,
        key: &str,
        update: &ConversationUpdate,
    ) -> Result<ConversationState, StateError> {
        self.change(bot, key, Some(update)).await
    }
}
