//! Walks a plan: control → gate → clean → judges in parallel → decide. One verdict, always, in time:
//! [`Pipeline::run`] does not return a `Result`, and a stage that is down, slow, full or broken leaves a
//! gap in the receipt, never an absence of findings.
//!
//! Only this crate changes a text, and only by the edits that stages asked for.

mod ask;
mod edits;
mod examine;
pub mod placeholders;
mod receipt;
mod run;
mod shown;
pub mod told;
mod vault;
mod walk;

pub use edits::MaskHash;
pub use receipt::gap;
pub use run::{Given, Identity, Memory, Pipeline};
pub use shown::for_bot;
pub use vault::Vaulting;
pub use walk::Outcome;
