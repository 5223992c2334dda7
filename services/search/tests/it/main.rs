//! Search against a scripted server, a real OpenSearch, and a real bus.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that unwraps fails with a place, which is what a test is for"
)]

mod bus;
mod documents;
mod engine;
mod objects;
mod outcomes;
mod scripted;
mod support;
