//! Cuts a text into sentences, in one pass and without exception.

/// A longer sentence is cut at a space, in bytes: the rules look a few words far, and the cost of a
/// piece stays bounded.
const LONGEST: usize = 512;

/// The sentences of a text with the byte at which each begins. Together they are the whole text.
pub(crate) struct Pieces<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Pieces<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let (piece, _) = rest.split_at_checked(cut(rest)).unwrap_or((rest, ""));
        let at = self.at;
        self.at += piece.len();
        Some((at, piece))
    }
}

/// Where the first sentence ends; never zero.
fn cut(rest: &str) -> usize {
    let (mut ended, mut space) = (false, None);
    let mut at = 0;
    let bytes = rest.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        if at >= LONGEST {
            return space.unwrap_or(at);
        }
        // Nearly everything is ASCII; no other character is decoded.
        let (c, size) = match byte.is_ascii() {
            true => (char::from(byte), 1),
            false => match rest.get(at..).and_then(|rest| rest.chars().next()) {
                Some(c) => (c, c.len_utf8()),
                None => return rest.len(),
            },
        };
        let after = at + size;
        match c {
            'a'..='z' | 'A'..='Z' => ended = false,
            '\n' | '。' | '！' | '？' => return after,
            '.' | '!' | '?' | '…' => ended = true,
            '"' | '\'' | ')' | '”' | '’' | '»' => {}
            c if c.is_whitespace() => {
                if ended {
                    return after;
                }
                space = Some(after);
            }
            _ => ended = false,
        }
        at = after;
    }
    rest.len()
}

/// Whether a piece ends as a sentence does. One that does not goes on in the next line, or was too long.
pub(crate) fn is_ended(piece: &str) -> bool {
    let closes = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ')' | '”' | '’' | '»');
    piece.trim_end_matches(closes).ends_with(['.', '!', '?', '…', '。', '！', '？'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(text: &str) -> Vec<&str> {
        Pieces::of(text).map(|(_, piece)| piece).collect()
    }

    #[test]
    fn sentences_end_at_marks_and_lines() {
        assert_eq!(
            pieces("It cost 3.50. \"Why?!\" I asked\nNo reply"),
            ["It cost 3.50. ", "\"Why?!\" ", "I asked\n", "No reply",]
        );
        assert!(is_ended("\"Why?!\" ") && is_ended("What now?\n") && is_ended("好。"));
        assert!(!is_ended("I want to\n") && !is_ended("It cost 3.50 ") && !is_ended("\n"));
        assert!(pieces("").is_empty());
        assert!(pieces(&"word ".repeat(1_000)).iter().all(|piece| piece.len() <= LONGEST + 4));
        assert!(pieces(&"x".repeat(10_000)).len() > 10);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in any::<String>(), times in 1usize..200) {
            let text = text.repeat(times);
            prop_assert_eq!(pieces(&text).concat(), text);
        }
    }
}
