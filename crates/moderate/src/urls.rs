//! Where an address is, and where it leads. Read as a browser reads it (WHATWG URL): a backslash is a slash, what
//! stands before `@` is no host.

use std::ops::Range;

/// An address in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) range: Range<usize>,
    /// In lower case; empty for `//host`.
    pub(crate) scheme: String,
    /// In lower case, without a last dot; empty where the scheme has none.
    pub(crate) host: String,
    /// First byte of what comes after the host, in the text.
    pub(crate) rest: usize,
}

/// Schemes that name no host and still do something.
const ACTIVE: &[&str] = &["javascript", "vbscript", "data"];

impl Url {
    /// Whether following it runs or shows what it says itself.
    pub(crate) fn is_active(&self) -> bool {
        ACTIVE.contains(&self.scheme.as_str())
    }
}

/// Bytes in which a host must stand, with what may stand before it.
const AUTHORITY: usize = 2048;

fn is_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'-')
}

/// The address whose two slashes are at `at`. Without a scheme it is one only where a link or an attribute
/// begins before it.
pub(crate) fn at_slashes(text: &str, at: usize) -> Option<Url> {
    let bytes = text.as_bytes();
    let before = bytes.get(..at)?;
    let (start, scheme) = match before.split_last() {
        Some((b':', rest)) => {
            let length = rest.iter().rev().take(16).take_while(|byte| is_scheme(**byte)).count();
            let start = rest.len() - length;
            let scheme = text.get(start..rest.len())?.to_ascii_lowercase();
            if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return None;
            }
            (start, scheme)
        }
        Some((b'(' | b'"' | b'\'' | b'=' | b'<', _)) => (at, String::new()),
        _ => return None,
    };
    read(text, start, at + 2, scheme)
}

/// The address that begins with `www.` at `at`.
pub(crate) fn at_www(text: &str, at: usize) -> Option<Url> {
    let before = text.get(..at)?.chars().next_back();
    if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '/' | '@' | '-' | '_')) {
        return None;
    }
    read(text, at, at, String::new())
}

/// The address of an active scheme (`javascript:`) that begins at `at`, where a link or an attribute does.
pub(crate) fn at_active(text: &str, at: usize) -> Option<Url> {
    let before = text.get(..at)?.trim_end_matches([' ', '\t', '\n', '\r']);
    if !before.ends_with(['(', '"', '\'', '=', '<']) {
        return None;
    }
    let head =
        text.get(at..text.floor_char_boundary((at + 16).min(text.len())))?.to_ascii_lowercase();
    let is_harmless = head.starts_with("data:image/") && !head.starts_with("data:image/svg")
        || head.starts_with("data:text/plain");
    if is_harmless {
        return None;
    }
    let end = end(text, at);
    let scheme = head.split(':').next()?.to_owned();
    Some(Url { range: at..end, scheme, host: String::new(), rest: end })
}

fn read(text: &str, start: usize, authority: usize, scheme: String) -> Option<Url> {
    let limit = text.floor_char_boundary((authority + AUTHORITY).min(text.len()));
    let rest = text.get(authority..limit)?;
    // more slashes than two change nothing
    let skipped = rest.len() - rest.trim_start_matches(['/', '\\']).len();
    let rest = rest.get(skipped..)?;
    let stops = |c: char| {
        matches!(
            c,
            '/' | '\\' | '?' | '#' | '<' | '>' | '"' | '\'' | '`' | '(' | ')' | '{' | '}' | '|'
        ) || c.is_whitespace()
    };
    let length = rest.find(stops).unwrap_or(rest.len());
    let authority_text = rest.get(..length)?.trim_end_matches(['.', ',', ';', ':', '!', '*', '_']);
    let host = authority_text.rsplit('@').next()?;
    let name = match host.strip_prefix('[') {
        Some(six) => six.split(']').next()?,
        None => host.split(':').next()?,
    };
    let host: String = name.trim_end_matches('.').chars().flat_map(char::to_lowercase).collect();
    if host.is_empty() || !(host.contains('.') || host.contains(':') || host == "localhost") {
        return None;
    }
    // Only what is an address is read to its end, and what comes next begins there: linear whatever the text.
    let end = end(text, start).max(authority + skipped);
    let rest = (authority + skipped + length).min(end);
    Some(Url { range: start..end, scheme, host, rest })
}

/// Where the address that begins at `start` ends.
fn end(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let mut open = 0usize;
    let mut end = rest.len();
    for (at, c) in rest.char_indices() {
        let stops = match c {
            '<' | '>' | '"' | '\'' | '`' | '{' | '}' | '|' | ']' => true,
            '(' => {
                open += 1;
                false
            }
            ')' => match open.checked_sub(1) {
                Some(less) => {
                    open = less;
                    false
                }
                None => true,
            },
            other => other.is_whitespace() || other.is_control(),
        };
        if stops {
            end = at;
            break;
        }
    }
    let kept = rest
        .get(..end)
        .unwrap_or_default()
        .trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_']);
    start + kept.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Option<String> {
        at_slashes(text, text.find("//")?).map(|url| url.host)
    }

    #[test]
    fn a_host_is_read_as_a_browser_reads_it() {
        for (text, expected) in [
            ("https://Example.com/a", Some("example.com")),
            ("https://example.com./a", Some("example.com")),
            ("https://good.org@evil.net/", Some("evil.net")),
            ("https://good.org:443@evil.net:80/", Some("evil.net")),
            ("https://evil.net\\@good.org/", Some("evil.net")),
            ("https:///evil.net/x", Some("evil.net")),
            ("http://[::1]/x", Some("::1")),
            ("(//evil.net/x)", Some("evil.net")),
            ("a // comment.here", None),
            ("https://no-dot/", None),
        ] {
            assert_eq!(host(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn an_address_ends_before_what_belongs_to_the_sentence() {
        let range = |text: &str| at_slashes(text, text.find("//").unwrap()).unwrap().range;
        let text = "(see https://a.org/x_(y).) ok";
        assert_eq!(&text[range(text)], "https://a.org/x_(y)");
        let text = "go to https://a.org/x, please";
        assert_eq!(&text[range(text)], "https://a.org/x");
    }
}
