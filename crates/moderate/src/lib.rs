//! What a bot must not say, as far as it stands at a place of its answer: leaks, the system prompt, links that
//! carry data out, and a bot's own guidelines. Pure: no I/O, no clock, no state.
//!
//! [`Rules`] are compiled once from a policy's [`Settings`] and kept by the settings' digest. [`Rules::places`]
//! finds what stands at a place, in a whole answer as in a part of one; [`Rules::whole`] what can be said of a
//! whole alone. [`Stream`] feeds an answer through the same rules while it is being written.
//!
//! Architecture invariant: every check is linear in the length of the text, whatever the text and the
//! settings are.

mod encoded;
mod form;
mod guidelines;
mod hit;
mod hold;
mod leak;
mod links;
mod patterns;
mod prompt;
mod rules;
mod settings;
mod stream;
mod urls;
mod words;

pub use hit::Hit;
pub use leak::Known;
pub use prompt::{SHINGLE, register};
pub use rules::{Rules, RulesError};
pub use settings::{
    Category, Disclaimer, Guidelines, JsonForm, Level, Levels, Links, Pattern, Settings,
    SystemPrompt, Topic, UnsafeContent, Words,
};
pub use stream::{Act, Bounds, Fed, Overflow, Stream};

/// Date of the newest change to any rule of this crate; part of the version of the stage that uses it.
pub const RULES: &str = "2026-11-27";
