//! A text as a reader sees it: compatibility forms folded (NFKC), invisible characters left out, and every
//! byte of it led back to the text as received. Whoever reads in a stage also gets the sanitizer's views;
//! this one is there for streams, where nothing else is.

use std::borrow::Cow;

use portcullis_core::Span;
use unicode_normalization::UnicodeNormalization;

/// A reading of a text.
pub(crate) struct Reading<'a> {
    pub(crate) text: Cow<'a, str>,
    /// For each byte of the reading the bytes in the source from which its character came; empty where the
    /// two are the same byte for byte.
    at: Vec<(u32, u32)>,
}

/// Characters that nobody sees and that part nothing.
pub(crate) fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{e0000}'..='\u{e0fff}')
}

impl<'a> Reading<'a> {
    /// The reading with its letters as they are.
    pub(crate) fn plain(text: &'a str) -> Self {
        if text.is_ascii() {
            return Self { text: Cow::Borrowed(text), at: Vec::new() };
        }
        Self::built(text, |c, out| out.extend(std::iter::once(c).nfkc()))
    }

    /// The reading in lower case.
    pub(crate) fn folded(text: &'a str) -> Self {
        if text.is_ascii() {
            return Self { text: Cow::Owned(text.to_ascii_lowercase()), at: Vec::new() };
        }
        Self::built(text, |c, out| {
            out.extend(std::iter::once(c).nfkc().flat_map(char::to_lowercase));
        })
    }

    fn built(text: &str, add: impl Fn(char, &mut String)) -> Self {
        let mut out = String::with_capacity(text.len());
        let mut at = Vec::with_capacity(text.len());
        for (start, c) in text.char_indices() {
            if is_unseen(c) {
                continue;
            }
            let before = out.len();
            if c.is_ascii() {
                add(c, &mut out);
            } else {
                // a compatibility form may come apart into an invisible character: it stays out as well
                let mut piece = String::new();
                add(c, &mut piece);
                out.extend(piece.chars().filter(|c| !is_unseen(*c)));
            }
            let place = (small(start), small(start + c.len_utf8()));
            at.resize(at.len() + (out.len() - before), place);
        }
        Self { text: Cow::Owned(out), at }
    }

    /// Whether it says something else than its source.
    pub(crate) fn differs(&self) -> bool {
        !self.at.is_empty()
    }

    /// The bytes of the source behind a span of the reading.
    pub(crate) fn to_source(&self, span: Span) -> Option<Span> {
        if !self.differs() {
            return Some(span);
        }
        let last = span.end.checked_sub(1)?;
        let (start, _) = *self.at.get(span.start)?;
        let (_, end) = *self.at.get(last)?;
        Some(Span { start: start as usize, end: end as usize })
    }
}

/// Texts are far below 4 GiB: the doors take no more than a few MiB.
fn small(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_leads_back_to_what_was_received() {
        let text = "ＡＫ\u{200b}ia é";
        let reading = Reading::plain(text);
        assert_eq!(reading.text, "AKia é");
        let span = reading.to_source(Span { start: 0, end: 4 }).unwrap();
        assert_eq!(&text[span.start..span.end], "ＡＫ\u{200b}ia");
        assert_eq!(Reading::folded(text).text, "akia é");
        assert!(!Reading::plain("plain").differs());
    }
}
