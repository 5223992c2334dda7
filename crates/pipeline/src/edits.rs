//! Applies the edits that stages asked for to the received text.

use portcullis_core::{Edit, Masking, Place, Span, Text};

/// A short keyed hash of a masked value, so that equal values stay equal without being readable.
pub type MaskHash = dyn Fn(&str) -> String + Send + Sync;

/// The text to forward: the received bytes, except for the spans to be masked. Overlapping edits are one
/// edit over both spans, masked as the more thorough of the two asks.
pub(crate) fn apply(text: &Text, edits: &[Edit], hash: &MaskHash) -> Text {
    let merged = merge(edits);
    if merged.is_empty() {
        return text.clone();
    }
    let source = text.expose();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    for (span, with) in merged {
        out.push_str(source.get(at..span.start).unwrap_or_default());
        out.push_str(&mask(source.get(span.start..span.end).unwrap_or_default(), &with, hash));
        at = span.end;
    }
    out.push_str(source.get(at..).unwrap_or_default());
    Text::from(out)
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
        // Until there is a vault to restore from, a placeholder is a redaction that names the entity.
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
        apply(&text.into(), edits, &|_| "h".into()).expose().to_owned()
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
