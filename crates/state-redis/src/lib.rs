//! The ports of `state` on Redis: one connection, one script an operation, the server's own clock.
//!
//! Keys begin with `portcullis:{bot}:`; the braces are the hash tag, so that all keys of one bot lie
//! in one slot of a cluster and a script may touch several.

mod connect;
mod conversations;
mod limiter;
mod link;
mod presence;
mod script;
mod vault;

pub use connect::{ConnectError, Redis, RedisOptions, Tls, Topology, connect};
pub use conversations::RedisConversations;
pub use limiter::RedisLimiter;
pub use presence::RedisPresence;
pub use vault::RedisVault;
