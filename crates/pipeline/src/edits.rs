//! Applies the edits that stages asked for to the received text.

use std::collections::HashMap;

use portcullis_core::{Edit, Masking, Place, Span, Text};

use crate::placeholders;

/// A short keyed hash of a masked value, so that equal values stay equal without being readable.
pub type MaskHash = dyn Fn(&str) -> String + Send + Sync;

/// The numbers that the vault gave, by entity and value.
pub(crate) type Numbers = HashMap<(String, String), u32>;

/// How values are masked.
#[derive(Clone, Copy)]
pub(crate) struct Masks<'a> {
    /// For hashes.
    pub(crate) hash: &'a MaskHash,
    /// For placeholders; a value that has no number is masked for good.
    pub(crate) numbers: &'a Numbers,
    /// Whether what looks like a placeholder, and is none of ours, is escaped.
    pub(crate) escape: bool,
}

/// The text to forward: the received bytes, except for the spans to be masked. Overlapping edits are one
/// edit over both spans, masked as the more thorough of the two asks.
pub(crate) fn apply(text: &Text, edits: &[Edit], masks: Masks<'_>) -> Text {
    let merged = merge(edits);
    if merged.is_empty() && !(masks.escape && placeholders::any(text.expose())) {
        return text.clone();
    }
    let source = text.expose();
    let mut out = String::with_capacity(source.len());
    let (mut at, mut ours) = (0, Vec::new());
    for (span, with) in merged {
        out.push_str(source.get(at..span.start).unwrap_or_default());
        let value = source.get(span.start..span.end).unwrap_or_default();
        let number = placeholder(&with, value).and_then(|named| masks.numbers.get(&named).copied());
        match (&with, number) {
            (Masking::Placeholder(entity), Some(number)) => {
                ours.push(out.len());
                out.push_str(&placeholders::write(entity, number));
            }
            _ => out.push_str(&mask(value, &with, masks.hash)),
        }
        at = span.end;
    }
    out.push_str(source.get(at..).unwrap_or_default());
    if masks.escape {
        // After the edits: what was parted by something removed may only now look like a placeholder.
        let escaped = placeholders::escape_but(&out, |start| ours.binary_search(&start).is_ok());
        out = escaped.unwrap_or(out);
    }
    Text::from(out)
}

/// The values that need a number of the vault, each once, with their entity.
pub(crate) fn wanted(text: &Text, edits: &[Edit]) -> Vec<(String, String)> {
    let mut wanted = Vec::new();
    for (span, with) in merge(edits) {
        let value = text.expose().get(span.start..span.end).unwrap_or_default();
        if let Some(named) = placeholder(&with, value)
            && !wanted.contains(&named)
        {
            wanted.push(named);
        }
    }
    wanted
}

/// Entity and value of what is to be a placeholder, where the entity can stand in one.
fn placeholder(with: &Masking, value: &str) -> Option<(String, String)> {
    match with {
        Masking::Placeholder(entity) if placeholders::is_entity(entity) => {
            Some((entity.clone(), value.to_owned()))
        }
        _ => None,
    }
}

fn merge(edits: &[Edit]) -> Vec<(Span, Masking)> {
    let mut wanted: Vec<_> = edits
        .iter()
        .filter(|edit| edit.place == Place::Text && !edit.span.is_empty())
        .map(|edit| (edit.span, edit.with.clone()))
        .collect();
    wanted.sort_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
    let mut merged: Vec<(Span, Masking)> = Vec::with_capacity(wanted.len());
    for (span, with) in wanted {
        match merged.last_mut() {
            Some((last, masking)) if span.start < last.end => {
                last.end = last.end.max(span.end);
                if thoroughness(&with) > thoroughness(masking) {
                    *masking = with;
                }
            }
            _ => merged.push((span, with)),
        }
    }
    merged
}

/// Removing an invisible character inside a card number must not undo the masking of the number.
fn thoroughness(masking: &Masking) -> u8 {
    match masking {
        Masking::Remove => 0,
        Masking::Partial => 1,
        Masking::Hash(_) => 2,
        Masking::Placeholder(_) => 3,
        Masking::Redact(_) => 4,
    }
}

fn mask(value: &str, with: &Masking, hash: &MaskHash) -> String {
    match with {
        Masking::Remove => String::new(),
        // A placeholder without a number is a redaction that names the entity.
        Masking::Redact(Some(entity)) | Masking::Placeholder(entity) => format!("[{entity}]"),
        Masking::Redact(None) => "[REDACTED]".into(),
        Masking::Hash(Some(entity)) => format!("[{entity}:{}]", hash(value)),
        Masking::Hash(None) => format!("[{}]", hash(value)),
        Masking::Partial => {
            let chars: Vec<char> = value.chars().collect();
            // Never shows more than a quarter.
            let shown = 4.min(chars.len() / 4);
            let hidden = chars.len() - shown;
            std::iter::repeat_n('*', hidden).chain(chars.into_iter().skip(hidden)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edit(start: usize, end: usize, with: Masking) -> Edit {
        Edit { place: Place::Text, span: Span { start, end }, with }
    }

    fn applied(text: &str, edits: &[Edit]) -> String {
        masked(text, edits, &Numbers::new(), false)
    }

    fn masked(text: &str, edits: &[Edit], numbers: &Numbers, escape: bool) -> String {
        let masks = Masks { hash: &|_| "h".into(), numbers, escape };
        apply(&text.into(), edits, masks).expose().to_owned()
    }

    #[test]
    fn placeholders_have_the_vault_s_number_or_are_a_redaction() {
        let email = || Masking::Placeholder("EMAIL".into());
        let text = "a@b.c and a@b.c and d@e.f";
        let edits = [edit(0, 5, email()), edit(10, 15, email()), edit(20, 25, email())];
        let wanted = wanted(&text.into(), &edits);
        let named = |value: &str| ("EMAIL".to_owned(), value.to_owned());
        assert_eq!(wanted, [named("a@b.c"), named("d@e.f")]);
        let numbers = Numbers::from([(named("a@b.c"), 3)]);
        assert_eq!(masked(text, &edits, &numbers, true), "<EMAIL_3> and <EMAIL_3> and [EMAIL]");
        let odd = [edit(0, 5, Masking::Placeholder("9_".into()))];
        assert_eq!(masked("a@b.c", &odd, &numbers, true), "[9_]", "no entity of a placeholder");
    }

    #[test]
    fn what_only_looks_like_a_placeholder_is_escaped_also_where_an_edit_makes_it() {
        let numbers = Numbers::from([(("EMAIL".to_owned(), "a@b.c".to_owned()), 1)]);
        let edits = [edit(0, 5, Masking::Placeholder("EMAIL".into()))];
        let text = "a@b.c, <EMAIL_1>";
        assert_eq!(masked(text, &edits, &numbers, true), "<EMAIL_1>, <_EMAIL_1>");
        let parted = "<EMA\u{200b}IL_1>";
        let removed = [edit(4, 7, Masking::Remove)];
        assert_eq!(masked(parted, &removed, &numbers, true), "<_EMAIL_1>");
        assert_eq!(masked("<EMAIL_1>", &[], &numbers, true), "<_EMAIL_1>");
        assert_eq!(masked("<EMAIL_1>", &[], &numbers, false), "<EMAIL_1>");
    }

    #[test]
    fn each_masking_does_what_it_says() {
        let text = "a 4111111111111111 b";
        let masked = |with| applied(text, &[edit(2, 18, with)]);
        assert_eq!(masked(Masking::Redact(Some("CARD".into()))), "a [CARD] b");
        assert_eq!(masked(Masking::Redact(None)), "a [REDACTED] b");
        assert_eq!(masked(Masking::Partial), "a ************1111 b");
        assert_eq!(masked(Masking::Hash(Some("CARD".into()))), "a [CARD:h] b");
        assert_eq!(masked(Masking::Remove), "a  b");
        assert_eq!(applied("abc", &[edit(0, 3, Masking::Partial)]), "***");
    }

    #[test]
    fn overlapping_edits_are_one_and_the_more_thorough_wins() {
        let redact = || Masking::Redact(Some("X".into()));
        let edits =
            [edit(4, 8, Masking::Remove), edit(2, 6, redact()), edit(8, 9, Masking::Remove)];
        assert_eq!(applied("0123456789", &edits), "01[X]9");
        // An edit of another text changes nothing here.
        let elsewhere = Edit { place: Place::Context(0), ..edit(0, 2, redact()) };
        assert_eq!(applied("0123", &[elsewhere]), "0123");
    }

    proptest! {
        /// What no edit covers is forwarded byte for byte, and no masked byte survives.
        #[test]
        fn only_masked_bytes_change(spans in prop::collection::vec((0usize..40, 0usize..10), 0..6)) {
            let text: String = ('A'..='Z').chain('a'..='n').collect();
            let edits: Vec<_> = spans
                .iter()
                .map(|&(start, len)| edit(start, (start + len).min(40), Masking::Remove))
                .collect();
            let covered = |at: usize| spans.iter().any(|&(s, l)| s <= at && at < (s + l).min(40));
            let expected: String =
                text.char_indices().filter(|(at, _)| !covered(*at)).map(|(_, c)| c).collect();
            prop_assert_eq!(applied(&text, &edits), expected);
        }
    }
}
