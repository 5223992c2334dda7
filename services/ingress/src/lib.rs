//! Ingress: the doors of Portcullis, and the conductor behind them.
//!
//! Three doors share one path ([`Gateway::check`]): request-reply on NATS, the durable queue on NATS, and
//! HTTP. Ingress alone holds policies, orders, keys and the state of conversations; stages are asked
//! through [`portcullis_pipeline::Pipeline`] and learn only what the plan lets them read.

pub mod admin;
pub mod config;
pub mod control;
pub mod doors;
mod gateway;
mod holding;
pub mod house;
mod once;
pub mod policies;
mod recording;
mod stand_in;
pub mod start;

pub use gateway::{Gateway, Parts, Throttling};
pub use holding::{CheckState, Resolve};
pub use portcullis_door::{Problem, auth, json, request};
pub use stand_in::StandIn;
