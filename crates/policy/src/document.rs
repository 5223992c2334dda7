//! The document that an operator writes. Every field has a default, and its comment is the manual.

use std::collections::BTreeMap;

use portcullis_core::{Decision, Direction, Effect, Severity, StageName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::streams::Streams;

/// What is enforced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Decisions are in force.
    #[default]
    Enforce,
    /// Decide and record, but allow; the verdict's `shadow_decision` says what would have been.
    Shadow,
    /// Nothing is checked; every verdict says so.
    Bypass,
}

/// Who looks at held messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Review {
    /// Nobody: `hold` becomes `block` with the reason `no_reviewer`.
    #[default]
    None,
    /// People, at the console or a terminal.
    Console,
}

/// How much of the reasons a verdict tells the bot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// Everything.
    #[default]
    Full,
    /// No scores, no spans and no kinds: for bots that might pass a verdict on to a person, since an
    /// attacker who sees scores climbs them. The record keeps everything.
    Minimal,
}

/// What the record keeps of the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeepText {
    /// The text after masking, where the sanitizer saw all of it; otherwise none.
    #[default]
    Masked,
    /// None: a length and a keyed digest.
    None,
    /// The text and its context as they were received, where what is personal is sealed to audit's key;
    /// elsewhere as `masked`.
    Raw,
}

/// Sizes and times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Text and context together, in bytes of UTF-8. At most what the door allows.
    pub total_bytes: usize,
    /// From receipt to decision, in milliseconds.
    pub total_ms: u64,
    /// Added to `total_ms` for each 1024 bytes of text and context: what the encoders of the models need
    /// to judge a long text whole.
    pub total_ms_per_kib: u64,
    /// For the journal's acknowledgement, in milliseconds.
    pub journal_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { total_bytes: 256 * 1024, total_ms: 300, total_ms_per_kib: 40, journal_ms: 50 }
    }
}

/// Which stages a direction goes through: one step after the other, the stages of a step at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Way {
    /// May it come in at all?
    pub gate: Vec<StageName>,
    /// Canonical readings and masking.
    pub clean: Vec<StageName>,
    /// What is it? All at once.
    pub judge: Vec<StageName>,
}

impl Way {
    fn inbound() -> Self {
        Self {
            gate: vec![StageName::rate_limit()],
            clean: vec![StageName::sanitizer()],
            judge: vec![StageName::injection_classifier(), StageName::sentiment()],
        }
    }

    fn outbound() -> Self {
        Self {
            gate: Vec::new(),
            clean: vec![StageName::sanitizer()],
            judge: vec![StageName::moderation()],
        }
    }

    /// Every stage of the way, in order.
    pub fn stages(&self) -> impl Iterator<Item = &StageName> {
        self.gate.iter().chain(&self.clean).chain(&self.judge)
    }
}

/// What a stage is given to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Read {
    /// The message or answer.
    Text,
    /// Third-party content.
    Context,
    /// Canonical and decoded readings.
    Views,
    /// Keyed hashes of speaker, conversation and address.
    Identity,
}

/// What a missing or partial answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnGap {
    /// Go on as if nothing were missing.
    Pass,
    /// A human must look.
    Hold,
    /// Do not forward.
    Block,
    /// Ask the stand-in inside ingress (there is one for rate-limit); if it has none, block.
    Local,
}

impl OnGap {
    /// The effect where there is no stand-in.
    pub fn effect(self) -> Effect {
        match self {
            Self::Pass => Effect::Pass,
            Self::Hold => Effect::Hold,
            Self::Block | Self::Local => Effect::Block,
        }
    }
}

/// What the policy says of one stage. Absent fields take that stage's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StageSection {
    /// `false` leaves the stage out; the receipt says `skipped: off_by_policy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Time for its answer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Added to `timeout_ms` for each 1024 bytes of text and context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms_per_kib: Option<u64>,
    /// What a missing answer means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_gap: Option<OnGap>,
    /// What an answer that covers only part of the text means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_partial: Option<OnGap>,
    /// Run it also where an earlier step has already decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub always: Option<bool>,
    /// What it is given to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reads: Option<Vec<Read>>,
    /// The stage's own settings; see its README.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub settings: serde_json::Value,
}

/// What a finding means. A finding is judged by every rule that fits it; the harshest counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A finding kind such as `injection.direct`, or a family of them such as `injection.*`.
    pub kind: String,
    /// Only findings at least this bad.
    #[serde(default = "lowest")]
    pub min_severity: Severity,
    /// Only findings at least this sure, from 0 to 1.
    #[serde(default)]
    pub min_confidence: f64,
    /// Only in this direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The decision: `allow` (no more than a note), `throttle`, `hold` or `block`.
    pub then: Decision,
}

fn lowest() -> Severity {
    Severity::Info
}

/// Values that a stage asks to mask by a placeholder such as `<EMAIL_1>`, which the bot's answer in the same
/// conversation gives back. `restore = false` masks them for good, as `[EMAIL]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Placeholders {
    /// Whether values are kept, sealed, and given back. What looks like a placeholder in a person's message
    /// is then escaped.
    pub restore: bool,
    /// How long a conversation's values are kept after the last one came in, in seconds; at most 7 days.
    pub keep_s: u64,
    /// What it means where a value cannot be kept or given back, because the message has no conversation
    /// or the store is away: `pass` (masked for good; an answer keeps its placeholders), `hold` or `block`.
    pub on_gap: OnGap,
}

impl Default for Placeholders {
    /// Given back, kept for a day, masked for good where that cannot be.
    fn default() -> Self {
        Self { restore: true, keep_s: 86_400, on_gap: OnGap::Pass }
    }
}

/// What a person may be shown. Never a score, a kind or a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Replies {
    /// On `block`.
    pub refusal: String,
    /// On `throttle`.
    pub throttled: String,
    /// On `hold`.
    pub held: String,
    /// Where somebody may be in danger: name your local helpline here.
    pub crisis: String,
}

impl Default for Replies {
    fn default() -> Self {
        Self {
            refusal: "Sorry, I can't help with that.".into(),
            throttled: "You are sending messages faster than I can answer. Please wait a moment.".into(),
            held: "Thank you. A colleague will look at this and come back to you.".into(),
            crisis: "It sounds as if you are going through something very hard. You are not alone: \
                     please talk to somebody now, for example your local emergency number or a crisis \
                     line (findahelpline.com lists them by country)."
                .into(),
        }
    }
}

/// A bot's policy as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Document {
    /// The author's own version; where empty, the revision of the store is used.
    pub version: String,
    /// What is enforced.
    pub mode: Mode,
    /// Who looks at held messages.
    pub review: Review,
    /// How long a held message waits, in seconds; then it expires and is not forwarded.
    pub hold_s: u64,
    /// How much of the reasons a verdict tells.
    pub detail: Detail,
    /// What the record keeps of the text.
    pub keep_text: KeepText,
    /// What it means where neither the journal nor the spool takes the entry.
    pub on_journal_gap: OnGap,
    /// Sizes and times.
    pub limits: Limits,
    /// The way of a message to the bot.
    pub inbound: Way,
    /// The way of an answer of the bot.
    pub outbound: Way,
    /// Settings by stage.
    pub stages: BTreeMap<StageName, StageSection>,
    /// What findings mean. Where absent, the built-in rules stand; where given, they replace them.
    /// What operators order (`control.*`) and limits (`rate.exceeded`) are in force in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<Rule>>,
    /// Values that are masked so that they can be given back.
    pub placeholders: Placeholders,
    /// What a person may be shown.
    pub replies: Replies,
    /// Answers that are checked while they are being written.
    pub streams: Streams,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            version: String::new(),
            mode: Mode::default(),
            review: Review::default(),
            hold_s: 900,
            detail: Detail::default(),
            keep_text: KeepText::default(),
            on_journal_gap: OnGap::Block,
            limits: Limits::default(),
            inbound: Way::inbound(),
            outbound: Way::outbound(),
            stages: BTreeMap::new(),
            rules: None,
            placeholders: Placeholders::default(),
            replies: Replies::default(),
            streams: Streams::default(),
        }
    }
}

impl Document {
    /// The way of a direction.
    pub fn way(&self, direction: Direction) -> &Way {
        match direction {
            Direction::Inbound => &self.inbound,
            Direction::Outbound => &self.outbound,
        }
    }
}
