//! The bus on NATS: the ports of `portcullis-bus` on request-reply and JetStream, the serving loop
//! of stages and doors, and the making of streams and buckets.
//!
//! Connections are made by [`connect`] alone. What is asked and answered in the hot path is core
//! request-reply ([`Remote`], [`serve`], [`serve_requests`]); what must not be lost is JetStream
//! ([`NatsJournal`], [`NatsKv`], [`NatsHeld`], [`NatsOutbox`], [`SubmitQueue`], [`Dead`], [`NatsModels`]). The
//! two are never mixed. Streams and buckets are made by [`admin::init`], and by nobody else.

pub mod admin;
mod alerts;
mod connect;
mod dead;
mod events;
mod held;
mod journal;
pub mod journals;
mod kv;
pub mod lag;
mod micro;
mod models;
mod outbox;
mod remote;
mod requests;
mod stage;
mod store;
pub mod streams;
pub mod subjects;
mod submit;
pub mod trace;
mod wire;

pub use alerts::Alerts;
pub use async_nats::{Client, HeaderMap};
pub use connect::{ConnectError, ConnectOptions, Credentials, FirstTry, OLDEST_SERVER, connect};
pub use dead::Dead;
pub use held::NatsHeld;
pub use journal::NatsJournal;
pub use journals::Journals;
pub use kv::NatsKv;
pub use models::NatsModels;
pub use outbox::NatsOutbox;
pub use remote::Remote;
pub use requests::{Door, Refusal, Reply, Request, ServeError, Serving, Work, serve_requests};
pub use stage::{StageDoor, serve};
pub use store::OpenError;
pub use submit::{SubmitQueue, Submitted};
pub use wire::{BUDGET_HEADER, DEFAULT_BUDGET, ERROR_HEADER, STATUS_HEADER, error_word};
