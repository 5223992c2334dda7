//! Policies: one document per bot says which checks run, what their findings and gaps mean, and what a
//! person may be shown. Findings and gaps in, one decision out; pure, and monotone: one finding more
//! never makes the decision milder.
//!
//! ```
//! use portcullis_core::BotId;
//! use portcullis_policy::Policy;
//!
//! let bot = BotId::parse("shop")?;
//! let policy = Policy::parse(&bot, "1", "mode = 'shadow'\n[limits]\ntotal_bytes = 65536\n")?;
//! assert_eq!(policy.document().limits.total_bytes, 65536);
//! let refused = Policy::parse(&bot, "2", "mode = 'shadov'").unwrap_err();
//! assert_eq!((refused.line, refused.column), (1, 8));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decide;
mod document;
mod error;
mod plan;
mod policy;
mod streams;

pub use decide::{Judgement, decide, judge, rewritten};
pub use document::{
    Detail, Document, KeepText, Limits, Mode, OnGap, Placeholders, Read, Replies, Review, Rule,
    StageSection, Way,
};
pub use error::PolicyError;
pub use plan::{Call, Plan, Step, StepName};
pub use policy::Policy;
pub use streams::{OnHoldLimit, Streams};
