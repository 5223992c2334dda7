//! A stretch of a text that was decoded.

use portcullis_core::Span;

use crate::likeness::{Look, look};
use crate::writer::Writer;

/// How a stretch was encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Base64 (RFC 4648), also URL-safe, unpadded, broken over lines, reversed, or UTF-16 inside.
    Base64,
    /// Pairs of hexadecimal digits, together or apart.
    Hex,
    /// Codes of characters: decimal, octal, binary or hexadecimal numbers in a row.
    Codes,
    /// Percent-encoding of URLs (RFC 3986).
    Url,
    /// HTML character references.
    Html,
    /// Quoted-printable (RFC 2045).
    QuotedPrintable,
    /// Escapes of programming languages: `\\u0041`, `\\x41`, `\\101`, `U+0041`.
    Escape,
    /// String literals joined in code.
    Concatenation,
    /// Morse code.
    Morse,
    /// Letters with a separator between each two.
    Spaced,
    /// Digits and signs for letters.
    Leet,
    /// Small and capital letters at random.
    Case,
    /// Letters rotated by thirteen places.
    Rot13,
    /// Read backwards.
    Reversed,
    /// The first letters of words moved to their ends.
    PigLatin,
}

impl Method {
    /// The name in findings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Codes => "character codes",
            Self::Url => "URL escapes",
            Self::Html => "HTML entities",
            Self::QuotedPrintable => "quoted-printable",
            Self::Escape => "string escapes",
            Self::Concatenation => "joined strings",
            Self::Morse => "Morse code",
            Self::Spaced => "spaced letters",
            Self::Leet => "leet",
            Self::Case => "alternating case",
            Self::Rot13 => "rot13",
            Self::Reversed => "reversed text",
            Self::PigLatin => "pig latin",
        }
    }
}

/// What was decoded, and from where.
#[derive(Debug, Clone)]
pub(crate) struct Stretch {
    pub(crate) span: Span,
    pub(crate) method: Method,
    pub(crate) look: Look,
    pub(crate) reading: Writer,
}

impl Stretch {
    /// A stretch whose reading looks like something.
    pub(crate) fn new(span: Span, method: Method, reading: Writer) -> Option<Self> {
        let look = look(reading.text());
        (look != Look::Noise).then_some(Self { span, method, look, reading })
    }

    /// A stretch that is known to be language.
    pub(crate) fn language(span: Span, method: Method, reading: Writer) -> Self {
        Self { span, method, look: Look::Language, reading }
    }
}

/// Stretches in order, without overlap: those given first win.
pub(crate) fn apart(found: Vec<Stretch>) -> Vec<Stretch> {
    let mut kept = std::collections::BTreeMap::<usize, Stretch>::new();
    for stretch in found {
        let before = kept.range(..stretch.span.end).next_back();
        if before.is_none_or(|(_, other)| other.span.end <= stretch.span.start) {
            kept.insert(stretch.span.start, stretch);
        }
    }
    kept.into_values().collect()
}
