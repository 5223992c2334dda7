//! Addresses as Markdown and HTML read them: a backslash before a sign and a character reference stand for a
//! character, and a browser reads a backslash as a slash and leaves out tabs and line ends.
//!
//! These readings are for finding addresses and for nothing else: a sign that was escaped opens and closes nothing,
//! so another stands in its place.

use std::ops::Range;

use crate::reading::{Reading, Writer};
use crate::tags::{self, Tag};

/// Names of the references to signs of ASCII and to spaces. A browser knows 2,000 more, of letters and signs that
/// no address needs.
const NAMES: &[(&str, char)] = &[
    ("AMP", '&'),
    ("GT", '>'),
    ("Hat", '^'),
    ("LT", '<'),
    ("NewLine", '\n'),
    ("NonBreakingSpace", '\u{a0}'),
    ("QUOT", '"'),
    ("Tab", '\t'),
    ("UnderBar", '_'),
    ("VerticalLine", '|'),
    ("amp", '&'),
    ("apos", '\''),
    ("ast", '*'),
    ("bsol", '\\'),
    ("colon", ':'),
    ("comma", ','),
    ("commat", '@'),
    ("dollar", '$'),
    ("emsp", '\u{2003}'),
    ("ensp", '\u{2002}'),
    ("equals", '='),
    ("excl", '!'),
    ("grave", '`'),
    ("gt", '>'),
    ("hairsp", '\u{200a}'),
    ("lbrace", '{'),
    ("lbrack", '['),
    ("lcub", '{'),
    ("lowbar", '_'),
    ("lpar", '('),
    ("lsqb", '['),
    ("lt", '<'),
    ("midast", '*'),
    ("nbsp", '\u{a0}'),
    ("num", '#'),
    ("numsp", '\u{2007}'),
    ("percnt", '%'),
    ("period", '.'),
    ("plus", '+'),
    ("puncsp", '\u{2008}'),
    ("quest", '?'),
    ("quot", '"'),
    ("rbrace", '}'),
    ("rbrack", ']'),
    ("rcub", '}'),
    ("rpar", ')'),
    ("rsqb", ']'),
    ("semi", ';'),
    ("sol", '/'),
    ("thinsp", '\u{2009}'),
    ("verbar", '|'),
    ("vert", '|'),
];
/// Longest of these names.
const NAME: usize = 16;

/// The character that is referred to at the start of `text`, and the length of the reference. A number needs no
/// semicolon in HTML and may begin with any number of zeros.
fn reference(text: &str) -> Option<(char, usize)> {
    let rest = text.strip_prefix('&')?;
    if let Some(number) = rest.strip_prefix('#') {
        let (digits, radix) = match number.strip_prefix(['x', 'X']) {
            Some(hex) => (hex, 16),
            None => (number, 10),
        };
        let length = digits.bytes().take_while(|byte| char::from(*byte).is_digit(radix)).count();
        let significant = digits.get(..length)?.trim_start_matches('0');
        let code = u32::from_str_radix(significant, radix).ok()?;
        let length = text.len() - digits.len() + length;
        let semicolon = text.get(length..).is_some_and(|after| after.starts_with(';'));
        return Some((char::from_u32(code)?, length + usize::from(semicolon)));
    }
    let length = rest.bytes().take(NAME + 1).position(|byte| byte == b';')?;
    let name = rest.get(..length)?;
    let index = NAMES.binary_search_by_key(&name, |(name, _)| name).ok()?;
    NAMES.get(index).map(|(_, c)| (*c, length + 2))
}

/// What stands in a reading for a character that was escaped: what would end an address or open something is
/// another sign, what would part words still does.
fn shown(c: char) -> char {
    match c {
        '<' | '>' | '"' | '\'' | '`' | '{' | '}' | '|' | '[' | ']' | '(' | ')' | '!' | '\\' => '_',
        c if c.is_whitespace() || c.is_control() => '+',
        c => c,
    }
}

/// What the start of a text stands for in Markdown, and its length; absent where that is itself.
fn escaped(text: &str) -> Option<(char, usize)> {
    let mut chars = text.chars();
    match chars.next()? {
        '\\' => chars.next().filter(char::is_ascii_punctuation).map(|c| (c, 2)),
        '&' => reference(text),
        _ => None,
    }
}

/// The text as Markdown reads its addresses; absent where that is the same.
pub fn markdown(text: &str) -> Option<Reading<'static>> {
    let mut signs = text.match_indices(['\\', '&']);
    if !signs.any(|(at, _)| text.get(at..).is_some_and(|rest| escaped(rest).is_some())) {
        return None;
    }
    let mut out = Writer::default();
    let mut after = 0;
    for (at, c) in text.char_indices() {
        if at < after {
            continue;
        }
        let (c, length) = match text.get(at..).and_then(escaped) {
            Some((escaped, length)) => (shown(escaped), length),
            None => (c, c.len_utf8()),
        };
        after = at + length;
        out.put(c, at..after);
    }
    Some(out.done())
}

/// The text with its tags as a browser reads them; absent where that is the same. Line ends between attributes are
/// left out as well: of a tag that is read here only the addresses count. `tags` are those of the text.
pub fn attributes(text: &str, tags: &[Tag]) -> Option<Reading<'static>> {
    let is_read = |tag: &Range<usize>| {
        text.get(tag.clone()).is_some_and(|tag| tag.contains(['\\', '&', '\t', '\n', '\r']))
    };
    let tags = tags::inside(tags);
    if !tags.iter().any(is_read) {
        return None;
    }
    let mut tags = tags.into_iter().peekable();
    let mut out = Writer::default();
    let mut after = 0;
    for (at, c) in text.char_indices() {
        if at < after {
            continue;
        }
        while tags.next_if(|tag| tag.end <= at).is_some() {}
        let is_inside = tags.peek().is_some_and(|tag| tag.contains(&at));
        let mut read = Some(c);
        after = at + c.len_utf8();
        match c {
            '\\' if is_inside => read = Some('/'),
            '\t' | '\n' | '\r' if is_inside => read = None,
            '&' if is_inside => {
                if let Some((escaped, length)) = reference(text.get(at..).unwrap_or_default()) {
                    after = at + length;
                    read = match escaped {
                        '\t' | '\n' | '\r' => None,
                        '\\' => Some('/'),
                        escaped => Some(shown(escaped)),
                    };
                }
            }
            _ => {}
        }
        if let Some(c) = read {
            out.put(c, at..after);
        }
    }
    Some(out.done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_is_read() {
        for (text, expected) in [
            (r"a https:\/\/b.c", Some("a https://b.c")),
            ("&sol;&#47;&#x2f;&#0000047b&colon;", Some("////b:")),
            ("&#x0000002F;&#47.", Some("//.")),
            ("a&#32;b&Tab;c&nbsp;d", Some("a+b+c+d")),
            (r"\](a&#41;b", Some("_(a_b")),
            (r"a\b &unknown; & &; &#; &#x; &#1114112;", None),
            ("plain", None),
        ] {
            let read = markdown(text).map(|read| read.text.into_owned());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
        assert!(NAMES.is_sorted());
        assert!(NAMES.iter().all(|(name, _)| name.len() <= NAME));
    }

    #[test]
    fn attributes_are_read_as_a_browser_reads_them() {
        let text = "a\n\\b <img\n src=\"ht\ntps:\\\\e&#118;il.net/&Tab;&quot;\"> c\nd";
        let read = attributes(text, &tags::each(text)).unwrap();
        assert_eq!(read.text, "a\n\\b <img src=\"https://evil.net/_\"> c\nd");
        let at = read.text.find("evil").unwrap();
        assert_eq!(read.at(at), text.find("e&#118;").unwrap());
        let plain = "a\n\\b &amp; <b> c < d\n";
        assert!(attributes(plain, &tags::each(plain)).is_none());
    }

    #[test]
    fn each_place_leads_back() {
        let text = r"x https:\/\/e.net";
        let read = markdown(text).unwrap();
        let at = read.text.find("//").unwrap();
        let span = read.to_source(portcullis_core::Span { start: at, end: at + 2 }).unwrap();
        assert_eq!(&text[span.start..span.end], r"\/\/");
    }
}
