//! Answers that are checked while they are being written: the session, the task that runs it, and its doors on NATS
//! and HTTP. What is decided is decided by the gateway behind it, the [`Conductor`].

mod conductor;
mod given_back;
pub mod http;
pub mod nats;
mod run;
mod session;

pub use conductor::{Conductor, Ended, Opening, settle};
pub use session::{Released, Session};
