//! What an operator may set of the watch.

use std::collections::BTreeMap;

use portcullis_core::Action;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::alert::Signal;

/// How sensitive the watch is, and how much it remembers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Watching {
    /// Standard deviations from normal at which one minute alone is an alert.
    pub one_minute: f32,
    /// Standard deviations at which two minutes in a row are an alert.
    pub two_minutes: f32,
    /// Messages of a bot in a minute below which its shares and means say nothing.
    pub least_messages: u32,
    /// Messages of one speaker in a minute that are never an alert by their number.
    pub speaker_messages: u32,
    /// Speakers of alike texts, in ten minutes, that are never a campaign.
    pub campaign_speakers: u32,
    /// The probability at which the classifier acts, for those who rise toward it.
    pub score_threshold: f32,
    /// An alert is over after so many seconds without its signals.
    pub quiet_s: u32,
    /// Minutes of a bot's traffic before anything about it is an alert.
    pub warm_up_minutes: u32,
    /// Speakers remembered; the one not seen for longest is forgotten first. About 200 bytes each.
    pub speakers: usize,
    /// Bots remembered, likewise. About 200 KiB each.
    pub bots: usize,
}

impl Default for Watching {
    fn default() -> Self {
        Self {
            one_minute: 8.0,
            two_minutes: 5.0,
            least_messages: 20,
            speaker_messages: 30,
            campaign_speakers: 8,
            score_threshold: 0.9,
            quiet_s: 300,
            warm_up_minutes: 60,
            speakers: 1_000_000,
            bots: 1_000,
        }
    }
}

/// What the watch may order by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// `limit` shrinks a speaker's limit, `hold` holds messages for a human, `block` blocks a speaker. Orders
    /// against a whole bot (`hold`) should be chosen with care: an attacker can cause alerts.
    pub action: Action,
    /// For `limit`: what the limit is multiplied with.
    #[serde(default = "a_fifth")]
    pub factor: f64,
    /// For how many seconds.
    #[serde(default = "ten_minutes")]
    pub for_s: u32,
}

fn a_fifth() -> f64 {
    0.2
}

fn ten_minutes() -> u32 {
    600
}

/// What to order, by what was seen; nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Acting {
    /// Orders against one speaker, by signal: `volume`, `blocks`, `probing`, `new_conversations`.
    pub speaker: BTreeMap<Signal, Order>,
    /// Orders for a whole bot, by signal.
    pub bot: BTreeMap<Signal, Order>,
}
