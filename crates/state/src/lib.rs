//! What outlives a single message: counters of limits, state of conversations, and the sealing of
//! what must not be read by the store that keeps it.
//!
//! `Limiter` and `Conversations` are ports; their forms in memory are here, their forms on Redis in
//! `state-redis`. Both forms pass the same conformance tests, which live there.

mod account;
mod breaker;
mod conversations;
mod hex;
mod limiter;
mod memory_conversations;
mod memory_limiter;
mod memory_vault;
pub mod rules;
mod seal;
mod terms;
mod vault;

pub use breaker::Breaker;
pub use conversations::{
    ConversationState, ConversationUpdate, Conversations, ConversationsOptions, POLARITY_WEIGHT,
    StateError, VALUE_BYTES, fresh_salt,
};
pub use limiter::{
    Algorithm, Change, LimitCheck, LimitError, LimitOutcome, LimitRule, Limiter, PenaltyBox,
    Presence, RuleOutcome, Settlement, Ticket,
};
pub use memory_conversations::MemoryConversations;
pub use memory_limiter::{ENTRIES, MemoryLimiter};
pub use memory_vault::MemoryVault;
pub use seal::{SealError, Sealer};
pub use terms::{SLOTS, Standing, Terms, judge, multiplier};
pub use vault::{Entrusted, Keeper, Kept, Opened, VAULT_BYTES, VAULT_VALUES, Vault};
