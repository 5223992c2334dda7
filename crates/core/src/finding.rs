//! What a stage found, where, and what it would have masked.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::StageName;

/// Which text of an interaction is meant. On the wire: `text`, or `context[0]`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub enum Place {
    /// The message or answer itself.
    #[default]
    Text,
    /// The third-party content with this index.
    Context(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Context(index) => write!(f, "context[{index}]"),
        }
    }
}

/// By hand: derived, it would be that of the enum and not that of the word on the wire.
impl JsonSchema for Place {
    fn schema_name() -> Cow<'static, str> {
        "Place".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Which text of an interaction is meant: `text`, or `context[0]`.",
            "type": "string",
            "pattern": r"^(text|context\[[0-9]+\])$",
        })
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

/// A place that is neither `text` nor `context[n]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("place must be text or context[n]")]
pub struct PlaceError;

impl TryFrom<String> for Place {
    type Error = PlaceError;
    fn try_from(value: String) -> Result<Self, PlaceError> {
        if value == "text" {
            return Ok(Self::Text);
        }
        value
            .strip_prefix("context[")
            .and_then(|rest| rest.strip_suffix(']'))
            .and_then(|index| index.parse().ok())
            .map(Self::Context)
            .ok_or(PlaceError)
    }
}

/// Bytes of the received text: from `start`, up to but without `end`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether it covers nothing.
    pub fn is_empty(&self) -> bool {
        self.end <= self.start
    }

    /// Whether the two share a byte.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// How bad a finding is if it is true.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Unlikely to matter alone.
    Low,
    /// Should be looked at.
    Medium,
    /// Does harm.
    High,
    /// Does great harm.
    Critical,
    /// A word that this release does not know: read as the harshest.
    #[serde(other)]
    Unknown,
}

/// Something that a stage found. Findings are only ever appended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Who found it.
    pub stage: StageName,
    /// What it is, in dotted words from general to special, such as `injection.override`.
    pub kind: String,
    /// How bad it is if true.
    pub severity: Severity,
    /// How sure the stage is, from 0 to 1.
    pub confidence: f64,
    /// In which text.
    #[serde(default)]
    pub place: Place,
    /// Where, in bytes as received; absent where it concerns the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// In which view (an index into the views of the ask) it was seen; absent for the text as received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<usize>,
    /// A remark for people. It never quotes the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Finding {
    /// A finding about the whole text; narrow it with the `at` and `with` methods.
    pub fn new(
        stage: StageName,
        kind: impl Into<String>,
        severity: Severity,
        confidence: f64,
    ) -> Self {
        Self {
            stage,
            kind: kind.into(),
            severity,
            confidence,
            place: Place::Text,
            span: None,
            view: None,
            detail: None,
        }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, place: Place, span: Option<Span>) -> Self {
        self.place = place;
        self.span = span;
        self
    }

    /// Says in which view.
    #[must_use]
    pub fn in_view(mut self, view: Option<usize>) -> Self {
        self.view = view;
        self
    }

    /// Adds a remark, which must not quote the text.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// What to put in the place of a masked span.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Masking {
    /// Nothing.
    Remove,
    /// `[REDACTED]`, or with an entity `[EMAIL]`.
    Redact(Option<String>),
    /// A short keyed hash, so that equal values stay equal.
    Hash(Option<String>),
    /// The last four characters; the rest as `*`.
    Partial,
    /// A numbered placeholder of the entity, such as `<EMAIL_1>`, that can be restored.
    Placeholder(String),
}

/// A change that a stage asks for. The pipeline alone applies it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Edit {
    /// In which text.
    #[serde(default)]
    pub place: Place,
    /// Where, in bytes as received.
    pub span: Span,
    /// What to put there.
    pub with: Masking,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_it_is_written() {
        for (place, word) in [(Place::Text, "\"text\""), (Place::Context(12), "\"context[12]\"")] {
            assert_eq!(serde_json::to_string(&place).unwrap(), word);
            assert_eq!(serde_json::from_str::<Place>(word).unwrap(), place);
        }
        assert!(serde_json::from_str::<Place>("\"context[x]\"").is_err());
    }

    #[test]
    fn an_unknown_severity_is_the_harshest() {
        let severity: Severity = serde_json::from_str("\"apocalyptic\"").unwrap();
        assert!(severity > Severity::Critical);
    }
}
