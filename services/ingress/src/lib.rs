//! Ingress: the doors of Portcullis, and the conductor behind them.
//!
//! Three doors share one path ([`Gateway::check`]): request-reply on NATS, the durable queue on NATS, and
//! HTTP. Ingress alone holds policies, orders, keys and the state of conversations; stages are asked
//! through [`portcullis_pipeline::Pipeline`] and learn only what the plan lets them read.

pub mod admin;
pub mod config;
mod conversation;
pub mod doors;
mod gateway;
mod holding;
pub mod house;
mod recording;
pub mod start;
mod streaming;
mod vault;

pub use gateway::{Gateway, Parts, Throttling};
pub use holding::{CheckState, Resolve};
pub use portcullis_door::{Problem, auth, json, request};
pub use portcullis_host::{Replicas, StandIn};
pub use portcullis_keep::{control, policies};
pub use portcullis_personal::Sealing;
pub use portcullis_streams as streams;
