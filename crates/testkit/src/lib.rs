//! What tests share: real servers on free ports, stages that misbehave on command, builders, and the
//! conformance suites that every form of a port must pass.
//!
//! The servers are found through `PORTCULLIS_NATS_SERVER`, `PORTCULLIS_REDIS_SERVER` and `PORTCULLIS_POSTGRES`,
//! then on `PATH`; the search engine through `PORTCULLIS_OPENSEARCH`. A server that is not there fails the test; no
//! test is skipped for the lack of one.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "this crate is tests: a panic here is a failed test with its place"
)]

mod build;
pub mod conformance;
mod fault;
mod nats;
mod opensearch;
mod postgres;
mod process;
mod proxy;
mod redis;
mod redis_groups;
mod wait;

pub use build::{ask, entry, interaction, numbered, second, shop, verdict_entry};
pub use fault::{FaultStage, Mood, answer_garbage};
pub use nats::{NatsOptions, NatsServer};
pub use opensearch::OpenSearch;
pub use postgres::{PostgresOptions, PostgresServer, SmallDisk};
pub use process::Process;
pub use proxy::{Proxy, Weather};
pub use redis::RedisServer;
pub use redis_groups::{RedisCluster, RedisSentinels};
pub use wait::eventually;
