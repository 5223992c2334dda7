//! The table of rights on a real nats-server.

#![expect(clippy::unwrap_used, reason = "tests: a panic is a failed test with its place")]

mod journals;
mod matrix;
mod rights;

use std::time::Duration;

use portcullis_bus_nats::admin;
use portcullis_testkit::shop;

/// No answer of a server on this machine takes this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sizes that fit any machine on which tests run.
fn small() -> admin::InitOptions {
    admin::InitOptions {
        journal_max_bytes: Some(64 * 1024 * 1024),
        submit_max_bytes: 1024 * 1024,
        held_max_bytes: 1024 * 1024,
        bots: vec![shop()],
        ..admin::InitOptions::default()
    }
}
