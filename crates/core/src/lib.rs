//! The words of Portcullis: what goes in, what a stage is asked and reports, and the one verdict
//! that comes out. No async runtime, no I/O, nothing of ours imported.
//!
//! Everything here that crosses a wire is JSON with a published schema (`schema`), and is read
//! leniently: unknown fields are ignored and an unknown word of an enum is read as the harshest one,
//! so that two releases can run side by side during a rolling update. Doors are strict and have
//! request types of their own.

mod ask;
mod clock;
mod finding;
mod gap;
mod ids;
mod interaction;
mod record;
mod report;
pub mod schema;
mod shape;
mod stage;
mod text;
mod verdict;
mod view;

pub use ask::{Ask, Budget, Factors, Known, Size};
pub use clock::{Clock, ManualClock, SystemClock};
pub use finding::{Edit, Finding, Masking, Place, Severity, Span};
pub use gap::{Cause, Effect, Gap};
pub use ids::{BotId, ConversationId, IdError, MessageId, SpeakerId, StageName};
pub use interaction::{ContextItem, ContextKind, Direction, Interaction};
pub use record::{
    Action, ActionRecord, Body, Entry, HeldCase, Order, Personal, Resolution, ResolutionRecord,
    Sealed, SummaryRecord, VerdictRecord,
};
pub use report::{
    Answered, Coverage, Learned, Limit, Measures, Moods, Part, Report, Shadow, Tone, ToneDirective,
};
pub use shape::{Shape, Sketch};
pub use stage::{Stage, StageError};
pub use text::Text;
pub use verdict::{Check, Decision, PolicyStamp, Recorded, Status, Streamed, Verdict};
pub use view::{Run, View, ViewKind};
