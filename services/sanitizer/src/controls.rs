//! Control characters. Nobody sees them, and whatever looks for words sees their end there.

use crate::invisible::{self, Sort};

/// The sort of a control character inside a word; none of tabs and ends of lines. Pages and lines that end in other
/// ways read as spaces.
pub(crate) fn sort_of(c: char) -> Option<Sort> {
    match c {
        ' '..='~' | '\t' | '\n' | '\r' | '\u{A0}'.. => None,
        '\u{B}' | '\u{C}' => Some(Sort::Filler),
        _ => Some(Sort::Invisible),
    }
}

/// Bytes that are looked at together.
const BLOCK: usize = 32;

/// Whether a text holds controls of ASCII.
pub(crate) fn may_hold(text: &str) -> bool {
    let is_control = |b: u8| (b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r')) || b == 0x7F;
    // whole blocks at a time, which the compiler does in one step
    let (blocks, rest) = text.as_bytes().as_chunks::<BLOCK>();
    let has = |bytes: &[u8]| bytes.iter().fold(false, |any, b| any | is_control(*b));
    blocks.iter().any(|block| has(block)) || has(rest)
}

/// A row of controls and other invisible characters.
#[derive(Default)]
pub(crate) struct Row {
    end: usize,
    /// Whether it stands between characters that are seen and no white space.
    pub(crate) parts_word: bool,
}

impl Row {
    /// Looks at the row that the control at `at` is in, once; `seen` is the last character that is seen before it.
    pub(crate) fn look(&mut self, text: &str, at: usize, seen: char) {
        if at < self.end {
            return;
        }
        let rest = text.get(at..).unwrap_or_default();
        let after = rest.trim_start_matches(is_of_row);
        self.end = at + rest.len() - after.len();
        let is_shown = |c: char| c != '\0' && !c.is_whitespace();
        self.parts_word = is_shown(seen) && after.starts_with(is_shown);
    }
}

fn is_of_row(c: char) -> bool {
    sort_of(c).is_some() || invisible::sort_of(c).is_some()
}

/// Whether the escape of a terminal's sequence stands at `at`, as for colors in logs.
pub(crate) fn is_of_terminal(text: &str, at: usize) -> bool {
    let Some(rest) = text.get(at..).and_then(|rest| rest.strip_prefix("\u{1B}[")) else {
        return false;
    };
    let is_parameter = |b: &u8| matches!(b, b'0'..=b'?');
    let parameters = rest.bytes().take(16).take_while(is_parameter).count();
    rest.as_bytes().get(parameters).is_some_and(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_seen_wherever_they_stand() {
        for at in 0..70 {
            let plain = "x\ty\r\n~".repeat(20);
            assert!(!may_hold(&plain[..at]));
            for control in ["\0", "\u{1F}", "\u{7F}", "\u{1B}"] {
                assert!(may_hold(&format!("{}{control}{plain}", &plain[..at])), "{control:?}");
            }
        }
        assert!(!may_hold("é\u{A0}"));
    }
}
