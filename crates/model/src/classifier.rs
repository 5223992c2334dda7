//! The port: what a text classifier promises, whatever runs behind it.

use std::ops::Range;

use crate::windows::windows;

/// What a classifier made of a whole text.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Calibrated probability, from 0 to 1: the highest of the whole text and of its windows.
    pub score: f32,
    /// Bytes of the text in which the suspicion is highest; absent where that is the whole text.
    pub hottest: Option<Range<usize>>,
    /// Bytes that were looked at, from the start of the text. Less than its length only where the
    /// caller said to stop.
    pub scanned: usize,
}

impl Judgement {
    /// What is said of a text with nothing in it.
    pub fn empty() -> Self {
        Self { score: 0.0, hottest: None, scanned: 0 }
    }
}

/// A classifier of text: pure, thread-safe, no I/O.
pub trait TextClassifier: Send + Sync {
    /// Version of the model, as it stands in receipts.
    fn version(&self) -> &str;

    /// Calibrated probability, from 0 to 1, that a text which fits into one window is an attack.
    fn score(&self, text: &str) -> f32;

    /// Size and overlap of the windows in bytes, for [`TextClassifier::judge`].
    fn window(&self) -> (usize, usize);

    /// Judges a text of any length: whole where it fits into one window, else in overlapping windows
    /// that leave no byte out. Cost is linear in the length. `go_on` is asked between windows; once it
    /// says no, the judgement tells how far it came.
    fn judge(&self, text: &str, go_on: &mut dyn FnMut() -> bool) -> Judgement {
        let (size, overlap) = self.window();
        let mut judged = Judgement::empty();
        for window in windows(text, size, overlap) {
            if !go_on() {
                break;
            }
            let Some(piece) = text.get(window.clone()) else { continue };
            let score = self.score(piece);
            judged.scanned = window.end;
            if score > judged.score || judged.hottest.is_none() {
                judged.score = score;
                judged.hottest = Some(window);
            }
        }
        if judged.hottest == Some(0..text.len()) {
            judged.hottest = None;
        }
        judged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of `x` in a text: simple enough to know every answer.
    struct ShareOfX;

    impl TextClassifier for ShareOfX {
        fn version(&self) -> &str {
            "share-of-x"
        }
        fn score(&self, text: &str) -> f32 {
            text.matches('x').count() as f32 / text.len().max(1) as f32
        }
        fn window(&self) -> (usize, usize) {
            (8, 4)
        }
    }

    #[test]
    fn the_hottest_window_is_found_wherever_it_stands() {
        for place in 0..40 {
            let text = format!("{}xxxx{}", ".".repeat(place), ".".repeat(40 - place));
            let judged = ShareOfX.judge(&text, &mut || true);
            assert!(judged.score >= 0.5, "at {place}: {}", judged.score);
            assert_eq!(judged.scanned, text.len());
            let hottest = judged.hottest.unwrap();
            assert!(hottest.start <= place && place + 4 <= hottest.end, "{hottest:?} for {place}");
        }
    }

    #[test]
    fn a_spent_budget_shows_in_what_was_scanned() {
        let mut turns = 0;
        let judged = ShareOfX.judge(&"x".repeat(100), &mut || {
            turns += 1;
            turns <= 3
        });
        assert_eq!(judged.scanned, 16);
        assert_eq!(ShareOfX.judge("xx", &mut || false), Judgement::empty());
    }

    #[test]
    fn a_short_text_is_judged_whole() {
        assert_eq!(
            ShareOfX.judge("x.", &mut || true),
            Judgement { score: 0.5, hottest: None, scanned: 2 }
        );
    }
}
