//! The real program, run as people run it: what it prints and how it exits.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this program is tests: a panic in a function that they share is a failed test with its place"
)]

mod admin;
mod audit;
mod audit_postgres;
mod audit_report;
mod bench;
mod check;
mod eval;
mod policy;
mod run;
mod scan;
mod watch;
