//! What a stage answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Edit, Finding, Place, View};

/// How much of what it was given a stage looked at, in bytes as received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// Bytes looked at.
    pub scanned: usize,
    /// Bytes that the plan gave this stage, each view counted at its source's length.
    pub total: usize,
    /// Whether nothing was left out. `false` where `scanned < total`, and where a limit cut
    /// something that the numbers do not show (a decoding not followed, say).
    pub complete: bool,
}

impl Coverage {
    /// Everything was looked at.
    pub fn whole(total: usize) -> Self {
        Self { scanned: total, total, complete: true }
    }

    /// Only a part was looked at.
    pub fn part(scanned: usize, total: usize) -> Self {
        Self { scanned, total, complete: false }
    }

    /// Whether the claim of completeness and the numbers agree that nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.complete && self.scanned >= self.total
    }
}

/// Which of a stage's models answered for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    /// The linear model alone: it was certain.
    Linear,
    /// The encoder.
    Encoder,
    /// A word that this release does not know.
    #[serde(other)]
    Unknown,
}

/// What a model that decides nothing yet would have said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shadow {
    /// The model's version.
    pub version: String,
    /// Its calibrated probability, the maximum over what `parts` lists.
    pub score: f64,
}

/// The score of one text or view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// Which text.
    pub place: Place,
    /// Which view of it; absent for the text as received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<usize>,
    /// Calibrated probability.
    pub score: f64,
    /// Which model answered, where the stage has more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Answered>,
}

/// One limit and where it stands, in the words of the `RateLimit` header fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limit {
    /// The rule's name.
    pub name: String,
    /// Units that may come in a `window_s`.
    pub quota: u64,
    /// Seconds in which the whole quota flows back.
    pub window_s: u64,
    /// What is counted: `requests`, `characters` or `tokens`.
    pub unit: String,
    /// Units left after this message.
    pub remaining: u64,
    /// Seconds until the whole quota is there again.
    pub reset_s: u64,
}

/// How somebody is, beside the polarity of what they write: three scores, each from 0 (nothing of it)
/// to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Moods {
    /// Fear, despair, grief, pain.
    #[serde(default)]
    pub distress: f64,
    /// Anger, or shouting of any kind.
    #[serde(default)]
    pub agitation: f64,
    /// How much time presses.
    #[serde(default)]
    pub urgency: f64,
}

impl Moods {
    /// The three scores, always in this order: distress, agitation, urgency.
    pub fn scores(&self) -> [f64; 3] {
        [self.distress, self.agitation, self.urgency]
    }

    /// The other way round of [`Moods::scores`].
    pub fn of([distress, agitation, urgency]: [f64; 3]) -> Self {
        Self { distress, agitation, urgency }
    }
}

/// Numbers that a stage measures; they stand in the receipt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Measures {
    /// Calibrated probability, the maximum over `parts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The score of each text and view.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// What a model in shadow would have said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    /// Polarity in [-1, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polarity: Option<f64>,
    /// Distress, agitation and urgency, each from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moods: Option<Moods>,
    /// Requests left in the tightest limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// Seconds after which it is worth trying again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// Each limit that applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// Where the limits were this process's share: of how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
}

/// What goes into the conversation's state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Learned {
    /// Salted digests of values that this text brought in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Polarity of this text, in [-1, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polarity: Option<f64>,
    /// Distress, agitation and urgency of this text, each from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moods: Option<Moods>,
}

/// How the bot should speak next. Never a refusal. Ordered: the later one wins.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ToneDirective {
    /// As always.
    Neutral,
    /// Stay calm and factual.
    Calm,
    /// Acknowledge what went wrong and apologise.
    Apologise,
    /// One thing at a time, short sentences.
    SlowDown,
    /// Acknowledge a loss before anything else.
    Compassion,
    /// Offer a person to talk to.
    HandOver,
    /// Give the crisis route that the policy names.
    CrisisRoute,
    /// A word that this release does not know.
    #[serde(other)]
    Unknown,
}

/// A tone for the bot to take, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tone {
    /// What to do.
    pub directive: ToneDirective,
    /// Why, in dotted words; never a quotation.
    pub reason: String,
}

/// What a stage answers to an ask.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// What was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What should be masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// New readings for the stages after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<View>,
    /// How much was looked at. A report without it counts as partial.
    #[serde(default)]
    pub coverage: Coverage,
    /// Numbers for the receipt.
    #[serde(default)]
    pub measures: Measures,
    /// What to remember for this conversation.
    #[serde(default)]
    pub learned: Learned,
    /// The tone that the bot should take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tone: Option<Tone>,
    /// How it was checked where there is more than one way, such as `local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Version of the stage, with its model's or rules' version.
    pub version: String,
}

impl Report {
    /// A report that found nothing and looked at everything it was given.
    pub fn clean(version: impl Into<String>, total: usize) -> Self {
        Self { coverage: Coverage::whole(total), version: version.into(), ..Self::default() }
    }
}
