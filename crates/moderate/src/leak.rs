//! Secrets and personal values that this conversation did not bring in.

use std::collections::BTreeSet;

use portcullis_core::{Severity, Span};
use portcullis_detect::{Detector, Entity, Match, resolve, value_digest};
use portcullis_markup::Reading;

use crate::hit::Hit;
use crate::settings::Settings;

/// Values that are no leak: those that this conversation brought in, as salted digests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    salt: String,
    values: BTreeSet<String>,
}

impl Known {
    /// From what is known of a conversation.
    pub fn new(salt: impl Into<String>, values: impl IntoIterator<Item = String>) -> Self {
        Self { salt: salt.into(), values: values.into_iter().collect() }
    }

    /// Adds the values of a text that the bot was given to read.
    pub fn learn(&mut self, text: &str) {
        for hit in Detector::shared().detect(text) {
            if let Some(value) = text.get(hit.span.start..hit.span.end) {
                self.values.insert(value_digest(&self.salt, hit.entity, value));
            }
        }
    }

    /// Whether this value was brought in.
    pub fn has(&self, entity: Entity, value: &str) -> bool {
        !self.values.is_empty() && self.values.contains(&value_digest(&self.salt, entity, value))
    }
}

/// The leak that a match is, where it is none of what is known.
pub(crate) fn hit(entity: Entity, span: Span, confidence: f64) -> Hit {
    let severity = if entity.is_secret() { Severity::Critical } else { Severity::High };
    Hit::new(format!("leak.{}", entity.kind()), severity, confidence)
        .at(span.start, span.end)
        .masked(entity.label())
}

/// Leaks in a text, and in what a reader sees of it.
pub(crate) fn find(text: &str, settings: &Settings, known: &Known, hits: &mut Vec<Hit>) {
    let mut found = leaks(text, settings, known);
    let reading = Reading::plain(text);
    if reading.differs() {
        let seen = leaks(&reading.text, settings, known);
        found.extend(
            seen.into_iter()
                .filter_map(|hit| Some(Match { span: reading.to_source(hit.span)?, ..hit })),
        );
        found = resolve(found);
    }
    hits.extend(found.into_iter().map(|leak| hit(leak.entity, leak.span, leak.confidence)));
}

fn leaks(text: &str, settings: &Settings, known: &Known) -> Vec<Match> {
    let mut found = Detector::shared().detect(text);
    found.retain(|hit| {
        settings.counts(hit.entity)
            && text
                .get(hit.span.start..hit.span.end)
                .is_none_or(|value| !known.has(hit.entity, value))
    });
    found
}
