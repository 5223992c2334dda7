//! Code spans of one line, after the inline rules of CommonMark 0.31 and of GitHub's Markdown. From the first place on at
//! which a backtick may be something else than the edge of a span (in a tag, an address, the end of a link, a cell
//! of a table) nothing of the line is code.

use std::ops::Range;

use crate::reading::{is_hidden_control, is_unseen};
use crate::tags::At;

/// What a piece of a line is.
enum Piece {
    /// Something that holds no backtick and ends before this byte.
    Ends(usize),
    /// Nothing but a sign.
    Sign,
    /// It cannot be said what the backticks after it are.
    Doubt,
}

/// Adds the spans of a line. Whether backticks may go on into the lines that follow: then these may be read in
/// another way than by themselves.
pub(crate) fn find(line: &str, found: &mut Vec<Range<usize>>) -> bool {
    let bytes = line.as_bytes();
    let says = |byte: &u8| matches!(byte, b'\\' | b'`' | b'<' | b']' | b'$');
    // up to the end of the last span
    let (mut at, mut seen) = (0, 0);
    while let Some(next) = bytes.get(at..).and_then(|rest| rest.iter().position(says)) {
        at += next;
        let Some(byte) = bytes.get(at) else { break };
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let piece = match byte {
            b'\\' if rest.first().is_some_and(u8::is_ascii_punctuation) => Piece::Ends(at + 2),
            b'`' => match span(line, seen, at) {
                Some(end) => {
                    found.push(at..end);
                    seen = end;
                    Piece::Ends(end)
                }
                None => Piece::Doubt,
            },
            b'<' => angle(rest).from(at + 1),
            b']' => match rest.first() {
                Some(b'(') => target(rest.get(1..).unwrap_or_default()).from(at + 2),
                Some(b'[') => label(rest.get(1..).unwrap_or_default()).from(at + 2),
                _ => Piece::Sign,
            },
            // a formula
            b'$' if rest.first() == Some(&b'$') => Piece::Doubt,
            _ => Piece::Sign,
        };
        at = match piece {
            Piece::Ends(end) => end,
            Piece::Sign => at + 1,
            Piece::Doubt => return true,
        };
    }
    false
}

impl Piece {
    /// The piece of a text that begins at `at`, from that of its rest.
    fn from(self, at: usize) -> Self {
        match self {
            Self::Ends(end) => Self::Ends(at + end),
            other => other,
        }
    }
}

/// Where the span ends whose backticks begin at `start`; absent where it may be none. No span is after `seen`.
fn span(line: &str, seen: usize, start: usize) -> Option<usize> {
    // a bare address takes the backticks in it as its own
    let before = line.get(seen..start)?;
    let word = before.rfind(|c: char| c.is_ascii_whitespace()).map_or(0, |at| at + 1);
    let before = before.get(word..)?.to_ascii_lowercase();
    if before.contains("://") || before.contains("www.") {
        return None;
    }
    let bytes = line.as_bytes();
    let run = |at: usize| bytes.iter().skip(at).take_while(|byte| **byte == b'`').count();
    let length = run(start);
    let inside = start + length;
    let mut at = inside;
    let close = loop {
        at += bytes.iter().skip(at).position(|byte| *byte == b'`')?;
        match run(at) {
            other if other == length => break at,
            other => at += other,
        }
    };
    let end = close + length;
    // where an invisible character is taken out, two runs of backticks may become one
    let touches = |text: Option<&str>, last: bool| {
        let mut chars = text.unwrap_or_default().chars();
        let c = if last { chars.next_back() } else { chars.next() };
        c.is_some_and(|c| is_unseen(c) || is_hidden_control(c))
    };
    let content = line.get(inside..close)?;
    let is_odd = touches(line.get(..start), true)
        || touches(Some(content), false)
        || touches(Some(content), true)
        || touches(line.get(end..), false);
    // cells are parted before their spans are read, and the label of a link's address is no span
    let mut pipes = content.match_indices('|');
    let is_parted =
        pipes.any(|(at, _)| !content.get(..at).is_some_and(|head| head.ends_with('\\')));
    (!is_odd && !is_parted && !content.contains("]:")).then_some(end)
}

/// What begins with `<`: a tag, an address, a comment.
fn angle(rest: &[u8]) -> Piece {
    let Some(first) = rest.first().filter(|byte| !byte.is_ascii_whitespace()) else {
        return Piece::Sign;
    };
    if matches!(first, b'!' | b'?') {
        let close: &[u8] = match rest {
            [b'!', b'-', b'-', ..] => b"-->",
            [b'?', ..] => b"?>",
            [b'!', b'[', ..] => b"]]>",
            _ => b">",
        };
        return match rest.windows(close.len()).position(|window| window == close) {
            Some(at) if !rest.get(..at).unwrap_or_default().contains(&b'`') => {
                Piece::Ends(at + close.len())
            }
            _ => Piece::Doubt,
        };
    }
    let is_tag = first.is_ascii_alphabetic() || *first == b'/';
    let (mut place, mut is_spaced, mut has_quotes, mut has_ticks) = (At::Name, false, false, false);
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            b'`' if place.is_quoted() => has_ticks = true,
            // no tag; an address has no space
            b'`' if is_spaced && !has_quotes => return Piece::Sign,
            b'`' => return Piece::Doubt,
            b'<' if has_quotes && !place.is_quoted() => return Piece::Doubt,
            b'<' if !has_quotes => return Piece::Sign,
            b'>' if !is_tag => return Piece::Ends(at + 1),
            byte => is_spaced |= byte.is_ascii_whitespace(),
        }
        if !is_tag {
            continue;
        }
        match place.after(*byte) {
            Some(next) => place = next,
            None if has_ticks => return Piece::Doubt,
            None => return Piece::Ends(at + 1),
        }
        has_quotes |= place.is_quoted();
    }
    // a tag may go on in the next line
    if is_tag { Piece::Doubt } else { Piece::Sign }
}

/// The address and title of a link, after `](`.
fn target(rest: &[u8]) -> Piece {
    let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let (mut depth, mut quote, mut in_angle) = (0usize, None, rest.get(blank) == Some(&b'<'));
    let mut at = blank;
    while let Some(byte) = rest.get(at) {
        let is_spaced = at.checked_sub(1).and_then(|before| rest.get(before));
        let is_spaced = is_spaced.is_some_and(u8::is_ascii_whitespace);
        match byte {
            b'\\' => at += 1,
            b'`' => return Piece::Doubt,
            b'>' if in_angle => in_angle = false,
            _ if in_angle => {}
            byte if quote == Some(*byte) => quote = None,
            _ if quote.is_some() => {}
            b'"' | b'\'' if is_spaced => quote = Some(*byte),
            b'(' => depth += 1,
            b')' => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return Piece::Ends(at + 1),
            },
            _ => {}
        }
        at += 1;
    }
    Piece::Doubt
}

/// The label of a link, after `][`. It ends before its last bracket.
fn label(rest: &[u8]) -> Piece {
    match rest.iter().position(|byte| matches!(byte, b']' | b'`')) {
        Some(at) if rest.get(at) == Some(&b']') => Piece::Ends(at),
        _ => Piece::Doubt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(line: &str) -> Vec<&str> {
        let mut found = Vec::new();
        find(line, &mut found);
        found.into_iter().map(|range| &line[range]).collect()
    }

    #[test]
    fn spans_are_as_long_as_their_backticks() {
        assert_eq!(spans("a `b` c ``d ` e`` f"), ["`b`", "``d ` e``"]);
        assert_eq!(spans(r"`a\` b \\`c` \``d`"), [r"`a\`", "`c`", "`d`"]);
        assert_eq!(spans("Vec<u8> [x](y (z) \"t\") <b id=\"i\"> a <= `b`"), ["`b`"]);
        assert_eq!(spans("if a <b then `c` and a < `d`"), ["`c`", "`d`"]);
        assert_eq!(spans(r"`a \| b`"), [r"`a \| b`"]);
    }

    #[test]
    fn what_only_looks_so_is_no_span() {
        for line in [
            r"\`![x](https://a.b)\`",
            "<img alt=\"`\" src=\"https://a.b\" title=\"`\">",
            "<a:`> ![x](https://a.b) `",
            "<`a@b.c> ![x](https://a.b) `",
            "<!-- ` --> ![x](https://a.b) `",
            "<?`?> ![x](https://a.b) `",
            "[a](`) ![x](https://a.b) [b](`)",
            "[a](b \"`\") ![x](https://a.b) [b](c \"`\")",
            "[a](<)> \"`\") ![x](https://a.b) [b](<)> \"`\")",
            "[a][`] ![x](https://a.b) [b][`]",
            "[`]: https://a.b '`'",
            "| ` | ![x](https://a.b) | ` |",
            "| ` | ` x ` ![y](https://a.b) ` |",
            "https://a.b/` ![x](https://a.b) `",
            "$$`$$ ![x](https://a.b) $$`$$",
            "`\u{200b}` ![x](https://a.b) ``",
        ] {
            assert_eq!(spans(line), Vec::<&str>::new(), "{line}");
        }
    }

    #[test]
    fn backticks_may_go_on_in_the_next_line() {
        let goes_on = |line: &str| find(line, &mut Vec::new());
        for line in ["a ` b", "a `b` ``", "<img alt=\"", "[a](", "x <!--"] {
            assert!(goes_on(line), "{line}");
        }
        for line in ["a `b`", "a < b", "<b>", "a [b] (c"] {
            assert!(!goes_on(line), "{line}");
        }
    }
}
