//! Something that was found in an answer.

use portcullis_core::{Severity, Span};

/// Something that was found. It never quotes the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// What it is, in dotted words, such as `leak.secret.aws_key`.
    pub kind: String,
    /// How bad it is if true.
    pub severity: Severity,
    /// How sure, from 0 to 1.
    pub confidence: f64,
    /// Where, in bytes of the text that was looked at; absent where it concerns the whole.
    pub span: Option<Span>,
    /// The word to put in its place, such as `EMAIL`; absent where nothing is to be masked.
    pub mask: Option<&'static str>,
}

impl Hit {
    pub(crate) fn new(kind: impl Into<String>, severity: Severity, confidence: f64) -> Self {
        Self { kind: kind.into(), severity, confidence, span: None, mask: None }
    }

    #[must_use]
    pub(crate) fn at(mut self, start: usize, end: usize) -> Self {
        self.span = Some(Span { start, end });
        self
    }

    #[must_use]
    pub(crate) fn masked(mut self, label: &'static str) -> Self {
        self.mask = Some(label);
        self
    }
}
