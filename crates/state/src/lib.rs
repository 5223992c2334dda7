//! What outlives a single message: counters of limits, state of conversations, and the sealing of
//! what must not be read by the store that keeps it.
//!
//! `Limiter` and `Conversations` are ports; their forms in memory are here, their forms on Redis in
//! `state-redis`. Both forms pass the same conformance tests, which live there.

mod conversations;
mod gcra;
mod hex;
mod limiter;
mod memory_conversations;
mod memory_limiter;
pub mod rules;
mod seal;

pub use conversations::{
    ConversationState, ConversationUpdate, Conversations, ConversationsOptions, POLARITY_WEIGHT,
    StateError, VALUE_BYTES, fresh_salt,
};
pub use gcra::{Charge, Standing, judge};
pub use limiter::{LimitCheck, LimitError, LimitOutcome, LimitRule, Limiter};
pub use memory_conversations::MemoryConversations;
pub use memory_limiter::MemoryLimiter;
pub use seal::{SealError, Sealer};
