//! Where an address is, and where it leads. Read as a browser reads it (WHATWG URL): a backslash is a slash, what
//! stands before `@` is no host.

use std::ops::Range;

use portcullis_markup::tags;

/// An address in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) range: Range<usize>,
    /// Where the next address may begin: quotes and brackets around this one may be none.
    pub(crate) next: usize,
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

/// Bytes before an address in which its image or tag must begin.
pub(crate) const BEFORE: usize = 1024;

/// The end of `text` before `at` in which what an address belongs to must begin.
pub(crate) fn window(text: &str, at: usize) -> &str {
    text.get(text.floor_char_boundary(at.saturating_sub(BEFORE))..at).unwrap_or_default()
}

/// What stands before an address, without what may stand between: blanks, ends of lines in a quote (`>`), blanks that
/// were escaped (`+`), a bracket.
pub(crate) fn outer(before: &str) -> &str {
    let between = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '+');
    before.trim_end_matches(between)
}

/// Whether the address of a link in Markdown begins after this.
fn opens_link(outer: &str) -> bool {
    outer.ends_with("](") || outer.ends_with("]:")
}

/// Whether an address begins after this that needs no scheme to be one.
fn opens(before: &str) -> bool {
    let outer = outer(before);
    before.ends_with(['(', '"', '\'', '=', '<'])
        || opens_link(outer)
        || ends_in_css(outer)
        || (outer.ends_with(['"', '\'', '=']) && tags::open(window(before, before.len())).is_some())
}

/// Whether the address of a style begins after this.
pub(crate) fn ends_in_css(outer: &str) -> bool {
    let tail = outer.len().checked_sub(4).and_then(|at| outer.get(at..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case("url("))
}

/// The address whose two slashes are at `at`. Without a scheme it is one only where a link or an attribute
/// begins before it.
pub(crate) fn at_slashes(text: &str, at: usize) -> Option<Url> {
    let before = text.get(..at)?;
    let (start, scheme) = match before.as_bytes().split_last() {
        Some((b':', rest)) if !before.ends_with("]:") => {
            let length = rest.iter().rev().take(16).take_while(|byte| is_scheme(**byte)).count();
            let start = rest.len() - length;
            let scheme = text.get(start..rest.len())?.to_ascii_lowercase();
            // one letter is a drive
            if length < 2 || !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return None;
            }
            (start, scheme)
        }
        _ if opens(before) => (at, String::new()),
        _ => return None,
    };
    read(text, start, at + 2, scheme)
}

/// The address that begins with `http:` or `https:` at `at`, of which a browser asks no slashes. It is one only where
/// a link or an attribute begins before it.
pub(crate) fn at_scheme(text: &str, at: usize) -> Option<Url> {
    let length = text.get(at..)?.find(':')?;
    let after = at + length + 1;
    if text.get(after..)?.starts_with("//") || !opens(text.get(..at)?) {
        return None;
    }
    read(text, at, after, text.get(at..at + length)?.to_ascii_lowercase())
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
    let before = text.get(..at)?;
    let head =
        text.get(at..text.floor_char_boundary((at + 16).min(text.len())))?.to_ascii_lowercase();
    let scheme = head.split(':').next()?;
    let after = head.get(scheme.len() + 1..)?;
    // "[1]: data: of two years" is no link, for an address has no space
    let opens = match outer(before).ends_with("]:") {
        true => !after.starts_with(char::is_whitespace),
        false => opens(before) || opens(before.trim_end()),
    };
    if !opens {
        return None;
    }
    let is_harmless = head.starts_with("data:image/") && !head.starts_with("data:image/svg")
        || head.starts_with("data:text/plain");
    if is_harmless {
        return None;
    }
    let (next, end) = ends(text, at);
    let scheme = scheme.to_owned();
    Some(Url { range: at..end, next, scheme, host: String::new(), rest: end })
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
    let (next, end) = ends(text, start);
    let end = end.max(authority + skipped);
    let rest = (authority + skipped + length).min(end);
    Some(Url { range: start..end, next: next.max(authority + skipped), scheme, host, rest })
}

/// What closes the address that begins at `start`, where it stands in brackets or quotes: it may hold spaces.
fn closed(text: &str, start: usize) -> Option<usize> {
    let before = text.get(..start)?.trim_end_matches(|c: char| c.is_whitespace() || c == '+');
    let rest = text.get(start..text.floor_char_boundary((start + tags::TAG).min(text.len())))?;
    match before.chars().next_back()? {
        '<' if opens_link(outer(before)) => {
            let at = rest.find(['>', '<', '\n', '\r'])?;
            rest.get(at..)?.starts_with('>').then_some(at)
        }
        quote @ ('"' | '\'') => {
            let at = rest.find(quote)?;
            tags::open(window(before, before.len())).map(|_| at)
        }
        _ => None,
    }
}

/// Where the address that begins at `start` ends by itself, and with what may be around it.
fn ends(text: &str, start: usize) -> (usize, usize) {
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
    let kept = |end: usize| {
        let marks = ['.', ',', ';', ':', '!', '?', '*', '_'];
        start + rest.get(..end).unwrap_or_default().trim_end_matches(marks).len()
    };
    (kept(end), kept(closed(text, start).unwrap_or(end).max(end)))
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
            ("![x]( //evil.net/x)", Some("evil.net")),
            ("![x](\n> <//evil.net/x>)", Some("evil.net")),
            ("[r]:\n //evil.net/x", Some("evil.net")),
            ("[r]://evil.net/x", Some("evil.net")),
            ("<img alt=\">\" src=\" //evil.net/x\">", Some("evil.net")),
            ("url( //evil.net/x)", Some("evil.net")),
            ("a // comment.here", None),
            ("(a, // comment.here", None),
            ("x = // comment.here", None),
            ("C://dir.name", None),
            ("https://no-dot/", None),
        ] {
            assert_eq!(host(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_browser_asks_no_slashes() {
        let found = |text: &str| at_scheme(text, text.find("http")?).map(|url| url.host);
        assert_eq!(found("![x](http:evil.net/x)").as_deref(), Some("evil.net"));
        assert_eq!(found("<img src='https:/evil.net/x'>").as_deref(), Some("evil.net"));
        assert_eq!(found("we use http: evil.net"), None);
        assert_eq!(found("(https://evil.net)"), None, "it has its slashes");
    }

    #[test]
    fn an_address_ends_before_what_belongs_to_the_sentence() {
        let range = |text: &str| at_slashes(text, text.find("//").unwrap()).unwrap().range;
        let text = "(see https://a.org/x_(y).) ok";
        assert_eq!(&text[range(text)], "https://a.org/x_(y)");
        let text = "go to https://a.org/x, please";
        assert_eq!(&text[range(text)], "https://a.org/x");
        let text = "[x](<https://a.org/x y (z>) and";
        assert_eq!(&text[range(text)], "https://a.org/x y (z");
        let text = "<a href='https://a.org/x y\" z'> and";
        assert_eq!(&text[range(text)], "https://a.org/x y\" z");
        let text = "\"https://a.org/x\" and 'y'";
        assert_eq!(&text[range(text)], "https://a.org/x");
    }
}
