//! What a policy may set for this stage.

use portcullis_core::StageError;
use portcullis_model::Thresholds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Scores at which findings are made, each from 0 to 1. The severity of a finding tells which of them
/// was reached, so that a policy's rules need no numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// At or above: a finding of severity `low`. Default: 0.5, or `hold_above` where that is lower.
    pub report_above: Option<f64>,
    /// At or above: severity `medium`. Default: the model's own threshold, which 1 % of held-out benign
    /// texts reach.
    pub hold_above: Option<f64>,
    /// At or above: severity `high`. Default: the model's own threshold, which 0.3 % of held-out benign
    /// texts reach.
    pub block_above: Option<f64>,
}

/// The three scores in force.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Levels {
    pub(crate) report: f64,
    pub(crate) hold: f64,
    pub(crate) block: f64,
}

impl Settings {
    /// The scores in force: what is set, else the model's own.
    ///
    /// # Errors
    /// [`StageError::Unreadable`] naming the field that is not from 0 to 1.
    pub(crate) fn levels(&self, model: Thresholds) -> Result<Levels, StageError> {
        let level = |set: Option<f64>, own: f64, name| match set.unwrap_or(own) {
            value if (0.0..=1.0).contains(&value) => Ok(value),
            _ => Err(StageError::Unreadable(name)),
        };
        let block = level(self.block_above, model.block.into(), "settings.block_above")?;
        let hold = level(self.hold_above, f64::from(model.hold).min(block), "settings.hold_above")?;
        let report = level(self.report_above, hold.min(0.5), "settings.report_above")?;
        Ok(Levels { report, hold, block })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: Thresholds = Thresholds { block: 0.9, hold: 0.7 };

    #[test]
    fn the_models_own_thresholds_are_the_default() {
        let levels = Settings::default().levels(MODEL).unwrap();
        assert_eq!(levels.report, 0.5);
        assert!((levels.hold - 0.7).abs() < 1e-6 && (levels.block - 0.9).abs() < 1e-6);
    }

    #[test]
    fn what_is_set_is_in_force_and_nonsense_is_named() {
        let set = Settings { block_above: Some(0.6), ..Settings::default() };
        let levels = set.levels(MODEL).unwrap();
        assert_eq!((levels.block, levels.hold), (0.6, 0.6));
        let set = Settings { hold_above: Some(1.5), ..Settings::default() };
        assert_eq!(set.levels(MODEL), Err(StageError::Unreadable("settings.hold_above")));
        assert!(serde_json::from_str::<Settings>("{\"block\": 1}").is_err());
    }
}
