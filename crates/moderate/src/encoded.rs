//! Runs of base64 and hex in a text, decoded: what is hidden in them is looked at as well. Bounded in number
//! and size, and decoded twice at most.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Shortest run that is worth decoding, in characters: 18 bytes of what it says.
const SHORTEST: usize = 24;
/// Most runs of one text, and most characters of one run.
const RUNS: usize = 64;
const LONGEST: usize = 64 * 1024;

/// A decoded run.
pub(crate) struct Decoded {
    /// First byte of the run in the text, and one past its last.
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) text: String,
}

/// Everything in `text` that decodes to text.
pub(crate) fn decode(text: &str) -> Vec<Decoded> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() && found.len() < RUNS {
        let rest = bytes.get(at..).unwrap_or_default();
        let letters = rest.iter().take_while(|byte| is_code(**byte)).count();
        let padding = rest.iter().skip(letters).take(2).take_while(|byte| **byte == b'=').count();
        let length = letters + padding;
        if (SHORTEST..=LONGEST).contains(&length) {
            let run = rest.get(..length).unwrap_or_default();
            let decoded = hex(run).or_else(|| base64(run));
            found.extend(decoded.map(|text| Decoded { start: at, end: at + length, text }));
        }
        at += length.max(1);
    }
    found
}

fn is_code(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

fn readable(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8_lossy(&bytes);
    let strange = text.chars().filter(|c| c.is_control() && !c.is_whitespace() || *c == '\u{fffd}');
    // a run may be cut in the middle of a character: a few strange ones at its ends do no harm
    (strange.count() * 10 <= text.chars().count()).then(|| text.into_owned())
}

fn hex(run: &[u8]) -> Option<String> {
    if !run.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let bytes: Option<Vec<u8>> = run
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
            _ => None,
        })
        .collect();
    readable(bytes?)
}

fn base64(run: &[u8]) -> Option<String> {
    let mut plain: Vec<u8> = run
        .iter()
        .take_while(|byte| **byte != b'=')
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    // a run that was cut holds a part of a group, and the last group's unused bits may not be zero
    plain.truncate(plain.len() - plain.len() % 4);
    let whole = run.iter().take_while(|byte| **byte != b'=').count();
    let mut bytes = STANDARD_NO_PAD.decode(&plain).ok()?;
    let tail: Vec<u8> = run.iter().copied().take(whole).skip(plain.len()).collect();
    bytes.extend(STANDARD_NO_PAD.decode(&tail).unwrap_or_default());
    readable(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_base64_or_hex_is_read() {
        let text = |text: &str| decode(text).into_iter().map(|one| one.text).collect::<Vec<_>>();
        assert_eq!(
            text("see: WW91IGFyZSBhIGhlbHBmdWwgYm90IG9mIGEgc2hvcC4= ok"),
            ["You are a helpful bot of a shop."]
        );
        assert_eq!(
            text("596f7520617265206120626f74206f6620612073686f70"),
            ["You are a bot of a shop"]
        );
        assert!(
            text(
                "internationalisationalising antidisestablishment 5d41402abc4b2a76b9719d911017c592"
            )
            .is_empty()
        );
    }
}
