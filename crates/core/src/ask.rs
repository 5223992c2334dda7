//! What a stage is asked.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Finding, Interaction, Moods, View};

/// How much was received in all, also where the plan does not let the stage read it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Size {
    /// Bytes of text and context.
    pub bytes: usize,
    /// Unicode scalar values of text and context.
    pub chars: usize,
    /// Whether this is a part of an answer that is still being written. What can be said of a whole alone
    /// (a required disclaimer, a form, a language) is not to be judged yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// By how much orders scale what a sender may send, by what each order is on; 1 changes nothing, 0.5 leaves
/// half. Where several orders fit, the smallest counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Factors {
    /// For the bot, or for every bot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub everybody: Option<f64>,
    /// For the speaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<f64>,
    /// For the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<f64>,
    /// For the network address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<f64>,
}

impl Factors {
    /// Whether nothing is scaled.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What ingress knows of the conversation so far, and of who sends.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Known {
    /// Salt of this conversation for digests of values.
    #[serde(default)]
    pub salt: String,
    /// Salted digests of the values (e-mail addresses, card numbers, …) that people brought in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Mean polarity of the person so far, in [-1, 1], newer messages weighing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polarity: Option<f64>,
    /// Mean distress, agitation and urgency of the person so far, newer messages weighing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moods: Option<Moods>,
    /// Messages of the person so far.
    #[serde(default)]
    pub turns: u32,
    /// Keyed hash of the API key that the message came with; for stages that read who it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// What orders say of this sender's limits; for stages that read who it is.
    #[serde(default, skip_serializing_if = "Factors::is_empty")]
    pub factors: Factors,
}

/// The time that is left for an answer. It travels as a relative number of milliseconds
/// (`Portcullis-Budget-Ms`), so that clocks may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget(Instant);

impl Budget {
    /// Until `deadline`.
    pub fn until(deadline: Instant) -> Self {
        Self(deadline)
    }

    /// From now, for this long.
    pub fn of(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// What is left; zero when it is spent.
    pub fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.left().is_zero()
    }

    /// The moment at which it ends.
    pub fn deadline(&self) -> Instant {
        self.0
    }
}

impl Default for Budget {
    /// A minute: for those who call a stage outside the hot path.
    fn default() -> Self {
        Self::of(Duration::from_secs(60))
    }
}

/// One question to one stage. The interaction holds only what the plan lets this stage read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ask {
    /// The message, less what this stage does not read.
    pub interaction: Interaction,
    /// How much was received in all.
    #[serde(default)]
    pub size: Size,
    /// Readings made by earlier stages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<View>,
    /// What earlier stages found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// This stage's section of the pinned policy.
    #[serde(default)]
    pub settings: serde_json::Value,
    /// What is known of the conversation.
    #[serde(default)]
    pub known: Known,
    /// The time that is left. Travels in a header.
    #[serde(skip)]
    pub budget: Budget,
}

impl Ask {
    /// Bytes that this stage was given to look at: every text, and every view at its source's length.
    pub fn total_bytes(&self) -> usize {
        self.interaction.total_bytes() + self.views.iter().map(View::source_bytes).sum::<usize>()
    }

    /// Reads this stage's settings.
    ///
    /// # Errors
    /// [`crate::StageError::Unreadable`] naming the field, where the policy's section is not of the
    /// stage's form.
    pub fn settings<T: serde::de::DeserializeOwned + Default>(
        &self,
    ) -> Result<T, crate::StageError> {
        if self.settings.is_null() {
            return Ok(T::default());
        }
        T::deserialize(&self.settings).map_err(|_| crate::StageError::Unreadable("settings"))
    }
}
