//! The ports of `state`, each test on the form in memory and on a real Redis; and Redis going away.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that unwraps fails with a place, which is what a test is for"
)]

mod connected;
mod conversations;
mod faults;
mod limiter;
mod limits;
mod model;
mod topologies;
mod vault;
