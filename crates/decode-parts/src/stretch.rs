//! A stretch of a text that was decoded.

use std::collections::BTreeMap;

use portcullis_core::Span;

use crate::likeness::{Look, look, mean, reads};
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
pub struct Stretch {
    /// Where it stands.
    pub span: Span,
    /// How it was decoded.
    pub method: Method,
    /// What its reading looks like.
    pub look: Look,
    /// What it says.
    pub reading: Writer,
}

impl Stretch {
    /// A stretch whose reading looks like something.
    pub fn new(span: Span, method: Method, reading: Writer) -> Option<Self> {
        let look = look(reading.text(), reading.junk());
        (look != Look::Noise).then_some(Self { span, method, look, reading })
    }

    /// A stretch of letters that stood apart: language unless its Latin letters say otherwise.
    pub fn joined(span: Span, method: Method, reading: Writer) -> Option<Self> {
        let is_language = mean(reading.text()).is_none() || reads(reading.text());
        if is_language {
            return Some(Self::language(span, method, reading));
        }
        Self::new(span, method, reading)
    }

    /// A stretch that is known to be language.
    pub fn language(span: Span, method: Method, reading: Writer) -> Self {
        Self { span, method, look: Look::Language, reading }
    }
}

/// Bytes that a stretch must decode beside those that it shares with others, to be read on its own.
const OWN: usize = 24;

/// Stretches in order, without overlap: those given first win. The second are words of those that lost, where
/// they reach well beyond what won: a decoy inside them must not hide them.
pub fn apart(found: Vec<Stretch>) -> (Vec<Stretch>, Vec<Stretch>) {
    let (mut kept, mut lost) = (BTreeMap::new(), BTreeMap::new());
    for stretch in found {
        let Some(stretch) = insert(&mut kept, stretch) else { continue };
        if stretch.look == Look::Language && stretch.span.len() >= OWN + shared(&kept, stretch.span)
        {
            insert(&mut lost, stretch);
        }
    }
    (kept.into_values().collect(), lost.into_values().collect())
}

/// Takes a stretch in, or gives it back where it overlaps another.
fn insert(kept: &mut BTreeMap<usize, Stretch>, stretch: Stretch) -> Option<Stretch> {
    let before = kept.range(..stretch.span.end).next_back();
    if before.is_some_and(|(_, other)| other.span.end > stretch.span.start) {
        return Some(stretch);
    }
    kept.insert(stretch.span.start, stretch);
    None
}

/// Bytes of `span` that are decoded by others.
fn shared(kept: &BTreeMap<usize, Stretch>, span: Span) -> usize {
    let touching = kept.range(..span.end).rev().map(|(_, other)| other.span);
    let touching = touching.take_while(|other| other.end > span.start);
    touching.map(|other| other.end.min(span.end) - other.start.max(span.start)).sum()
}
