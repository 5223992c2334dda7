//! Entries of the record: what happened, in the form in which the journal carries it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{BotId, Direction, MessageId, Shape, Text, Verdict};

/// One entry of the journal. Its id is permanent and unique: the same id twice is one entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// `<kind>/<bot>/<direction>/<id>`, or `<kind>/<bot>/<id>` where there is no direction.
    pub id: String,
    /// The bot that it concerns.
    pub bot: BotId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// A verdict was given.
    Verdict(Box<VerdictRecord>),
    /// A held message was resolved.
    Resolution(ResolutionRecord),
    /// Somebody ordered something.
    Action(ActionRecord),
    /// Many alike were counted.
    Summary(SummaryRecord),
    /// A kind that this release does not know; kept, and not understood.
    #[serde(other)]
    Unknown,
}

impl Body {
    /// The word used in ids and subjects.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Verdict(_) => "verdict",
            Self::Resolution(_) => "resolution",
            Self::Action(_) => "action",
            Self::Summary(_) => "summary",
            Self::Unknown => "unknown",
        }
    }
}

/// A verdict as it is kept. `verdict.text` is never kept; `text` is, masked, where the policy says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerdictRecord {
    /// Which way it went.
    pub direction: Direction,
    /// Keyed hash of the speaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// Keyed hash of the speaker's network: the first 24 bits of an IPv4 address, the first 64 of an IPv6 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Keyed hash of the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// The message that this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<MessageId>,
    /// Bytes of text and context.
    pub bytes: usize,
    /// Keyed digest of the text and context.
    pub digest: String,
    /// What may be known of the text without its words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
    /// The text after masking; absent without a sanitizer's whole report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// What is personal, sealed: where the record is kept that way, `text` is in here and not above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<Sealed>,
    /// The verdict without its text.
    pub verdict: Verdict,
}

/// Something that only the holder of a key can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sealed {
    /// Which key: `audit` on its way to audit, else the name of a key of one person.
    pub key: String,
    /// What is sealed, in base64.
    pub data: String,
}

/// What of a message is personal, before it is sealed. `Debug` tells nothing of it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personal {
    /// The text that the policy lets the record keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// Third-party content, where the policy keeps raw text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<Text>,
    /// The speaker, by the bot's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// The conversation, by the bot's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// The network address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_addr: Option<std::net::IpAddr>,
}

impl std::fmt::Debug for Personal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Personal")
    }
}

/// How a held message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Forwarded as the pipeline left it.
    Release,
    /// Forwarded in a human's wording.
    Edit,
    /// Not forwarded.
    Reject,
    /// Nobody looked in time: not forwarded.
    Expired,
    /// A word that this release does not know: read as `reject`.
    #[serde(other)]
    Unknown,
}

impl Resolution {
    /// The word used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Edit => "edit",
            Self::Reject => "reject",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }
}

/// The resolution of a held message; for the bot (with text) and for the record (without).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResolutionRecord {
    /// The held message.
    pub message: MessageId,
    /// Which way it went.
    pub direction: Direction,
    /// How it ended.
    pub resolution: Resolution,
    /// Who resolved it.
    pub by: String,
    /// Why, in the resolver's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The text to forward, on `release` and `edit`. Not kept in the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// When. In an entry these fields stand beside the entry's own `at`: hence the longer name.
    #[serde(rename = "resolved_at")]
    pub at: Timestamp,
}

/// What an operator, the console or the anomaly watch can order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Shrinks the speaker's or bot's limit by `factor`.
    Limit,
    /// Holds messages for a human.
    Hold,
    /// Blocks answers of the bot.
    Mute,
    /// Blocks a speaker, an address or a conversation.
    Block,
    /// Blocks everything.
    Stop,
    /// A word that this release does not know: read as the harshest.
    #[serde(other)]
    Unknown,
}

impl Action {
    /// The word used on the wire and in findings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Hold => "hold",
            Self::Mute => "mute",
            Self::Block => "block",
            Self::Stop => "stop",
            Self::Unknown => "unknown",
        }
    }
}

/// An order as it stands in the control bucket, where ingress enforces it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    /// What is ordered.
    pub action: Action,
    /// For `limit`: what to scale the limit by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// Who ordered it.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until when; without it, until it is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// Something that somebody ordered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActionRecord {
    /// What was ordered, such as `stop` or `unblock`.
    pub action: String,
    /// On what: `all`, `bot`, or `speaker:<keyed hash>`.
    pub scope: String,
    /// For `limit`: what the limits are scaled by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// Who ordered it.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// Many alike, counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SummaryRecord {
    /// What is counted, such as `throttle`.
    pub of: String,
    /// Keyed hash of the speaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// How many.
    pub count: u64,
    /// Of the first.
    pub from: Timestamp,
    /// Of the last.
    pub until: Timestamp,
}

/// A message that waits for a human, as it is sealed into the held store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeldCase {
    /// The bot.
    pub bot: BotId,
    /// Which way it goes.
    pub direction: Direction,
    /// The verdict that was given.
    pub verdict: Verdict,
    /// What would be forwarded on release.
    pub text: Text,
    /// Keyed hash of the speaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// Keyed hash of the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// When it was held.
    pub held_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}
