//! Canonical or decoded readings of a received text, with a map back to the received bytes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Place, Span, Text};

/// How a view came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ViewKind {
    /// Invisible characters removed, NFKC, confusables folded.
    Canonical,
    /// Text hidden in characters that nobody sees.
    Hidden,
    /// Something decoded out of the text.
    Decoded,
    /// A kind that this release does not know.
    #[serde(other)]
    Unknown,
}

/// One piece of a view and the received bytes that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// First byte in the view.
    pub view: usize,
    /// First byte in the received text.
    pub source: usize,
    /// Length in the view, in bytes.
    pub view_len: usize,
    /// Length in the received text, in bytes. Equal lengths mean byte for byte the same.
    pub source_len: usize,
}

/// A canonical or decoded reading of the text at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct View {
    /// How it came about.
    pub kind: ViewKind,
    /// What it is a reading of.
    pub source: Place,
    /// The reading itself.
    pub text: Text,
    /// Where each piece came from, ordered by `view`, without overlap.
    #[serde(default)]
    pub map: Vec<Run>,
}

impl View {
    /// The received bytes that a span of this view stands for: the smallest span that covers every
    /// run that it touches. A span inside a run of equal lengths is mapped exactly.
    pub fn to_source(&self, span: Span) -> Option<Span> {
        let mut found: Option<Span> = None;
        // runs are ordered, so that a text with many hits costs no more than its length
        let first = self.map.partition_point(|run| run.view + run.view_len <= span.start);
        let touched = self.map.iter().skip(first).take_while(|run| run.view < span.end);
        for run in touched {
            let (start, end) = (span.start.max(run.view), span.end.min(run.view + run.view_len));
            if start >= end {
                continue;
            }
            let piece = if run.view_len == run.source_len {
                Span { start: run.source + (start - run.view), end: run.source + (end - run.view) }
            } else {
                Span { start: run.source, end: run.source + run.source_len }
            };
            found = Some(match found {
                Some(so_far) => {
                    Span { start: so_far.start.min(piece.start), end: so_far.end.max(piece.end) }
                }
                None => piece,
            });
        }
        found
    }

    /// Received bytes that this view stands for in all: its share of a coverage total. Runs that
    /// follow each other and share their bytes (one character that became several) count once.
    pub fn source_bytes(&self) -> usize {
        let same = |a: &Run, b: &Run| (a.source, a.source_len) == (b.source, b.source_len);
        let groups = self.map.chunk_by(same);
        groups.filter_map(|group| group.first()).map(|run| run.source_len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_go_back_to_the_received_bytes() {
        // received: "a" U+200B "bc" U+FF21 ; view: "abcA"
        let view = View {
            kind: ViewKind::Canonical,
            source: Place::Text,
            text: "abcA".into(),
            map: vec![
                Run { view: 0, source: 0, view_len: 1, source_len: 1 },
                Run { view: 1, source: 4, view_len: 2, source_len: 2 },
                Run { view: 3, source: 6, view_len: 1, source_len: 3 },
            ],
        };
        assert_eq!(view.to_source(Span { start: 2, end: 3 }), Some(Span { start: 5, end: 6 }));
        assert_eq!(view.to_source(Span { start: 0, end: 4 }), Some(Span { start: 0, end: 9 }));
        assert_eq!(view.to_source(Span { start: 4, end: 9 }), None);
        assert_eq!(view.source_bytes(), 6);
    }
}
