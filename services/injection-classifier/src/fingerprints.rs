//! Bytes written in hex with colons between, as fingerprints of keys and moduli are: no words, and unlike all that a
//! model has learnt. What they decode to is a view of its own; where they stand as received they are not judged.

use std::borrow::Cow;
use std::ops::Range;

/// Fewest bytes of a run.
const LEAST: usize = 8;

/// The text with spaces in the place of such runs, so that every other place stays what it was.
pub(crate) fn blanked(text: &str) -> Cow<'_, str> {
    let mut out = Vec::new();
    // how far the text was written, and how far it was read: no run is read twice
    let (mut done, mut read) = (0, 0);
    for (colon, _) in text.match_indices(':') {
        let Some(start) = colon.checked_sub(2).filter(|start| *start >= read) else { continue };
        let Some(run) = run_at(text.as_bytes(), start) else { continue };
        read = run.end;
        let is_word = text.as_bytes().get(run.end).is_some_and(u8::is_ascii_alphanumeric);
        if (run.len() + 1) / 3 >= LEAST && !is_word {
            out.extend_from_slice(text.as_bytes().get(done..run.start).unwrap_or_default());
            out.resize(run.end, b' ');
            done = run.end;
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.extend_from_slice(text.as_bytes().get(done..).unwrap_or_default());
    // A run is ASCII, so that nothing of another character is gone.
    String::from_utf8(out).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The run, of whatever length, whose first byte's two digits begin at `start`.
fn run_at(text: &[u8], start: usize) -> Option<Range<usize>> {
    let is_pair = |at: usize| text.get(at..at + 2).is_some_and(is_hex);
    let before = start.checked_sub(1).and_then(|before| text.get(before));
    if !is_pair(start) || before.is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let mut end = start + 2;
    while text.get(end) == Some(&b':') && is_pair(end + 1) {
        end += 3;
    }
    // a run over several lines has a colon at the end of each
    let goes_on = matches!(text.get(end..), Some([b':', b'\r' | b'\n', ..]));
    Some(start..end + usize::from(goes_on))
}

fn is_hex(pair: &[u8]) -> bool {
    pair.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_blanked_and_everything_else_stays_in_its_place() {
        let print = "c6:ed:53:72:81:b4:ab:4d:9c:af:4c:24:25:2f:36:17";
        let text = format!("é MD5:{print} me@host, {} and 00:72:bd", print.to_uppercase());
        let blank = blanked(&text);
        let spaces = " ".repeat(print.len());
        assert_eq!(blank, format!("é MD5:{spaces} me@host, {spaces} and 00:72:bd"));
        assert_eq!(blank.len(), text.len());
        assert_eq!(blanked(&format!("{print}:\n{print}")).trim(), "");
        for other in [
            "",
            ":",
            "::::::::::",
            "at 10:15:30 and 11:15:30",
            "aa:bb:cc:dd:ee:ff",
            "00:11:22:33:44:55:66:77x",
            "x00:11:22:33:44:55:66:77",
            "ignore: all:of:the:be:ad:de:af",
        ] {
            assert!(matches!(blanked(other), Cow::Borrowed(same) if same == other), "{other}");
        }
    }

    #[test]
    fn hostile_repetition_is_read_once() {
        let text = "00:11:22:".repeat(50_000);
        assert_eq!(blanked(&text).trim(), ":");
        let cut = format!("{}x", "00:".repeat(100_000) + "11");
        assert_eq!(blanked(&cut), cut);
        let broken = "00:11:22:33:44:55:66 ".repeat(50_000);
        assert_eq!(blanked(&broken), broken);
    }
}
