//! The stage's section of a policy. The comments here are the manual.

use portcullis_core::ToneDirective;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where moods begin, and which tone answers them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A polarity below this is negative; from -1 to 0.
    #[schemars(range(min = -1.0, max = 0.0))]
    pub negative: f64,
    /// A polarity above this is positive; from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub positive: f64,
    /// Agitation from which a negative message is an angry one; from 0 to 1. Three shouted words, or
    /// three exclamation marks, reach the default.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub agitated: f64,
    /// Distress from which somebody is overwhelmed; from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub distressed: f64,
    /// Urgency from which a message is urgent; from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub urgent: f64,
    /// A person whose mean polarity is negative, or whose mean agitation or distress has reached its
    /// threshold, after this many messages, and who is not positive now, has been let down again and
    /// again: the tone is `tones.trend`. At least 1.
    #[schemars(range(min = 1))]
    pub trend_turns: u32,
    /// Which tone the bot is told to take. `neutral` tells it nothing.
    pub tones: Tones,
}

/// The tone for each mood. Where several apply the gravest wins: crisis_route over hand_over over
/// compassion over slow_down over apologise over calm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tones {
    /// The message is negative.
    pub negative: ToneDirective,
    /// The message is negative and its writer agitated.
    pub angry: ToneDirective,
    /// The message is urgent.
    pub urgent: ToneDirective,
    /// Somebody is in distress, and nobody has died or is in danger.
    pub overwhelmed: ToneDirective,
    /// The conversation has been negative for some time.
    pub trend: ToneDirective,
    /// Somebody has died.
    pub grief: ToneDirective,
    /// Somebody may harm themselves.
    pub self_harm: ToneDirective,
}

impl Default for Settings {
    /// Negative below -0.5, positive above 0.5, moods from a half, urgent from 0.6, a trend after three
    /// messages.
    fn default() -> Self {
        Self {
            negative: -0.5,
            positive: 0.5,
            agitated: 0.5,
            distressed: 0.5,
            urgent: 0.6,
            trend_turns: 3,
            tones: Tones::default(),
        }
    }
}

impl Default for Tones {
    fn default() -> Self {
        Self {
            negative: ToneDirective::Apologise,
            angry: ToneDirective::Calm,
            urgent: ToneDirective::Neutral,
            overwhelmed: ToneDirective::SlowDown,
            trend: ToneDirective::HandOver,
            grief: ToneDirective::Compassion,
            self_harm: ToneDirective::CrisisRoute,
        }
    }
}

/// The mood of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Below `negative`.
    Negative,
    /// Neither.
    Neutral,
    /// Above `positive`.
    Positive,
}

impl Settings {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// The path of the field that is wrong, in the form of a policy's paths.
    pub fn validate(&self) -> Result<(), &'static str> {
        let tones = &self.tones;
        let tones = [
            tones.negative,
            tones.angry,
            tones.urgent,
            tones.overwhelmed,
            tones.trend,
            tones.grief,
            tones.self_harm,
        ];
        let is_share = |share: &f64| (0.0..=1.0).contains(share);
        if !(-1.0..=0.0).contains(&self.negative) {
            Err("settings.negative")
        } else if !(0.0..=1.0).contains(&self.positive) {
            Err("settings.positive")
        } else if !is_share(&self.agitated) {
            Err("settings.agitated")
        } else if !is_share(&self.distressed) {
            Err("settings.distressed")
        } else if !is_share(&self.urgent) {
            Err("settings.urgent")
        } else if self.trend_turns == 0 {
            Err("settings.trend_turns")
        } else if tones.contains(&ToneDirective::Unknown) {
            Err("settings.tones")
        } else {
            Ok(())
        }
    }

    /// The mood that a polarity stands for.
    pub fn label(&self, polarity: f64) -> Label {
        if polarity < self.negative {
            Label::Negative
        } else if polarity > self.positive {
            Label::Positive
        } else {
            Label::Neutral
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_holds_and_mistakes_are_named() {
        let default = Settings::default();
        assert_eq!(default.validate(), Ok(()));
        let wrong = Settings { negative: 0.1, ..default.clone() };
        assert_eq!(wrong.validate(), Err("settings.negative"));
        let wrong = Settings { positive: f64::NAN, ..default.clone() };
        assert_eq!(wrong.validate(), Err("settings.positive"));
        let wrong = Settings { urgent: 1.1, ..default.clone() };
        assert_eq!(wrong.validate(), Err("settings.urgent"));
        let wrong = Settings { agitated: f64::NAN, ..default.clone() };
        assert_eq!(wrong.validate(), Err("settings.agitated"));
        let wrong = Settings { trend_turns: 0, ..default.clone() };
        assert_eq!(wrong.validate(), Err("settings.trend_turns"));
        let unknown = serde_json::json!({"tones": {"negative": "shout"}});
        let wrong: Settings = serde_json::from_value(unknown).unwrap();
        assert_eq!(wrong.validate(), Err("settings.tones"));
    }

    #[test]
    fn the_thresholds_themselves_are_neutral() {
        let settings = Settings::default();
        assert_eq!(settings.label(-0.5), Label::Neutral);
        assert_eq!(settings.label(-0.51), Label::Negative);
        assert_eq!(settings.label(0.5), Label::Neutral);
        assert_eq!(settings.label(0.51), Label::Positive);
    }
}
