//! Conversations of one process, in memory.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use lru::LruCache;
use portcullis_core::{BotId, Clock};

use crate::{
    ConversationState, ConversationUpdate, Conversations, ConversationsOptions, StateError,
};

struct Kept {
    state: ConversationState,
    until: Instant,
}

type Cache = LruCache<(BotId, String), Kept>;

/// Keeps a bounded number of conversations; the one that was longest without use goes first.
pub struct MemoryConversations {
    clock: Arc<dyn Clock>,
    options: ConversationsOptions,
    kept: Mutex<Cache>,
}

impl MemoryConversations {
    /// No conversations yet.
    pub fn new(clock: Arc<dyn Clock>, options: ConversationsOptions) -> Self {
        let capacity = NonZeroUsize::new(options.capacity).unwrap_or(NonZeroUsize::MIN);
        Self { clock, options, kept: Mutex::new(LruCache::new(capacity)) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(
        &self,
        bot: &BotId,
        key: &str,
        change: impl FnOnce(&mut ConversationState, bool) -> bool,
    ) -> ConversationState {
        let (now, id) = (self.clock.instant(), (bot.clone(), key.to_owned()));
        let until = now + self.options.ttl;
        let mut kept = self.lock();
        let known = kept.pop(&id).filter(|known| known.until > now);
        let is_new = known.is_none();
        let mut known = known.unwrap_or_else(|| Kept { state: ConversationState::begin(), until });
        if change(&mut known.state, is_new) {
            known.until = until;
        }
        let state = known.state.clone();
        kept.put(id, known);
        state
    }
}

#[async_trait]
impl Conversations for MemoryConversations {
    async fn load(&self, bot: &BotId, key: &str) -> Result<Option<ConversationState>, StateError> {
        let now = self.clock.instant();
        let id = (bot.clone(), key.to_owned());
        Ok(self.lock().get(&id).filter(|kept| kept.until > now).map(|kept| kept.state.clone()))
    }

    async fn begin(&self, bot: &BotId, key: &str) -> Result<ConversationState, StateError> {
        Ok(self.change(bot, key, |_, is_new| is_new))
    }

    async fn update(
        &self,
        bot: &BotId,
        key: &str,
        update: &ConversationUpdate,
    ) -> Result<ConversationState, StateError> {
        Ok(self.change(bot, key, |state, _| {
            state.learn(update, self.options.values);
            true
        }))
    }
}
