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
    #[schemars(length(max = 32))]
    pub rules: Vec<Rule>,
    /// Count and report, but never throttle: a message over a limit gives the finding
    /// `rate.would_exceed`, of severity info.
    pub shadow: bool,
    /// How long after a message its outcome and the bot's answer still change what it cost, in seconds.
    #[schemars(range(min = 1, max = 86_400))]
    pub settle_within_s: u32,
    /// How long units stay reserved for an answer that does not come, in seconds; then they are given
    /// back.
    #[schemars(range(min = 1, max = 86_400))]
    pub reserve_for_s: u32,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in findings, headers and keys; no two rules share one. Changing it forgets what was
    /// counted.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// What each count belongs to: one key, or several that are taken together, as in
    /// `["speaker", "address"]`. A message that lacks one (no speaker named, say) is not limited by this
    /// rule.
    pub key: Keys,
    /// How it counts.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// Units that are allowed in one `per`: with `gcra` in the long run, with `window` in any stretch of
    /// time so long.
    #[schemars(range(min = 1))]
    pub rate: u32,
    /// The time in which `rate` is allowed.
    #[serde(default)]
    pub per: Per,
    /// With `gcra`: units that may come at once after a rest. Where it is left out it is `rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub burst: Option<u32>,
    /// What is counted.
    #[serde(default)]
    pub unit: Unit,
    /// How many times over a message counts, by what became of it.
    #[serde(default, skip_serializing_if = "Costs::is_plain")]
    pub cost: Costs,
    /// With `unit = "tokens"`: tokens that a message takes for the bot's answer before it is known. When
    /// the answer (linked by `in_reply_to`) is checked, the difference is charged or given back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reserve: u32,
    /// Shrinks the limit of those whose messages are blocked again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub penalty: Option<Penalty>,
    /// Count and report under this rule, but never throttle by it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shadow: bool,
}

/// One key, or several that are taken together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Keys {
    /// One.
    One(Key),
    /// Several.
    Several(Vec<Key>),
}

/// What a count belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// The person, as the bot names them.
    Speaker,
    /// The person's network address; of IPv6 the first 64 bits, which is what one household has.
    Address,
    /// The network around the address: the first 24 bits of IPv4, the first 64 of IPv6.
    Network,
    /// The address to its last bit. Whoever has one IPv6 network has 2^64 of these.
    Host,
    /// The conversation.
    Conversation,
    /// The API key that the message came with, over HTTP.
    ApiKey,
    /// Everybody who writes to the bot together.
    Bot,
}

/// How a rule counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Units flow back evenly, and `burst` of them may come at once (generic cell rate algorithm).
    #[default]
    Gcra,
    /// A quota over a sliding window: no stretch of `per` holds more than `rate`. A unit comes back up to
    /// a sixteenth of `per` late.
    Window,
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
    /// A day.
    Day,
}

/// What a rule counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Messages.
    #[default]
    Messages,
    /// Characters (Unicode scalar values) of text and context as received. A message with more than
    /// the limit holds is never admitted.
    #[serde(alias = "characters")]
    Chars,
    /// Tokens of text and context, and of the bot's answer once it is checked; counted as a quarter of
    /// the bytes, rounded up, because models differ.
    Tokens,
}

/// How many times over a message counts, by what became of it. It counts once when it comes, and the rest
/// when its verdict is in the record; 0 gives back what it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Costs {
    /// Forwarded, rewritten or not.
    pub allow: u32,
    /// Held, or blocked only because nobody reviews.
    pub hold: u32,
    /// Blocked for what was found in it; not for an operator's order or a missing stage.
    pub block: u32,
}

/// Shrinks a limit by blocks: from the `after`-th on record each one halves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Penalty {
    /// Blocks on record at which the limit is halved for the first time.
    #[schemars(range(min = 1))]
    pub after: u32,
    /// Seconds in which one block is forgiven.
    #[schemars(range(min = 1))]
    pub forgive_s: u32,
    /// The limit shrinks to no less than one part in so many.
    #[schemars(range(min = 2, max = 1024))]
    pub at_most: u32,
}

impl Default for Settings {
    /// A person may write 20 messages at once and 60 a minute; an address 80 at once and 240 a minute.
    fn default() -> Self {
        let rule = |name: &str, key, rate, burst| Rule {
            burst: Some(burst),
            ..Rule::new(name, Keys::One(key), rate)
        };
        Self {
            rules: vec![
                rule("speaker", Key::Speaker, 60, 20),
                rule("address", Key::Address, 240, 80),
            ],
            shadow: false,
            settle_within_s: 600,
            reserve_for_s: 120,
        }
    }
}

impl Default for Costs {
    fn default() -> Self {
        Self { allow: 1, hold: 1, block: 1 }
    }
}

impl Costs {
    /// Whether every outcome costs the same.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Penalty {
    /// Three blocks halve a limit, one is forgiven in ten minutes, no less than a sixteenth is left.
    fn default() -> Self {
        Self { after: 3, forgive_s: 600, at_most: 16 }
    }
}

impl Keys {
    /// Each of them.
    pub fn all(&self) -> &[Key] {
        match self {
            Self::One(key) => std::slice::from_ref(key),
            Self::Several(keys) => keys,
        }
    }
}

impl Rule {
    /// So many messages a minute.
    pub fn new(name: &str, key: Keys, rate: u32) -> Self {
        Self {
            name: name.into(),
            key,
            algorithm: Algorithm::Gcra,
            rate,
            per: Per::Minute,
            burst: None,
            unit: Unit::Messages,
            cost: Costs::default(),
            reserve: 0,
            penalty: None,
            shadow: false,
        }
    }

    /// Units that can be taken at once.
    pub(crate) fn capacity(&self) -> u32 {
        match self.algorithm {
            Algorithm::Gcra => self.burst.unwrap_or(self.rate),
            Algorithm::Window => self.rate,
        }
    }

    /// Whether something is to be done after the verdict.
    pub(crate) fn settles(&self) -> bool {
        !self.cost.is_plain() || self.unit == Unit::Tokens || self.penalty.is_some()
    }

    fn validate(&self) -> Result<(), &'static str> {
        let keys: HashSet<_> = self.key.all().iter().collect();
        let checks = [
            ((1..=63).contains(&self.name.len()), "settings.rules.name"),
            (!keys.is_empty() && keys.len() == self.key.all().len(), "settings.rules.key"),
            (self.rate > 0, "settings.rules.rate"),
            (self.burst != Some(0), "settings.rules.burst"),
            (
                self.burst.is_none() || self.algorithm == Algorithm::Gcra,
                "settings.rules.burst: a window has none",
            ),
            (
                self.reserve == 0 || self.unit == Unit::Tokens,
                "settings.rules.reserve: only tokens are reserved",
            ),
            (
                self.reserve < self.capacity(),
                "settings.rules.reserve: more than the limit ever holds",
            ),
            (
                self.penalty.is_none_or(|penalty| {
                    penalty.after > 0
                        && penalty.forgive_s > 0
                        && (2..=1024).contains(&penalty.at_most)
                }),
                "settings.rules.penalty",
            ),
        ];
        checks.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, path)| Err(path))
    }
}

impl Settings {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// The path of the field that is wrong, in the form of a policy's paths.
    pub fn validate(&self) -> Result<(), &'static str> {
        if self.rules.len() > 32 {
            return Err("settings.rules: more than 32");
        }
        if !(1..=86_400).contains(&self.settle_within_s) {
            return Err("settings.settle_within_s");
        }
        if !(1..=86_400).contains(&self.reserve_for_s) {
            return Err("settings.reserve_for_s");
        }
        let mut names = HashSet::new();
        for rule in &self.rules {
            rule.validate()?;
            if !names.insert(&rule.name) {
                return Err("settings.rules.name");
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
            Self::Day => Duration::from_secs(86_400),
        }
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_false(value: &bool) -> bool {
    !*value
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
            settings.validate().unwrap_err().split(':').next().unwrap()
        };
        assert_eq!(with(|rule| rule.rate = 0), "settings.rules.rate");
        assert_eq!(with(|rule| rule.burst = Some(0)), "settings.rules.burst");
        assert_eq!(with(|rule| rule.algorithm = Algorithm::Window), "settings.rules.burst");
        assert_eq!(with(|rule| rule.name = "speaker".into()), "settings.rules.name");
        assert_eq!(with(|rule| rule.name.clear()), "settings.rules.name");
        assert_eq!(with(|rule| rule.key = Keys::Several(vec![])), "settings.rules.key");
        let twice = |rule: &mut Rule| rule.key = Keys::Several(vec![Key::Bot, Key::Bot]);
        assert_eq!(with(twice), "settings.rules.key");
        assert_eq!(with(|rule| rule.reserve = 1), "settings.rules.reserve");
        let all = |rule: &mut Rule| (rule.unit, rule.reserve) = (Unit::Tokens, 80);
        assert_eq!(with(all), "settings.rules.reserve");
        let never = |rule: &mut Rule| {
            rule.penalty = Some(Penalty { forgive_s: 0, ..Penalty::default() });
        };
        assert_eq!(with(never), "settings.rules.penalty");
    }

    #[test]
    fn unknown_fields_are_refused() {
        let unknown = serde_json::json!({"rules": [], "shadov": true});
        assert!(serde_json::from_value::<Settings>(unknown).is_err());
        let short = serde_json::json!({"rules": [
            {"name": "all", "key": "bot", "rate": 5},
            {"name": "pair", "key": ["speaker", "network"], "rate": 5, "unit": "characters"},
        ]});
        let settings: Settings = serde_json::from_value(short).unwrap();
        assert_eq!(settings.rules[0].per, Per::Minute);
        assert_eq!(settings.rules[1].key.all(), [Key::Speaker, Key::Network]);
        assert_eq!(settings.rules[1].unit, Unit::Chars);
    }
}
