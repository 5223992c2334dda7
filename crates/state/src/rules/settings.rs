//! The settings of the stage rate-limit: its section of a policy. The comments here are the manual.

use std::collections::HashSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much may come in how short a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The rules; a message must pass all that apply to it, and one that is refused is charged under
    /// none. Without rules nothing is limited.
    pub rules: Vec<Rule>,
    /// Count and report, but never throttle: a message over a limit gives the finding
    /// `rate.would_exceed`, of severity info.
    pub shadow: bool,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in findings and keys; no two rules share one. Changing it forgets what was counted.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// What each count belongs to. A message that lacks it (no speaker named, say) is not limited by
    /// this rule.
    pub key: Key,
    /// Units that are allowed in one `per`, in the long run.
    #[schemars(range(min = 1))]
    pub rate: u32,
    /// The time in which `rate` is allowed.
    #[serde(default)]
    pub per: Per,
    /// Units that may come at once after a rest. Where it is left out it is `rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub burst: Option<u32>,
    /// What is counted.
    #[serde(default)]
    pub unit: Unit,
}

/// What a count belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// The person, as the bot names them.
    Speaker,
    /// The person's network address; of IPv6 the first 64 bits, which is what one household has.
    Address,
    /// The conversation.
    Conversation,
    /// Everybody who writes to the bot together.
    Bot,
}

/// A period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// A second.
    Second,
    /// A minute.
    #[default]
    Minute,
    /// An hour.
    Hour,
}

/// What a rule counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Messages.
    #[default]
    Messages,
    /// Characters (Unicode scalar values) of text and context as received. A message with more than
    /// `burst` is never admitted.
    Chars,
}

impl Default for Settings {
    /// A person may write 20 messages at once and 60 a minute; an address 80 at once and 240 a minute.
    fn default() -> Self {
        let rule = |name: &str, key, rate, burst| Rule {
            name: name.into(),
            key,
            rate,
            per: Per::Minute,
            burst: Some(burst),
            unit: Unit::Messages,
        };
        Self {
            rules: vec![
                rule("speaker", Key::Speaker, 60, 20),
                rule("address", Key::Address, 240, 80),
            ],
            shadow: false,
        }
    }
}

impl Settings {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// The path of the field that is wrong, in the form of a policy's paths.
    pub fn validate(&self) -> Result<(), &'static str> {
        let mut names = HashSet::new();
        for rule in &self.rules {
            if !(1..=63).contains(&rule.name.len()) || !names.insert(&rule.name) {
                return Err("settings.rules.name");
            }
            if rule.rate == 0 {
                return Err("settings.rules.rate");
            }
            if rule.burst == Some(0) {
                return Err("settings.rules.burst");
            }
        }
        Ok(())
    }
}

impl Per {
    pub(crate) fn duration(self) -> Duration {
        match self {
            Self::Second => Duration::from_secs(1),
            Self::Minute => Duration::from_secs(60),
            Self::Hour => Duration::from_secs(3_600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_holds_and_mistakes_are_named() {
        assert_eq!(Settings::default().validate(), Ok(()));
        let with = |change: fn(&mut Rule)| {
            let mut settings = Settings::default();
            change(&mut settings.rules[1]);
            settings.validate()
        };
        assert_eq!(with(|rule| rule.rate = 0), Err("settings.rules.rate"));
        assert_eq!(with(|rule| rule.burst = Some(0)), Err("settings.rules.burst"));
        assert_eq!(with(|rule| rule.name = "speaker".into()), Err("settings.rules.name"));
        assert_eq!(with(|rule| rule.name.clear()), Err("settings.rules.name"));
    }

    #[test]
    fn unknown_fields_are_refused() {
        let unknown = serde_json::json!({"rules": [], "shadov": true});
        assert!(serde_json::from_value::<Settings>(unknown).is_err());
        let short = serde_json::json!({"rules": [{"name": "all", "key": "bot", "rate": 5}]});
        let settings: Settings = serde_json::from_value(short).unwrap();
        assert_eq!(settings.rules[0].per, Per::Minute);
    }
}
