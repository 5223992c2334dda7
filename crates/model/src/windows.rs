//! Overlapping windows that cover a text whole, cut between characters.

use std::ops::Range;

/// Windows over a text; see [`windows`].
#[derive(Debug, Clone)]
pub struct Windows<'a> {
    text: &'a str,
    size: usize,
    overlap: usize,
    next: Option<usize>,
}

/// Byte ranges of at most `size` bytes (or one character, where that is longer) that together cover
/// `text`, each starting about `overlap` bytes before the end of the one before. An empty text has
/// none.
pub fn windows(text: &str, size: usize, overlap: usize) -> Windows<'_> {
    let next = if text.is_empty() { None } else { Some(0) };
    Windows { text, size: size.max(1), overlap, next }
}

impl Iterator for Windows<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = self.next?;
        let length = self.text.len();
        let mut end = self.text.floor_char_boundary((start + self.size).min(length));
        if end <= start {
            end = self.text.ceil_char_boundary(start + 1);
        }
        let following = self.text.floor_char_boundary(end.saturating_sub(self.overlap));
        let reaches = self.text.floor_char_boundary((following + self.size).min(length));
        self.next = match end >= length {
            true => None,
            false if following > start && reaches > end => Some(following),
            // characters too wide, or an overlap too large, to get on: do without the overlap
            false => Some(end),
        };
        Some(start..end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_byte_is_left_out(text in ".{0,200}", size in 1usize..40, overlap in 0usize..50) {
            let mut covered = 0;
            for window in windows(&text, size, overlap) {
                prop_assert!(window.start <= covered && window.end > covered);
                prop_assert!(text.get(window.clone()).is_some());
                covered = window.end;
            }
            prop_assert_eq!(covered, text.len());
        }
    }
}
