//! What a policy says of answers that are checked while they are being written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of a possible match that outgrows its bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnHoldLimit {
    /// It is released; what it turns out to be is found at the end.
    Pass,
    /// Nothing more is released until the answer is whole; then the verdict decides.
    #[default]
    Hold,
    /// The stream is stopped.
    Block,
}

/// Answers that are checked while they are being written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Streams {
    /// The stages are asked each time so many characters have come, 128 to 8192: unsafe content is stopped
    /// at most so many characters after it began.
    pub window_chars: usize,
    /// The most bytes that a possible match (a URL, a key, a pattern) may hold back, 64 to 4096.
    pub hold_bytes: usize,
    /// The longest that it may hold them back, in milliseconds, 1 to 2000.
    pub hold_ms: u64,
    /// What becomes of a possible match that outgrows these bounds: pass, hold or block.
    pub on_hold_limit: OnHoldLimit,
    /// A stream on which nothing happens for so many seconds is broken off, 1 to 300.
    pub idle_s: u64,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            window_chars: 512,
            hold_bytes: 4096,
            hold_ms: 2000,
            on_hold_limit: OnHoldLimit::default(),
            idle_s: 30,
        }
    }
}

impl Streams {
    /// The field that is out of its bounds, and the bounds.
    pub(crate) fn wrong(&self) -> Option<(&'static str, &'static str)> {
        let within = [
            ((128..=8192).contains(&self.window_chars), "window_chars", "128 to 8192"),
            ((64..=4096).contains(&self.hold_bytes), "hold_bytes", "64 to 4096"),
            ((1..=2000).contains(&self.hold_ms), "hold_ms", "1 to 2000"),
            ((1..=300).contains(&self.idle_s), "idle_s", "1 to 300"),
        ];
        within.into_iter().find(|(holds, ..)| !holds).map(|(_, field, bounds)| (field, bounds))
    }
}
