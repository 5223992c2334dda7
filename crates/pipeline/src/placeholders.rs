//! Placeholders in a text: `<EMAIL_1>` stands for a value in the vault. Pure functions over text, for whole
//! answers and for the parts of a stream.
//!
//! What only looks like one, because somebody typed it, is escaped by one more underscore after the bracket
//! (`<_EMAIL_1>`) on its way to the bot, and loses one on its way back: it is never taken for the value of
//! somebody's placeholder. Escaping twice and restoring twice works likewise.

use std::collections::HashMap;
use std::ops::Range;

/// The longest entity, in bytes; no longer one is taken from a stage either.
const LONGEST_ENTITY: usize = 32;
/// Digits of a number.
const DIGITS: usize = 6;
/// Underscores of an escape that are followed.
const ESCAPES: usize = 16;
/// No placeholder is longer, in bytes, with its brackets.
pub const LONGEST: usize = LONGEST_ENTITY + DIGITS + ESCAPES + 3;

/// The values of one conversation, by entity and number.
pub type Values = HashMap<(String, u32), String>;

/// One placeholder, or what looks like one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found<'a> {
    span: Range<usize>,
    escapes: usize,
    entity: &'a str,
    number: u32,
}

/// The placeholder of a value.
pub fn write(entity: &str, number: u32) -> String {
    format!("<{entity}_{number}>")
}

/// Whether anything in a text looks like a placeholder, escaped or not.
pub(crate) fn any(text: &str) -> bool {
    find(text).next().is_some()
}

/// Whether a text has a placeholder, so that the vault is to be asked for values.
pub fn any_to_restore(text: &str) -> bool {
    find(text).any(|found| found.escapes == 0)
}

/// Whether a word can be the entity of a placeholder: a capital, then capitals, digits, `_` and `-`.
pub fn is_entity(word: &str) -> bool {
    word.len() <= LONGEST_ENTITY
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.bytes().all(is_of_entity)
}

/// A text of a person with all that looks like a placeholder escaped; `None` where nothing does.
pub fn escape(text: &str) -> Option<String> {
    escape_but(text, |_| false)
}

/// The same, except for those that begin where `ours` says so.
pub(crate) fn escape_but(text: &str, ours: impl Fn(usize) -> bool) -> Option<String> {
    rewrite(text, |found| {
        let escapes = "_".repeat(found.escapes + 1);
        let escaped = || format!("<{escapes}{}_{}>", found.entity, found.number);
        (!ours(found.span.start)).then(escaped)
    })
}

/// A text of the bot with each placeholder replaced by its value, and each escape taken back by one; `None`
/// where nothing changes. A placeholder without a value stays as it is.
pub fn restore(text: &str, values: &Values) -> Option<String> {
    rewrite(text, |found| match found.escapes {
        0 => values.get(&(found.entity.to_owned(), found.number)).cloned(),
        escapes => Some(format!("<{}{}_{}>", "_".repeat(escapes - 1), found.entity, found.number)),
    })
}

/// For streams: how much of a text, from its beginning, may be restored and released before more has come:
/// all but a tail that may be the beginning of a placeholder. The tail is shorter than [`LONGEST`].
pub fn settled(text: &str) -> usize {
    let from = text.len().saturating_sub(LONGEST - 1);
    let tail = text.as_bytes().get(from..).unwrap_or_default();
    match tail.iter().rposition(|byte| *byte == b'<') {
        Some(at) if may_grow(tail.get(at + 1..).unwrap_or_default()) => from + at,
        _ => text.len(),
    }
}

/// Whether the bytes after a `<` are such that a placeholder may still come of them.
fn may_grow(bytes: &[u8]) -> bool {
    let fits = |byte: &u8| is_of_entity(*byte);
    bytes.iter().all(fits)
}

fn is_of_entity(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
}

fn rewrite(text: &str, with: impl Fn(&Found<'_>) -> Option<String>) -> Option<String> {
    let mut out: Option<String> = None;
    let mut at = 0;
    for found in find(text) {
        let Some(new) = with(&found) else { continue };
        let out = out.get_or_insert_with(|| String::with_capacity(text.len() + 64));
        out.push_str(text.get(at..found.span.start).unwrap_or_default());
        out.push_str(&new);
        at = found.span.end;
    }
    let mut out = out?;
    out.push_str(text.get(at..).unwrap_or_default());
    Some(out)
}

/// Everything of the form `<`, underscores, entity, `_`, number, `>`; an entity is a capital letter and then
/// capitals, digits, `_` and `-`; a number has no leading zero.
fn find(text: &str) -> impl Iterator<Item = Found<'_>> {
    text.match_indices('<').filter_map(move |(start, _)| found_at(text, start))
}

fn found_at(text: &str, start: usize) -> Option<Found<'_>> {
    let rest = text.get(start + 1..)?;
    let length = rest.bytes().take(LONGEST).position(|byte| !is_of_entity(byte))?;
    (rest.as_bytes().get(length) == Some(&b'>')).then_some(())?;
    let inner = rest.get(..length)?;
    let name = inner.trim_start_matches('_');
    let escapes = inner.len() - name.len();
    let (entity, digits) = name.rsplit_once('_')?;
    let counts = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    let fits =
        is_entity(entity) && counts && (1..=DIGITS).contains(&digits.len()) && escapes <= ESCAPES;
    fits.then_some(())?;
    let number = digits.parse().ok()?;
    Some(Found { span: start..start + length + 2, escapes, entity, number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> Values {
        let value =
            |entity: &str, number, value: &str| ((entity.to_owned(), number), value.to_owned());
        HashMap::from([value("EMAIL", 1, "jane@example.com"), value("API_KEY", 12, "<EMAIL_1>")])
    }

    #[test]
    fn placeholders_are_restored_and_strangers_stay() {
        let restored = |text| restore(text, &values());
        assert_eq!(
            restored("Write to <EMAIL_1>, not <EMAIL_2>.").unwrap(),
            "Write to jane@example.com, not <EMAIL_2>."
        );
        assert_eq!(restored("<API_KEY_12>").unwrap(), "<EMAIL_1>", "a value is not read again");
        for plain in ["", "<", "<EMAIL>", "<EMAIL_01>", "<email_1>", "< EMAIL_1>", "<_1>", "a < b"]
        {
            assert_eq!(restored(plain), None, "{plain}");
            assert_eq!(escape(plain), None, "{plain}");
        }
    }

    #[test]
    fn what_a_person_typed_comes_back_as_it_was_and_never_as_a_value() {
        let escaped = escape("my mail is <EMAIL_1> and <_EMAIL_1>").unwrap();
        assert_eq!(escaped, "my mail is <_EMAIL_1> and <__EMAIL_1>");
        assert_eq!(restore(&escaped, &values()).unwrap(), "my mail is <EMAIL_1> and <_EMAIL_1>");
    }

    #[test]
    fn a_stream_keeps_back_what_may_become_a_placeholder() {
        for (text, held) in [
            ("Hello", ""),
            ("Hello <", "<"),
            ("Hello <EMA", "<EMA"),
            ("Hello <EMAIL_1", "<EMAIL_1"),
            ("Hello <EMAIL_1>", ""),
            ("a <b", ""),
            ("<p><EM", "<EM"),
        ] {
            assert_eq!(&text[settled(text)..], held, "{text}");
        }
        assert_eq!(settled(&format!("<{}", "A".repeat(LONGEST))), LONGEST + 1);
    }

    proptest! {
        /// Escaping and restoring gives the text back, whatever the vault holds.
        #[test]
        fn escaping_is_undone(text in "([<>_A-Z0-9é -]|<EMAIL_1>|<_EMAIL_1>){0,40}") {
            let escaped = escape(&text).unwrap_or_else(|| text.clone());
            let found = find(&escaped).all(|found| found.escapes > 0);
            prop_assert!(found || escaped.contains(&"_".repeat(ESCAPES)));
            let back = restore(&escaped, &values()).unwrap_or(escaped);
            prop_assert_eq!(back, text);
        }

        /// Any cut of a stream is restored as the whole is.
        #[test]
        fn parts_are_restored_like_the_whole(
            text in "([<>_A-Z0-9é ]|<EMAIL_1>|<_EMAIL_1>|<API_KEY_12>){0,40}",
            cuts in prop::collection::vec(0usize..6, 0..80),
        ) {
            let (mut held, mut out) = (String::new(), String::new());
            let mut chars = text.chars();
            for size in cuts {
                held.extend(chars.by_ref().take(size));
                let part: String = held.drain(..settled(&held)).collect();
                out.push_str(&restore(&part, &values()).unwrap_or(part));
            }
            held.extend(chars);
            out.push_str(&restore(&held, &values()).unwrap_or(held));
            prop_assert_eq!(out, restore(&text, &values()).unwrap_or(text));
        }
    }
}
