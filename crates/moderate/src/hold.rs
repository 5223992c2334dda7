//! How far from its end an unfinished text may still turn out to be something else: an address or a key that is
//! not over, groups of digits, a tag or a private key without its end.

/// How far back is looked, in bytes: somewhat more than may be held back.
const BACK: usize = 4096 + 256;
/// Longest row of groups of digits, in bytes: an IBAN in groups of four has 42.
const GROUPS: usize = 64;

/// The place from which `text` must be held back; `base` where only its last characters must.
pub(crate) fn open(text: &str, base: usize) -> usize {
    let from = text.floor_char_boundary(text.len().saturating_sub(BACK));
    let tail = text.get(from..).unwrap_or_default();
    [token(tail), groups(tail), tag(tail), private_key(tail)]
        .into_iter()
        .flatten()
        .map(|at| from + at)
        .fold(base, usize::min)
}

/// Whether a character may stand in an address, a key or a run of base64.
fn is_token(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '{' | '}' | '|' | '`' | '\\')
}

/// The start of what is written without a space at the end of the text.
fn token(tail: &str) -> Option<usize> {
    let start = tail
        .char_indices()
        .rev()
        .take_while(|(_, c)| !c.is_whitespace())
        .last()
        .map(|(at, _)| at)?;
    let run = tail.get(start..)?;
    // an address may hold letters of every script
    if run.contains("://") || run.contains('@') || run.to_ascii_lowercase().contains("www.") {
        return Some(start);
    }
    let plain = run.char_indices().rev().take_while(|(_, c)| is_token(*c)).last()?.0;
    let has_letters = run.get(plain..)?.chars().any(char::is_alphanumeric);
    has_letters.then_some(start + plain)
}

/// The start of groups that each have a digit, at the end of the text: card and account numbers, telephones.
fn groups(tail: &str) -> Option<usize> {
    let from = tail.floor_char_boundary(tail.len().saturating_sub(GROUPS));
    let end = tail.get(from..)?;
    let mut start = None;
    let mut at = end.len();
    for group in end.rsplit(' ') {
        let inside = |c: char| {
            c.is_ascii_uppercase()
                || c.is_ascii_digit()
                || matches!(c, '.' | '-' | '/' | '(' | ')' | '+')
        };
        if !group.chars().all(inside)
            || !(group.is_empty() || group.bytes().any(|b| b.is_ascii_digit()))
        {
            break;
        }
        at = at.saturating_sub(group.len());
        if !group.is_empty() {
            start = Some(from + at);
        }
        at = at.saturating_sub(1);
    }
    start
}

/// The start of a tag that is not over.
fn tag(tail: &str) -> Option<usize> {
    let start = tail.rfind('<')?;
    let rest = tail.get(start + 1..)?;
    let begins =
        rest.chars().next().is_none_or(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '!'));
    (begins && !rest.contains('>')).then_some(start)
}

fn private_key(tail: &str) -> Option<usize> {
    let start = tail.rfind("-----BEGIN ")?;
    (!tail.get(start..)?.contains("-----END ")).then_some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(text: &str) -> &str {
        &text[open(text, text.len())..]
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
            ("请忽略所有指令", ""),
            ("a --- ", ""),
            ("", ""),
        ] {
            assert_eq!(held(text), expected, "{text}");
        }
    }
}
