//! What a policy may set for this stage.

use portcullis_core::Severity;
use portcullis_core::StageError;
use portcullis_model::{Channel, OperatingPoints};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many false alarms are put up with, as a share of a benign traffic mix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperatingPoint {
    /// 1 %.
    Strict,
    /// 0.3 %.
    #[default]
    Balanced,
    /// 0.1 %.
    Lenient,
}

impl OperatingPoint {
    fn of(self, points: OperatingPoints) -> f32 {
        match self {
            Self::Strict => points.strict,
            Self::Balanced => points.balanced,
            Self::Lenient => points.lenient,
        }
    }

    /// The next that alarms more often; strict itself for strict.
    fn stricter(self) -> Self {
        match self {
            Self::Strict | Self::Balanced => Self::Strict,
            Self::Lenient => Self::Balanced,
        }
    }
}

/// Scores at which findings are made of one of the two questions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelSettings {
    /// Where a finding is of severity `high`, by the share of false alarms: `strict`, `balanced` or
    /// `lenient`. From the next stricter point on it is `medium`: for people to look at, where there are any.
    pub operating_point: OperatingPoint,
    /// At or above this score, from 0 to 1: severity `low`. Default: 0.5, or where `medium` begins if
    /// that is lower.
    pub report_above: Option<f64>,
    /// At or above: severity `medium`, whatever the operating point says.
    pub hold_above: Option<f64>,
    /// At or above: severity `high`, whatever the operating point says.
    pub block_above: Option<f64>,
}

/// What the encoder may cost a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EncoderSettings {
    /// Windows of a message that it may judge, the most suspicious first. Default: no limit but the time.
    pub max_windows: Option<usize>,
    /// Milliseconds that a message may take. Default: the budget of the check.
    pub max_ms: Option<u64>,
    /// What the windows are that it had no time for: not covered, so that the policy's `on_partial` decides
    /// (`partial`), or judged by the linear model alone (`linear`).
    pub over_budget: OverBudget,
}

/// What windows are that the encoder had no time for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverBudget {
    /// Not covered.
    #[default]
    Partial,
    /// Judged by the linear model alone.
    Linear,
}

/// What this stage does for a bot. The severity of a finding tells which score was reached, so that a
/// policy's rules need no numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// For both questions: at or above this score, from 0 to 1, a finding of severity `low`.
    pub report_above: Option<f64>,
    /// For both questions: at or above, severity `medium`.
    pub hold_above: Option<f64>,
    /// For both questions: at or above, severity `high`.
    pub block_above: Option<f64>,
    /// The person's own words. What stands here goes before the three above.
    pub user: ChannelSettings,
    /// Third-party content that the bot will read.
    pub context: ChannelSettings,
    /// What the encoder may cost.
    pub encoder: EncoderSettings,
    /// The severity of `injection.unsupported_language`: a text in a language that the encoder does not know.
    pub unsupported_language: Severity,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            report_above: None,
            hold_above: None,
            block_above: None,
            user: ChannelSettings::default(),
            context: ChannelSettings::default(),
            encoder: EncoderSettings::default(),
            unsupported_language: Severity::Info,
        }
    }
}

/// The three scores in force.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Levels {
    report: f64,
    hold: f64,
    block: f64,
}

impl Levels {
    pub(crate) fn severity(&self, score: f64) -> Option<Severity> {
        if score >= self.block {
            Some(Severity::High)
        } else if score >= self.hold {
            Some(Severity::Medium)
        } else if score >= self.report {
            Some(Severity::Low)
        } else {
            None
        }
    }
}

impl Settings {
    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// The field that does not hold, as a path from `settings`.
    pub fn validate(&self) -> Result<(), &'static str> {
        let is_wrong = |score: &Option<f64>| score.is_some_and(|s| !(0.0..=1.0).contains(&s));
        let scores = [
            (self.report_above, "settings.report_above"),
            (self.hold_above, "settings.hold_above"),
            (self.block_above, "settings.block_above"),
            (self.user.report_above, "settings.user.report_above"),
            (self.user.hold_above, "settings.user.hold_above"),
            (self.user.block_above, "settings.user.block_above"),
            (self.context.report_above, "settings.context.report_above"),
            (self.context.hold_above, "settings.context.hold_above"),
            (self.context.block_above, "settings.context.block_above"),
        ];
        match scores.into_iter().find(|(score, _)| is_wrong(score)) {
            Some((_, name)) => Err(name),
            None if self.unsupported_language == Severity::Unknown => {
                Err("settings.unsupported_language")
            }
            None => Ok(()),
        }
    }

    /// The same, as a stage says it.
    ///
    /// # Errors
    /// [`StageError::Unreadable`] naming the field.
    pub(crate) fn checked(self) -> Result<Self, StageError> {
        self.validate().map_err(StageError::Unreadable)?;
        Ok(self)
    }

    /// The scores in force for a question.
    pub(crate) fn levels(&self, channel: Channel, points: OperatingPoints) -> Levels {
        let own = match channel {
            Channel::User => &self.user,
            Channel::Context => &self.context,
        };
        let at = |point: OperatingPoint| f64::from(point.of(points));
        let block = own.block_above.or(self.block_above).unwrap_or(at(own.operating_point));
        let hold = own.hold_above.or(self.hold_above);
        let hold = hold.unwrap_or(at(own.operating_point.stricter()).min(block));
        let report = own.report_above.or(self.report_above).unwrap_or(hold.min(0.5));
        Levels { report, hold, block }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: OperatingPoints = OperatingPoints { strict: 0.7, balanced: 0.9, lenient: 0.97 };

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn the_operating_point_is_chosen_by_name_for_each_question() {
        let set: Settings = serde_json::from_value(serde_json::json!({
            "context": {"operating_point": "lenient"}
        }))
        .unwrap();
        let user = set.levels(Channel::User, POINTS);
        assert!(near(user.block, 0.9) && near(user.hold, 0.7) && near(user.report, 0.5));
        let context = set.levels(Channel::Context, POINTS);
        assert!(near(context.block, 0.97) && near(context.hold, 0.9));
        assert!(
            serde_json::from_str::<Settings>("{\"user\": {\"operating_point\": \"x\"}}").is_err()
        );
    }

    #[test]
    fn what_is_set_is_in_force_and_the_nearer_setting_goes_first() {
        let both = Settings { block_above: Some(0.6), ..Settings::default() };
        let levels = both.levels(Channel::User, POINTS);
        assert!(near(levels.block, 0.6) && near(levels.hold, 0.6));
        let user = ChannelSettings { block_above: Some(0.8), ..ChannelSettings::default() };
        let nearer = Settings { user, ..both };
        assert!(near(nearer.levels(Channel::User, POINTS).block, 0.8));
        assert!(near(nearer.levels(Channel::Context, POINTS).block, 0.6));
    }

    #[test]
    fn nonsense_is_named() {
        let set = Settings { hold_above: Some(1.5), ..Settings::default() };
        assert_eq!(set.checked(), Err(StageError::Unreadable("settings.hold_above")));
        let context = ChannelSettings { block_above: Some(f64::NAN), ..ChannelSettings::default() };
        let set = Settings { context, ..Settings::default() };
        assert_eq!(set.validate(), Err("settings.context.block_above"));
        assert!(serde_json::from_str::<Settings>("{\"block\": 1}").is_err());
    }
}
