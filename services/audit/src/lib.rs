//! Audit: carries the journal into the ledger, and tells others what was signed.
//!
//! [`Auditor`] carries a journal that lives elsewhere into a [`portcullis_ledger::Store`].

mod auditor;
pub mod checkpoints;
pub mod database;
pub mod personal;
pub mod start;

#[cfg(test)]
mod tests;

pub use auditor::{Auditor, AuditorOptions, Dead};
