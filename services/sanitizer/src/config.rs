//! The sanitizer's section of a policy.

use std::collections::BTreeMap;

use portcullis_core::Masking;
use portcullis_detect::Entity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the sanitizer finds, masks and limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What becomes of each sort of value in what people write. A sort that is not named is
    /// replaced by its label (`redact`).
    pub entities: BTreeMap<Entity, Treatment>,
    /// Whether invisible characters that carry nothing are taken out of what people write.
    pub remove_invisible: bool,
    /// How many encodings (base64, hex, escapes, rot13, Morse and so on) may lie one inside the other and
    /// are still decoded into readings for the judges. 0 decodes nothing; more than 5 counts as 5.
    pub decode_depth: usize,
    /// Limits, each a finding `limit.…` where it is passed.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            entities: BTreeMap::new(),
            remove_invisible: true,
            decode_depth: 3,
            limits: Limits::default(),
        }
    }
}

impl Settings {
    /// What becomes of values of this sort.
    pub fn treatment(&self, entity: Entity) -> Treatment {
        self.entities.get(&entity).copied().unwrap_or_default()
    }
}

/// What becomes of a value in a message to the bot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// Its label stands in its place, such as `[EMAIL]`.
    #[default]
    Redact,
    /// A short keyed hash stands in its place, so that equal values stay equal.
    Hash,
    /// A numbered placeholder such as `<EMAIL_1>`, which the bot's answer in the same conversation gives back.
    /// Where the policy's `placeholders.restore` is off, or the value cannot be kept, as `redact`.
    Placeholder,
    /// Only its last four characters stay.
    Partial,
    /// It is taken out.
    Remove,
    /// It is neither reported nor changed.
    Off,
}

impl Treatment {
    /// Whether it is reported at all.
    pub fn is_on(self) -> bool {
        self != Self::Off
    }

    /// The masking to ask for; none where the sort is off.
    pub fn masking(self, entity: Entity) -> Option<Masking> {
        let label = || Some(entity.label().to_owned());
        match self {
            Self::Redact => Some(Masking::Redact(label())),
            Self::Hash => Some(Masking::Hash(label())),
            Self::Placeholder => Some(Masking::Placeholder(entity.label().to_owned())),
            Self::Partial => Some(Masking::Partial),
            Self::Remove => Some(Masking::Remove),
            Self::Off => None,
        }
    }
}

/// Limits of one text: the message, or one item of its context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of UTF-8.
    pub bytes: usize,
    /// Unicode scalar values.
    pub chars: usize,
    /// Tokens of a language model, estimated: one for every four letters or digits of ASCII in a word, for every
    /// two letters of other alphabets, and for every other character that is no white space. Tokenizers
    /// differ by a quarter either way on prose.
    pub tokens: usize,
    /// Lines.
    pub lines: usize,
    /// How often one character may stand in a row.
    pub repeated: usize,
    /// Share of characters, from 0 to 1, that are no text: controls other than tab and line ends,
    /// private use, noncharacters, U+FFFD. Texts of fewer than 16 characters are not judged by it.
    pub control_share: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 256 * 1024,
            chars: 256 * 1024,
            tokens: 128 * 1024,
            lines: 16 * 1024,
            repeated: 1024,
            control_share: 0.1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_as_documented_and_refuse_what_they_do_not_know() {
        let settings: Settings = serde_json::from_value(serde_json::json!({
            "entities": {"email": "partial", "aws_key": "off"},
            "limits": {"chars": 10}
        }))
        .unwrap();
        assert_eq!(settings.treatment(Entity::Email), Treatment::Partial);
        assert_eq!(settings.treatment(Entity::AwsKey).masking(Entity::AwsKey), None);
        assert_eq!(settings.treatment(Entity::Card), Treatment::Redact);
        assert_eq!(settings.limits.chars, 10);
        assert_eq!(settings.limits.bytes, Limits::default().bytes);
        for wrong in ["{\"mask\":1}", "{\"entities\":{\"iris\":\"off\"}}", "{\"limits\":{\"x\":1}}"]
        {
            assert!(serde_json::from_str::<Settings>(wrong).is_err());
        }
    }
}
