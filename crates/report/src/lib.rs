//! The regular audit: what a period of the record says, as numbers and as a page for people.
//!
//! [`Collector`] takes rows one by one and holds a bounded amount of them; [`Report`] is what they come to, and
//! is the JSON form; [`Report::html`] is the page: one file, nothing loaded from elsewhere, no script.

mod collect;
mod figures;
mod html;
mod plot;
mod sample;

pub use collect::{Collector, Options};
pub use figures::{
    Change, Counted, FindingKind, Hole, Latency, Report, Resolutions, Shadowed, StageFigures,
    Volume,
};
pub use sample::Sampled;
