//! A text as a reader sees it: compatibility forms folded (NFKC), invisible characters left out, and every
//! byte of it led back to the text as received. Whoever reads in a stage also gets the sanitizer's views;
//! this one is there for streams, where nothing else is.

use std::borrow::Cow;
use std::ops::Range;

use portcullis_core::Span;
use unicode_normalization::UnicodeNormalization;

/// A reading of a text.
pub struct Reading<'a> {
    /// What is read.
    pub text: Cow<'a, str>,
    /// For each byte of the reading the bytes in the source from which its character came; empty where the
    /// two are the same byte for byte.
    at: Vec<(u32, u32)>,
}

/// Characters that nobody sees and that part nothing.
pub fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Controls that no screen shows: every one but tab, line feed and carriage return. Between two characters that are
/// seen they part nothing.
pub fn is_hidden_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// The same without those that are white space to Unicode, such as the form feed: they part words.
fn is_wordless_control(c: char) -> bool {
    is_hidden_control(c) && !c.is_whitespace()
}

impl<'a> Reading<'a> {
    /// The reading with its letters as they are. A value goes on over every control.
    pub fn plain(text: &'a str) -> Self {
        if text.bytes().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')) {
            return Self { text: Cow::Borrowed(text), at: Vec::new() };
        }
        Self::built(text, is_hidden_control, |c, out| out.extend(std::iter::once(c).nfkc()))
    }

    /// The reading in lower case, for words.
    pub fn folded(text: &'a str) -> Self {
        if text.bytes().all(|byte| matches!(byte, b'\t'..=b'\r' | b' '..=b'~')) {
            return Self { text: Cow::Owned(text.to_ascii_lowercase()), at: Vec::new() };
        }
        Self::built(text, is_wordless_control, |c, out| {
            out.extend(std::iter::once(c).nfkc().flat_map(char::to_lowercase));
        })
    }

    fn built(text: &str, is_hidden: fn(char) -> bool, add: impl Fn(char, &mut String)) -> Self {
        let mut out = Writer::with_capacity(text.len());
        // controls of which it is not known yet what comes after them
        let mut open: Vec<(usize, char)> = Vec::new();
        let is_seen = |c: char| !c.is_whitespace() && !c.is_control();
        let mut after_seen = false;
        let mut piece = String::new();
        for (start, c) in text.char_indices() {
            if is_unseen(c) {
                continue;
            }
            // the escape of a colour is the start of something that a terminal takes out as a whole
            let is_colour =
                c == '\u{1b}' && text.get(start + 1..).is_some_and(|r| r.starts_with('['));
            if after_seen && is_hidden(c) && !is_colour {
                open.push((start, c));
                continue;
            }
            if is_seen(c) {
                open.clear();
            }
            for (start, c) in open.drain(..) {
                out.put(c, start..start + c.len_utf8());
            }
            after_seen = is_seen(c);
            piece.clear();
            add(c, &mut piece);
            // a compatibility form may come apart into an invisible character: it stays out as well
            for part in piece.chars().filter(|c| !is_unseen(*c)) {
                out.put(part, start..start + c.len_utf8());
            }
        }
        for (start, c) in open {
            out.put(c, start..start + c.len_utf8());
        }
        out.done()
    }

    /// Whether it says something else than its source.
    pub fn differs(&self) -> bool {
        !self.at.is_empty()
    }

    /// The bytes of the source behind a span of the reading.
    pub fn to_source(&self, span: Span) -> Option<Span> {
        if !self.differs() {
            return Some(span);
        }
        let last = span.end.checked_sub(1)?;
        let (start, _) = *self.at.get(span.start)?;
        let (_, end) = *self.at.get(last)?;
        Some(Span { start: start as usize, end: end as usize })
    }

    /// The byte of the source behind a byte of the reading.
    pub fn at(&self, at: usize) -> usize {
        self.at.get(at).map_or(at, |(start, _)| *start as usize)
    }
}

/// Writes a reading, each character with the bytes of the source from which it came.
#[derive(Default)]
pub(crate) struct Writer {
    text: String,
    at: Vec<(u32, u32)>,
}

impl Writer {
    fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), at: Vec::with_capacity(bytes) }
    }

    pub(crate) fn put(&mut self, c: char, source: Range<usize>) {
        self.text.push(c);
        self.at.resize(self.text.len(), (small(source.start), small(source.end)));
    }

    pub(crate) fn done(self) -> Reading<'static> {
        Reading { text: Cow::Owned(self.text), at: self.at }
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

    #[test]
    fn controls_that_nobody_sees_part_no_value() {
        for (text, expected) in [
            ("AK\x7fIA\u{85}x\0\u{1}\u{200b}\u{2}y", "AKIAxy"),
            ("a\x0cb \x01 c\x01\n\x01d\te", "ab \x01 c\x01\n\x01d\te"),
            ("a\x1b[31mb\x1bc", "a\x1b[31mbc"),
            ("a\x01", "a\x01"),
        ] {
            assert_eq!(Reading::plain(text).text, expected, "{text:?}");
        }
        let reading = Reading::plain("a AK\x7fIA\u{85}x b");
        let span = reading.to_source(Span { start: 2, end: 7 }).unwrap();
        assert_eq!((span.start, span.end), (2, 10));
        assert_eq!(Reading::folded("GO\x0cA\x01WAY").text, "go\x0caway", "a form feed parts words");
    }
}
