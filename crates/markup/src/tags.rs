//! Where a tag of HTML ends: a `>` in a quoted value ends none. After the tokenizer of the HTML standard, of which
//! CommonMark's tags are a part.

use std::ops::Range;

/// Longest tag that is read, in bytes.
pub const TAG: usize = 2048;
/// So many times the bytes of a text are gone over for the ends of its tags one by one.
const WALKS: usize = 4;

/// Where a tag begins, and one past its end where it has one.
pub type Tag = (usize, Option<usize>);

/// Where in a tag a byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// Between attributes, or in the name of one.
    Name,
    /// Before a value.
    Equals,
    /// In a value without quotes.
    Bare,
    Double,
    Single,
}

impl At {
    /// Each at its own place; the first one is that after the `<`.
    const ALL: [Self; 5] = [Self::Name, Self::Equals, Self::Bare, Self::Double, Self::Single];

    /// Where the byte after this one stands; absent where this one ends the tag.
    pub(crate) fn after(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Double, b'"') | (Self::Single, b'\'') => Self::Name,
            (Self::Double | Self::Single, _) => self,
            (_, b'>') => return None,
            (Self::Name, b'=') => Self::Equals,
            (Self::Equals, b'"') => Self::Double,
            (Self::Equals, b'\'') => Self::Single,
            (Self::Bare, byte) if byte.is_ascii_whitespace() => Self::Name,
            (Self::Equals, byte) if !byte.is_ascii_whitespace() => Self::Bare,
            (at, _) => at,
        })
    }

    /// Whether it is in quotes.
    pub(crate) fn is_quoted(self) -> bool {
        matches!(self, Self::Double | Self::Single)
    }
}

/// One past the end of the tag that a text begins with.
pub(crate) fn end(text: &[u8]) -> Option<usize> {
    let mut at = At::Name;
    for (index, byte) in text.iter().enumerate().skip(1) {
        match at.after(*byte) {
            Some(next) => at = next,
            None => return Some(index + 1),
        }
    }
    None
}

/// Where a tag may begin.
fn starts(bytes: &[u8], at: usize) -> bool {
    bytes.get(at) == Some(&b'<') && bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic)
}

/// What is told of each state, from what is told of the state after a byte; `over` where the byte ends the tag.
fn before<T: Copy>(told: [T; At::ALL.len()], byte: u8, over: T) -> [T; At::ALL.len()] {
    let after = |next: At| told.get(next as usize).copied().unwrap_or(over);
    At::ALL.map(|at| at.after(byte).map_or(over, after))
}

/// Where the last tag begins that is not over at the end of the text.
pub fn open(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let last = text.rfind('>');
    let after = last.map_or(0, |at| at + 1);
    if let Some(start) = (after..bytes.len()).rev().find(|at| starts(bytes, *at)) {
        return Some(start);
    }
    // what begins before the last `>` is open where that is in its quotes: for each state whether it is
    let head = bytes.get(..last?)?;
    let mut quoted = At::ALL.map(|at| match at {
        At::Double => head.contains(&b'"'),
        At::Single => head.contains(&b'\''),
        _ => false,
    });
    for (index, byte) in head.iter().enumerate().rev() {
        if !quoted.contains(&true) {
            break;
        }
        if starts(bytes, index) && quoted.first() == Some(&true) {
            return Some(index);
        }
        quoted = before(quoted, *byte, false);
    }
    None
}

/// Where each tag of a text begins, in order, and its end where that is no further away than [`TAG`]. What is a tag
/// in any way to read the text is among them.
pub fn each(text: &str) -> Vec<Tag> {
    let bytes = text.as_bytes();
    let mut left = WALKS * bytes.len();
    let mut found = Vec::new();
    for (start, _) in text.match_indices('<').filter(|(at, _)| starts(bytes, *at)) {
        let near = bytes.get(start..bytes.len().min(start + TAG)).unwrap_or_default();
        let end = end(near);
        let Some(rest) = left.checked_sub(end.unwrap_or(near.len())) else {
            return each_backwards(text);
        };
        left = rest;
        found.push((start, end.map(|end| start + end)));
    }
    found
}

/// The same from the end of the text and for every state at once: linear however many there are in one another.
fn each_backwards(text: &str) -> Vec<Tag> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut ends: [Option<usize>; At::ALL.len()] = [None; At::ALL.len()];
    for (index, byte) in bytes.iter().enumerate().rev() {
        if starts(bytes, index) {
            let end = ends.first().copied().flatten();
            found.push((index, end.filter(|end| end - index <= TAG)));
        }
        ends = before(ends, *byte, Some(index + 1));
    }
    found.reverse();
    found
}

/// What is in tags, in order and without overlap.
pub(crate) fn inside(tags: &[Tag]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for &(start, end) in tags {
        match (end, found.last_mut()) {
            (Some(end), Some(last)) if start <= last.end => last.end = end.max(last.end),
            (Some(end), _) => found.push(start..end),
            (None, _) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_ends_outside_of_quotes() {
        for (text, expected) in [
            ("<b> x", Some("<b>")),
            ("<img alt=\">\" src=x> y", Some("<img alt=\">\" src=x>")),
            ("<img alt = '>' src=x> y", Some("<img alt = '>' src=x>")),
            ("<b it's> y", Some("<b it's>")),
            ("<a x=y\"> y", Some("<a x=y\">")),
            ("<img alt=\"> y", None),
        ] {
            assert_eq!(end(text.as_bytes()).map(|end| &text[..end]), expected, "{text}");
        }
    }

    #[test]
    fn every_tag_of_a_text_is_found() {
        let text = "a <b> c <i alt=\"<u> x\" y> d <s ";
        let tags: Vec<&str> = inside(&each(text)).into_iter().map(|range| &text[range]).collect();
        assert_eq!(tags, ["<b>", "<i alt=\"<u> x\" y>"]);
        assert_eq!(open(text), Some(text.len() - 3));
        let many = "<a b=\"".repeat(500) + &"<a b='c'>".repeat(500);
        for text in [text, &many, "<", "<a", ""] {
            assert_eq!(each(text), each_backwards(text), "{text}");
        }
        assert_eq!(open("<b> if a < b"), None);
        assert_eq!(open("<img alt=\">\" src="), Some(0));
    }
}
