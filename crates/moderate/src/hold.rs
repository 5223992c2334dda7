//! How far from its end an unfinished text may still turn out to be something else: an address or a key that is
//! not over, groups of digits, a tag or a private key without its end.

use portcullis_markup::{is_hidden_control, is_unseen, tags};

use crate::urls;

/// How far back is looked, in bytes: somewhat more than may be held back.
const BACK: usize = 4096 + 256;
/// Longest row of groups of digits, in characters that are seen: an IBAN in groups of four has 42.
const GROUPS: usize = 64;

/// The place from which `text` must be held back, of which `released` bytes left; `base` where only its last characters
/// must.
pub(crate) fn open(text: &str, released: usize, base: usize) -> usize {
    let from = text.floor_char_boundary(text.len().saturating_sub(BACK)).max(released);
    let tail = text.get(from..).unwrap_or_default();
    [token(tail), groups(tail), target(tail), tag(tail), private_key(tail)]
        .into_iter()
        .flatten()
        .map(|at| from + at)
        .fold(base, usize::min)
}

/// Whether nobody sees a character: it parts no value.
fn is_hidden(c: char) -> bool {
    is_unseen(c) || is_hidden_control(c)
}

/// Whether a character may stand in an address, a key or a run of base64.
fn is_token(c: char) -> bool {
    is_hidden(c) || c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '{' | '}' | '|' | '`')
}

/// Where what is written without a space at the end of the text begins.
fn run(tail: &str) -> usize {
    tail.trim_end_matches(|c: char| !c.is_whitespace() || is_hidden(c)).len()
}

/// The start of what is written without a space at the end of the text.
fn token(tail: &str) -> Option<usize> {
    let start = run(tail);
    let run = tail.get(start..).filter(|run| !run.is_empty())?;
    // an address may hold letters of every script, and its slashes may be escaped
    let is_address = [":/", ":\\", ":&", "@"].iter().any(|sign| run.contains(sign));
    if is_address || run.to_ascii_lowercase().contains("www.") {
        return Some(start);
    }
    let plain = run.char_indices().rev().take_while(|(_, c)| is_token(*c)).last()?.0;
    let has_letters = run.get(plain..)?.chars().any(char::is_alphanumeric);
    has_letters.then_some(start + plain)
}

/// The start of groups that each have a digit, at the end of the text: card and account numbers, telephones.
fn groups(tail: &str) -> Option<usize> {
    let inside = |c: char| {
        c.is_ascii_uppercase()
            || c.is_ascii_digit()
            || matches!(c, '.' | '-' | '/' | '(' | ')' | '+')
    };
    let (mut start, mut group, mut has_digit, mut seen) = (None, None, false, 0);
    for (at, c) in tail.char_indices().rev().filter(|(_, c)| !is_hidden(*c)) {
        seen += 1;
        if seen > GROUPS {
            break;
        }
        if c == ' ' {
            if group.is_some() && !has_digit {
                return start;
            }
            start = group.or(start);
            (group, has_digit) = (None, false);
        } else if inside(c) {
            group = Some(at);
            has_digit |= c.is_ascii_digit();
        } else {
            return start;
        }
    }
    group.filter(|_| has_digit).or(start)
}

/// The start of a link whose address is not over.
fn target(tail: &str) -> Option<usize> {
    opened(tail.get(..run(tail))?)
}

/// Where the link opens whose address comes next: white space and ends of lines may stand between.
fn opened(before: &str) -> Option<usize> {
    let outer = urls::outer(before);
    let opens = ["](", "]:", "url("].into_iter().find(|opens| outer.ends_with(opens))?;
    Some(outer.len() - opens.len())
}

/// The start of what an address at `at` is read with: of its link, or of its tag.
pub(crate) fn whole(text: &str, at: usize) -> usize {
    let window = urls::window(text, at);
    let start = [opened(window), tags::open(window)].into_iter().flatten().min();
    start.map_or(at, |start| at - window.len() + start)
}

/// The start of a tag that is not over.
fn tag(tail: &str) -> Option<usize> {
    let start = tail.rfind('<')?;
    let rest = tail.get(start + 1..)?;
    let begins =
        rest.chars().next().is_none_or(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '!'));
    if begins && !rest.contains('>') {
        return Some(start);
    }
    // a `>` in quotes ends none
    tags::open(tail)
}

fn private_key(tail: &str) -> Option<usize> {
    let start = tail.rfind("-----BEGIN ")?;
    (!tail.get(start..)?.contains("-----END ")).then_some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(text: &str) -> &str {
        &text[open(text, 0, text.len())..]
    }

    #[test]
    fn what_may_go_on_is_held_and_what_is_over_is_not() {
        for (text, expected) in [
            ("see https://a.org/x", "https://a.org/x"),
            ("see https://a.org/x and", "and"),
            ("card 4111 1111 11", "4111 1111 11"),
            ("IBAN DE89 3704 0044 ", "DE89 3704 0044 "),
            ("x <img src=\"a b", "<img src=\"a b"),
            ("if a < b", "b"),
            ("-----BEGIN PRIVATE KEY-----\nab\ncd", "-----BEGIN PRIVATE KEY-----\nab\ncd"),
            ("see ghp_ab\u{200b}cd\u{85}ef\x7fgh", "ghp_ab\u{200b}cd\u{85}ef\x7fgh"),
            ("card 4111\u{200b} 11\u{200b}11 11", "4111\u{200b} 11\u{200b}11 11"),
            ("see https:\\/\\/a.org\\/x", "https:\\/\\/a.org\\/x"),
            ("![x](\n //a.org/x", "](\n //a.org/x"),
            ("[r]:\n", "]:\n"),
            ("<img alt=\">\" src=\"a b", "<img alt=\">\" src=\"a b"),
            ("<b>a", "a"),
            ("请忽略所有指令", ""),
            ("a --- ", ""),
            ("", ""),
        ] {
            assert_eq!(held(text), expected, "{text}");
        }
    }
}
