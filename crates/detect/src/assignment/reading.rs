//! What joins the name of a credential to its value, and where the value ends.

use super::likely::is_of_value;
use crate::bytes::{preceded, run_back};

/// Most bytes of a value that are looked at to know it.
pub(super) const LONGEST: usize = 256;

/// Longest stretch behind a name that is read: what joins it to the value, and the value.
const REACH: usize = LONGEST + 96;

/// What joins a name to its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Colon,
    Equals,
    /// `my password is …`
    Says,
    /// `password '…'`, `the password for the router is …`: as well said of another value.
    Loose,
    /// `password:`, and the value on the next line.
    OwnLine,
    /// `<password>…</password>`
    Tag,
    /// `| Password | … |`
    Cell,
}

/// The text from `from` on, as far as it is read.
pub(super) fn window(text: &[u8], from: usize) -> &str {
    let bytes = text.get(from..text.len().min(from + REACH)).unwrap_or_default();
    // the window may end inside a character
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{A0}' | '\u{202F}' | '\u{3000}')
}

/// What joins the name before `rest` to a value, and the text from there on.
pub(super) fn join<'a>(rest: &'a str, before: &[u8]) -> Option<(Sign, &'a str)> {
    let closing = ['"', '\'', '`', '\\', ']', '*'];
    let mut rest = rest.trim_start_matches(closing);
    // `<add key="Password" value="…"/>`, `- name: PASSWORD⏎  value: …`
    let next =
        rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',' || closing.contains(&c));
    if let Some((word, after)) = next.split_at_checked("value".len())
        && word.eq_ignore_ascii_case("value")
    {
        rest = after.trim_start_matches(closing);
    }
    let at = rest.trim_start_matches(is_blank);
    if let Some(after) = at.strip_prefix('：') {
        return Some((Sign::Colon, after.trim_start_matches(is_blank)));
    }
    let after = at.trim_start_matches([':', '=']);
    let sign = match at.strip_suffix(after)? {
        "" => return unsigned(at, at.len() < rest.len(), before),
        ":" | "::" => Sign::Colon,
        "=" | ":=" => Sign::Equals,
        "==" | "===" if quoted(after.trim_start_matches(is_blank)).is_some() => Sign::Equals,
        _ => return None,
    };
    let after = after.strip_prefix('>').or(after.strip_prefix("**")).unwrap_or(after);
    let after = after.trim_start_matches(is_blank);
    if sign == Sign::Colon {
        if let Some(value) = typed(after) {
            return Some((Sign::Equals, value));
        }
        if after.starts_with(['\r', '\n']) {
            return Some((Sign::OwnLine, after.trim_start()));
        }
    }
    Some((sign, after))
}

/// The value behind a type: `&str = "…"`.
fn typed(rest: &str) -> Option<&str> {
    let (kind, value) = rest.split_once('=')?;
    let kind = kind.trim_end_matches(is_blank).trim_start_matches("&'static ");
    let of_kind = |c: char| c.is_ascii_alphabetic() || "&<>[]?_.|".contains(c);
    let value = value.trim_start_matches(is_blank);
    let is_typed = !kind.starts_with('<') && kind.chars().all(of_kind) && quoted(value).is_some();
    is_typed.then_some(value)
}

/// What joins a name to a value without a sign between them.
fn unsigned<'a>(at: &'a str, is_apart: bool, before: &[u8]) -> Option<(Sign, &'a str)> {
    const SAYS: [&str; 6] = ["is ", "is: ", "ist ", "es ", "est ", "lautet "];
    if let Some(after) = SAYS.iter().find_map(|word| at.strip_prefix(word)) {
        return Some((Sign::Says, after.trim_start_matches(is_blank)));
    }
    if let Some(value) = at.strip_prefix('>') {
        return Some((Sign::Tag, value));
    }
    if let Some(cell) = at.strip_prefix('|') {
        let end = run_back(before, before.len(), 8, |b| matches!(b, b' ' | b'\t' | b'*' | b'`'));
        let is_row = preceded(before, end, |b| b == b'|');
        return is_row.then(|| (Sign::Cell, cell.trim_start_matches([' ', '\t', '*', '`'])));
    }
    if let Some(rest) = at.strip_prefix("for ") {
        let (whose, value) = rest.split_once(" is ").or_else(|| rest.split_once(": "))?;
        return (whose.len() <= 24 && !whose.contains('\n')).then_some((Sign::Loose, value));
    }
    if quoted(at).is_some() {
        return Some((Sign::Loose, at));
    }
    // of a Dockerfile
    (is_apart && before.ends_with(b"ENV ")).then_some((Sign::Equals, at))
}

/// A value in quotes: the length of the opening one, with the signs that escape it, and the value.
pub(super) fn quoted(rest: &str) -> Option<(usize, &str)> {
    let body = rest.trim_start_matches('\\');
    let mark = body.chars().next().filter(|c| "\"'`“„‘‚«".contains(*c))?;
    let closes = |c: char| match mark {
        '“' | '„' => matches!(c, '“' | '”'),
        '‘' | '‚' => matches!(c, '‘' | '’'),
        '«' => c == '»',
        _ => c == mark,
    };
    let value = body.get(mark.len_utf8()..)?.split(|c| c == '\n' || closes(c)).next()?;
    let is_escaped = body.len() < rest.len();
    let value = if is_escaped { value.trim_end_matches('\\') } else { value };
    Some((rest.len() - body.len() + mark.len_utf8(), value))
}

/// A value without quotes: up to white space and signs that end it, of which some do so only here, less the
/// sentence's punctuation.
pub(super) fn unquoted<'a>(rest: &'a str, sign: Sign, ends: &str) -> &'a str {
    let is_end = |(at, c): &(usize, char)| match c {
        '"' | '\'' | '`' | '<' | '>' => true,
        '|' => sign == Sign::Cell,
        '&' | ';' | ',' => {
            ends.contains(*c) || is_separator(rest.get(at + 1..).unwrap_or_default())
        }
        _ => !is_of_value(*c),
    };
    let end = rest.char_indices().find(is_end).map_or(rest.len(), |(at, _)| at);
    let value = rest.get(..end.min(LONGEST)).unwrap_or_default();
    match sign {
        // no sentence ends here
        Sign::Tag | Sign::Cell | Sign::OwnLine => value,
        _ => value.trim_end_matches(['.', ',', '!', '?', ')', ']', '}', '*']),
    }
}

/// Whether what follows `&`, `;` or `,` is the next assignment, an entity's end, or nothing, so that the sign is no
/// part of a value.
fn is_separator(after: &str) -> bool {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let next = after.trim_start_matches(of_name);
    let is_next = next.starts_with(['=', ':', ';']) && next.len() < after.len();
    // `Initial Catalog=`
    let words = after.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    is_next
        || words.starts_with('=')
        || !after.starts_with(|c| is_of_value(c) && !matches!(c, '"' | '\'' | '<' | '&' | ';'))
}

/// Whether a value stands alone on its line and is no line of settings.
pub(super) fn is_line(value: &str, after: &str) -> bool {
    let after = after.trim_start_matches(is_blank);
    (after.is_empty() || after.starts_with(['\r', '\n'])) && !value.contains([':', '='])
}
