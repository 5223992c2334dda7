//! The one answer to every message, with its receipt.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{BotId, Cause, Coverage, Effect, Finding, Measures, MessageId, StageName, Text, Tone};

/// What is to be done with a message. Ordered from mild to harsh.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Forward it as it is.
    Allow,
    /// Forward `text`, which differs from what was received.
    Rewrite,
    /// Too much at once: try again later.
    Throttle,
    /// A human must look. Final for this check; the resolution follows.
    Hold,
    /// Do not forward it.
    Block,
    /// A word that this release does not know: read as the harshest.
    #[serde(other)]
    Unknown,
}

impl Decision {
    /// The word used on the wire and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Rewrite => "rewrite",
            Self::Throttle => "throttle",
            Self::Hold => "hold",
            Self::Block => "block",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a text is forwarded.
    pub fn forwards(self) -> bool {
        matches!(self, Self::Allow | Self::Rewrite)
    }
}

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It ran.
    Ran,
    /// It was left out on purpose; `why` says it.
    Skipped,
    /// It should have run and did not give a whole answer; `cause` and `effect` say it.
    Gap,
    /// A word that this release does not know.
    #[serde(other)]
    Unknown,
}

/// One line of the receipt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Which stage.
    pub stage: StageName,
    /// Its version; absent where it did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What became of it.
    pub status: Status,
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Why there is a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What the gap means by policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// How it was checked, where there is more than one way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// How much of the text was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// Microseconds from ask to answer, as the conductor saw it.
    #[serde(default)]
    pub took_us: u64,
    /// What the stage measures.
    #[serde(flatten)]
    pub measures: Measures,
}

/// Which policy judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyStamp {
    /// The bot that it is for.
    pub bot: BotId,
    /// Its version: the document's own, or the revision of its store.
    pub version: String,
    /// SHA-256 of the document in hex.
    pub digest: String,
}

/// Where the entry of the record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recorded {
    /// In the journal, acknowledged.
    Journal,
    /// In the local spool; delivered later.
    Spool,
    /// Counted in a summary entry.
    Summary,
    /// Nowhere: the command line's single checks keep no record.
    Nowhere,
    /// A word that this release does not know.
    #[serde(other)]
    Unknown,
}

/// What became of an answer that was checked while it was being written. Bytes are those of the answer as
/// the bot wrote it; a masked span counts at its own length.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Streamed {
    /// Bytes that the bot wrote.
    pub received: usize,
    /// Bytes that were released. Less than `received` where the release was stopped.
    pub released: usize,
    /// Why the release was stopped before the end, in dotted words: a finding's kind,
    /// `gap.<stage>.<cause>`, `control.<action>`, `stream.hold_limit`, `stream.broken`, `stream.idle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

impl Recorded {
    /// Its word, as on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Spool => "spool",
            Self::Summary => "summary",
            Self::Nowhere => "nowhere",
            Self::Unknown => "unknown",
        }
    }
}

/// The one answer to a message or an answer. It is for the bot, never for the person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The message's id.
    pub id: MessageId,
    /// What is to be done.
    pub decision: Decision,
    /// What decided, in dotted words: finding kinds, `gap.<stage>.<cause>`, `control.<action>`.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// The text to forward; null unless `allow` or `rewrite`.
    pub text: Option<Text>,
    /// How the bot should speak next.
    pub tone: Option<Tone>,
    /// What the person may be shown: a refusal, a crisis route.
    pub reply: Option<String>,
    /// On `throttle`: seconds after which it is worth trying again.
    pub retry_after_s: Option<u64>,
    /// Everything found.
    pub findings: Vec<Finding>,
    /// Every check of the plan: ran, skipped or missing, and why.
    pub receipt: Vec<Check>,
    /// Which policy judged.
    pub policy: PolicyStamp,
    /// In shadow mode: what would have been decided.
    pub shadow_decision: Option<Decision>,
    /// Where the entry of the record is.
    pub recorded: Recorded,
    /// The trace of this check, W3C form, 32 hex digits.
    pub trace_id: Option<String>,
    /// Microseconds from receipt to verdict.
    pub took_us: u64,
    /// For an answer that was checked while it was being written: how much of it was released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Streamed>,
}

impl Verdict {
    /// The receipt's line of a stage.
    pub fn check(&self, stage: &StageName) -> Option<&Check> {
        self.receipt.iter().find(|check| &check.stage == stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_ordered_and_unknown_is_the_harshest() {
        use Decision::*;
        assert!(Allow < Rewrite && Rewrite < Throttle && Throttle < Hold && Hold < Block);
        let unknown: Decision = serde_json::from_str("\"vaporise\"").unwrap();
        assert!(unknown > Block && !unknown.forwards());
    }
}
