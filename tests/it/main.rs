//! What holds for Portcullis as a whole: its architecture, its contract on the wire, its documents, and the
//! conformance of every form of a port. Real servers are found as `portcullis_testkit` says.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a panic is a failed test with its place"
)]

mod architecture;
mod asyncapi;
mod charts;
mod conformance;
mod contract;
mod docs;
mod e2e;
mod faults;
mod golden;
mod observed;
mod rules;
mod sameness;
mod samples;
mod security;
mod source;
mod support;
mod workspace;
