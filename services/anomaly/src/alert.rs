//! What the watch tells: signals, gathered to one alert a subject, told once and taken back.

use jiff::Timestamp;
use portcullis_core::{Action, BotId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is unlike the past.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// More messages, or far fewer, than usual at this hour.
    Volume,
    /// Many messages within seconds.
    Burst,
    /// A larger share is blocked.
    Blocks,
    /// A larger share is held.
    Holds,
    /// The classifier's scores have moved, up or down: a new kind of attack, or a model that fails.
    ScoreDrift,
    /// Texts are longer or shorter.
    Length,
    /// Texts are more or less disordered.
    Entropy,
    /// Many new conversations.
    NewConversations,
    /// Many speakers, or one network, send alike texts.
    Campaign,
    /// Somebody's scores rise slowly toward the threshold.
    Probing,
    /// A stage's answers are missing.
    Gaps,
    /// No number by itself, but all of them together.
    Joint,
    /// A word that this release does not know.
    #[serde(other)]
    Unknown,
}

impl Signal {
    /// The word used on the wire and as a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Burst => "burst",
            Self::Blocks => "blocks",
            Self::Holds => "holds",
            Self::ScoreDrift => "score_drift",
            Self::Length => "length",
            Self::Entropy => "entropy",
            Self::NewConversations => "new_conversations",
            Self::Campaign => "campaign",
            Self::Probing => "probing",
            Self::Gaps => "gaps",
            Self::Joint => "joint",
            Self::Unknown => "unknown",
        }
    }
}

/// Whom or what an alert is about.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The bot as a whole.
    Bot,
    /// One speaker, by keyed hash.
    Speaker(String),
    /// A stage, by its missing answers.
    Stage(String),
    /// Alike texts of several speakers, by a number of this watch.
    Campaign(u64),
}

/// How urgent it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// Worth knowing.
    Info,
    /// Somebody should look today.
    Warning,
    /// Somebody should look now.
    Critical,
    /// A word that this release does not know: read as the most urgent.
    #[serde(other)]
    Unknown,
}

impl Urgency {
    /// The token of the subject `portcullis.v1.alert.<severity>`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical | Self::Unknown => "critical",
        }
    }
}

/// One signal with its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// What.
    pub signal: Signal,
    /// What it is now.
    pub value: f64,
    /// What it usually is.
    pub normal: f64,
    /// How far from it, in standard deviations where there are any, else as a ratio.
    pub size: f64,
    /// In what `value` and `normal` are, such as `messages/min`.
    pub unit: String,
}

/// Whether an alert is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is.
    Firing,
    /// It is over.
    Resolved,
}

impl State {
    /// The word used on the wire and as a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// Something unlike the past. The same `id` from its first telling to its resolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Stable over the alert's life.
    pub id: String,
    /// The bot.
    pub bot: BotId,
    /// Whom or what it is about.
    pub subject: Subject,
    /// How urgent.
    pub severity: Urgency,
    /// In force or over.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// When this was told.
    pub at: Timestamp,
    /// Every signal, the largest first.
    pub signals: Vec<Reading>,
    /// Entries of the record that show it, at most eight.
    pub examples: Vec<String>,
    /// What to do; what the configuration lets the watch do by itself stands in `acted`.
    pub recommended: Action,
    /// What was ordered by the watch itself, and until when.
    #[serde(default)]
    pub acted: Option<Acted>,
}

/// An order that the watch gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Acted {
    /// What.
    pub action: Action,
    /// Until when.
    pub expires_at: Timestamp,
}

impl Alert {
    /// In a few words, without anybody's name: for a terminal, a chat or an alert manager.
    pub fn summary(&self) -> String {
        let about = match &self.subject {
            Subject::Bot => "the bot as a whole".to_owned(),
            Subject::Speaker(_) => "one speaker".to_owned(),
            Subject::Stage(stage) => format!("stage {stage}"),
            Subject::Campaign(_) => "alike texts of many".to_owned(),
        };
        let signals: Vec<String> = self
            .signals
            .iter()
            .map(|r| {
                format!("{} {:.1} {} (usually {:.1})", r.signal.as_str(), r.value, r.unit, r.normal)
            })
            .collect();
        format!("bot {}: {about}: {}", self.bot, signals.join(", "))
    }
}
