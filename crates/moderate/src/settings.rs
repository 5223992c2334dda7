//! Moderation's section of a policy.

use std::collections::BTreeMap;

use portcullis_core::Severity;
use portcullis_detect::Entity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a bot must not say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether each sort of value is a leak where this conversation did not bring it in. A sort that
    /// is not named is, except telephone numbers and the addresses of places and machines, which bots give
    /// out all day: `phone = true` makes them leaks too. `email = false` suits a bot that gives out addresses of
    /// its shop.
    pub entities: BTreeMap<Entity, bool>,
    /// The bot's system prompt, registered so that it is known when it leaks.
    pub system_prompt: SystemPrompt,
    /// Where links and images may lead.
    pub links: Links,
    /// What this bot in particular must and must not say.
    pub guidelines: Guidelines,
    /// Violence, self-harm, sexual content, hate, help with crimes.
    pub unsafe_content: UnsafeContent,
}

impl Settings {
    /// Whether a value of this sort can be a leak.
    pub fn counts(&self, entity: Entity) -> bool {
        self.entities.get(&entity).copied().unwrap_or(!entity.is_often_public())
    }
}

/// A registered system prompt. `portcullis policy prompt FILE` writes this section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SystemPrompt {
    /// Random tokens that stand in the prompt and nowhere else: at least 8 letters and digits each. One of
    /// them in an answer is a leak, also without regard to case, spaced, reversed, in rot13, base64 or hex.
    pub canaries: Vec<String>,
    /// Hashes of pieces of the prompt, 16 hex digits each.
    pub shingles: Vec<String>,
    /// The salt of these hashes.
    pub salt: String,
    /// So many letters and digits of the prompt in one piece are a leak; 24 to 4096.
    pub min_chars: usize,
}

impl Default for SystemPrompt {
    fn default() -> Self {
        Self { canaries: Vec::new(), shingles: Vec::new(), salt: String::new(), min_chars: 60 }
    }
}

/// Where links and images may lead. Hosts are names such as `example.com`, or `*.example.com` for every name
/// below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Links {
    /// The only hosts that links may lead to. Absent: any, except where the link carries data out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Vec<String>>,
    /// The only hosts that images, frames and other content may be loaded from. Absent: `hosts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_hosts: Option<Vec<String>>,
    /// Whether HTML that runs or loads something by itself (`<script>`, `<iframe>`, `<form>`, `onerror=`, …)
    /// may stand in an answer outside of code.
    pub active_html: bool,
    /// Look at what Markdown shows as code as well. It is neither loaded nor followed.
    pub in_code: bool,
}

/// What this bot in particular must and must not say. Names are `[a-z0-9_]{1,32}` and stand in the finding's
/// kind, such as `guideline.word.rivals`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Guidelines {
    /// Words and phrases that must not be said.
    pub words: Vec<Words>,
    /// Topics that must not be spoken about.
    pub topics: Vec<Topic>,
    /// Regular expressions that must not match. They take linear time.
    pub patterns: Vec<Pattern>,
    /// What must be said where something else is.
    pub disclaimers: Vec<Disclaimer>,
    /// The only languages to answer in, as ISO 639-3 codes (`eng`, `deu`, …). Empty: any.
    pub languages: Vec<String>,
    /// The form of an answer that a program reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<JsonForm>,
}

/// Words and phrases that must not be said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Its name.
    pub name: String,
    /// The words: matched whole, without regard to case, width and invisible characters.
    pub any: Vec<String>,
    /// How bad it is; `high` blocks by the built-in rules.
    #[serde(default = "high")]
    pub severity: Severity,
}

/// A topic: so many different words of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Words and phrases that belong to it.
    pub words: Vec<String>,
    /// How many different ones make the topic; at least 1.
    #[serde(default = "two")]
    pub at_least: usize,
    /// How bad it is; `high` blocks by the built-in rules.
    #[serde(default = "high")]
    pub severity: Severity,
}

/// A regular expression that must not match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// Its name.
    pub name: String,
    /// The expression, in the syntax of Rust's `regex`: no look-around and no back-references.
    pub regex: String,
    /// Whether what matches is masked as `[WITHHELD]`.
    #[serde(default)]
    pub mask: bool,
    /// How bad it is; `high` blocks by the built-in rules.
    #[serde(default = "high")]
    pub severity: Severity,
}

/// What must be said where something else is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disclaimer {
    /// Its name.
    pub name: String,
    /// It is needed where one of these words is said; empty: in every answer.
    #[serde(default)]
    pub when: Vec<String>,
    /// One of these phrases satisfies it.
    pub any: Vec<String>,
    /// How bad it is where none stands there; `high` blocks by the built-in rules.
    #[serde(default = "high")]
    pub severity: Severity,
}

/// The form of an answer that a program reads: one JSON value and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JsonForm {
    /// A JSON Schema that it must fit. References lead nowhere outside of it.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub schema: serde_json::Value,
}

/// A sort of unsafe content.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Contempt for a group of people, slurs.
    Hate,
    /// Coarse abuse that is aimed at somebody.
    Abuse,
    /// Sexual content.
    Sexual,
    /// Threats, glorified or detailed violence.
    Violence,
    /// Encouragement of, or ways to, self-harm and suicide.
    SelfHarm,
    /// Help with crimes: drugs, weapons, break-ins, fraud, malware.
    Illegal,
}

impl Category {
    /// Every category, in the order of the model's outputs.
    pub const ALL: [Self; 6] =
        [Self::Hate, Self::Abuse, Self::Sexual, Self::Violence, Self::SelfHarm, Self::Illegal];

    /// Its name in settings and finding kinds.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hate => "hate",
            Self::Abuse => "abuse",
            Self::Sexual => "sexual",
            Self::Violence => "violence",
            Self::SelfHarm => "self_harm",
            Self::Illegal => "illegal",
        }
    }
}

/// Probabilities at which to act; absent: the model's own, set so that few harmless answers are reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Levels {
    /// At or above it the finding is `high`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_above: Option<f64>,
    /// At or above it the finding is `medium`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_above: Option<f64>,
}

/// What is done about a category.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Level {
    /// `false`: not looked for. `true`: the model's own thresholds.
    Switch(bool),
    /// Thresholds of one's own.
    Levels(Levels),
}

/// Violence, self-harm, sexual content, hate, abuse, help with crimes, judged by a small model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UnsafeContent {
    /// Whether the model is asked at all.
    pub enabled: bool,
    /// Whether the encoder reads what the linear model is not sure is harmless: a few dozen milliseconds of one core
    /// for 1 KiB of an answer, and far fewer errors. Without it the linear model answers alone.
    pub encoder: bool,
    /// What is done about each category; one that is not named has the model's own thresholds.
    pub categories: BTreeMap<Category, Level>,
}

impl Default for UnsafeContent {
    fn default() -> Self {
        Self { enabled: true, encoder: true, categories: BTreeMap::new() }
    }
}

fn high() -> Severity {
    Severity::High
}

fn two() -> usize {
    2
}
