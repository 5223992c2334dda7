//! The linear model: one pass over a text, then windows of several lengths at no further cost.
//!
//! The logit of a stretch of tokens is `bias + step * sum(weights of its n-grams) / norm(number of its
//! n-grams)`; see [`norm`]. Sums are of integers and kept as running totals at each token's end, so that every
//! window is a difference of two totals: exact, equal on every machine, and linear in the length
//! whatever the number of windows.

use std::ops::Range;

use crate::bundle::{Bundle, Manifest};
use crate::classifier::{Judgement, TextClassifier};
use crate::features::{Features, TokenEnd, extract};

/// Tokens between two looks at the caller's `go_on`.
const TOKENS_A_TURN: usize = 128;

/// From this number of n-grams on, about a hundred words, a longer text is no stronger evidence.
const FULL: f32 = 1_500.0;

/// What a sum over `count` n-grams is divided by: its root while more words are more evidence, and
/// above `FULL` n-grams in proportion, so that there the logit follows the mean alone. Without the second
/// half the faintest leaning of a long document would grow without bound.
pub fn norm(count: usize) -> f32 {
    let count = count.max(1) as f32;
    if count <= FULL { count.sqrt() } else { count / FULL.sqrt() }
}

/// A linear classifier over hashed n-grams.
#[derive(Debug, Clone)]
pub struct LinearModel {
    manifest: Manifest,
    digest: String,
    weights: Vec<i8>,
    penalty: f32,
}

/// Running totals after a token.
#[derive(Debug, Clone, Copy, Default)]
struct Total {
    sum: i64,
    count: u32,
    start: usize,
    end: usize,
}

/// Sums the weights of what [`extract`] finds.
pub(crate) struct Sums<'a> {
    weights: &'a [i8],
    sum: i64,
    count: u32,
    totals: Vec<Total>,
    go_on: &'a mut dyn FnMut() -> bool,
}

impl Features for Sums<'_> {
    fn feature(&mut self, bucket: usize) {
        self.sum += i64::from(self.weights.get(bucket).copied().unwrap_or(0));
        self.count += 1;
    }

    fn token(&mut self, token: TokenEnd) -> bool {
        let TokenEnd { start, end } = token;
        self.totals.push(Total { sum: self.sum, count: self.count, start, end });
        !self.totals.len().is_multiple_of(TOKENS_A_TURN) || (self.go_on)()
    }
}

impl LinearModel {
    /// Makes a bundle ready to score.
    pub fn new(bundle: Bundle) -> Self {
        let manifest = bundle.manifest().clone();
        Self {
            penalty: manifest.windows.penalty_per_doubling,
            digest: bundle.digest().to_owned(),
            weights: bundle.weights().to_vec(),
            manifest,
        }
    }

    /// What the bundle's manifest says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the bundle.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The logit before calibration, as [`TextClassifier::judge`] would calibrate it, for a text that
    /// is looked at whole. Absent for a text without tokens.
    pub fn logit(&self, text: &str) -> Option<f32> {
        self.look(text, &mut || true).map(|(logit, ..)| logit)
    }

    /// From logit to calibrated probability.
    fn calibrate(&self, logit: f32) -> f32 {
        let Manifest { calibration, .. } = &self.manifest;
        1.0 / (1.0 + (-(calibration.slope * logit + calibration.offset)).exp())
    }

    fn logit_between(&self, from: Total, to: Total) -> f32 {
        let part = &self.manifest.weights;
        let count = to.count.saturating_sub(from.count) as usize;
        part.bias + part.step * (to.sum - from.sum) as f32 / norm(count)
    }

    /// The highest logit, where (absent: the whole), and how far the text was read.
    fn look(
        &self,
        text: &str,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Option<(f32, Option<Range<usize>>, usize)> {
        // a guess at the number of tokens that seldom has to grow; it costs 32 bytes a token
        let mut sums = Sums {
            weights: &self.weights,
            sum: 0,
            count: 0,
            totals: Vec::with_capacity(text.len() / 4 + 1),
            go_on,
        };
        let mut stopped = true;
        extract(text, self.manifest.features.bits, &mut Watched(&mut sums, &mut stopped));
        let totals = sums.totals;
        let last = *totals.last()?;
        let scanned = if stopped { last.end } else { text.len() };
        let mut highest = self.logit_between(Total::default(), last);
        let mut hottest = None;
        let longest = self.manifest.windows.tokens.iter().copied().max().unwrap_or(1) as f32;
        let penalty = self.penalty * (totals.len() as f32 / longest).log2().max(0.0);
        for length in &self.manifest.windows.tokens {
            let length = *length as usize;
            let stride = (length / 4).max(1);
            // the last window ends with the text, so that its tail has a full one as well
            let ends = (length..totals.len()).step_by(stride).chain([totals.len()]);
            if totals.len() <= length {
                continue;
            }
            for end in ends {
                let begin = end.saturating_sub(length);
                let before = match begin.checked_sub(1) {
                    Some(index) => totals.get(index).copied().unwrap_or_default(),
                    None => Total::default(),
                };
                let Some(to) = totals.get(end.saturating_sub(1)).copied() else { continue };
                let logit = self.logit_between(before, to) - penalty;
                if logit > highest {
                    highest = logit;
                    hottest = totals.get(begin).map(|first| first.start..to.end);
                }
            }
        }
        Some((highest, hottest, scanned))
    }
}

/// Notes whether the extraction came to the end.
struct Watched<'a, 'b>(&'a mut Sums<'b>, &'a mut bool);

impl Features for Watched<'_, '_> {
    fn feature(&mut self, bucket: usize) {
        self.0.feature(bucket);
    }

    fn token(&mut self, token: TokenEnd) -> bool {
        let on = self.0.token(token);
        *self.1 = !on;
        on
    }
}

impl TextClassifier for LinearModel {
    fn version(&self) -> &str {
        &self.manifest.model
    }

    fn score(&self, text: &str) -> f32 {
        self.judge(text, &mut || true).score
    }

    /// Unused by this model's own [`TextClassifier::judge`], which sees any length in one pass.
    fn window(&self) -> (usize, usize) {
        (usize::MAX, 0)
    }

    fn judge(&self, text: &str, go_on: &mut dyn FnMut() -> bool) -> Judgement {
        if !go_on() {
            return Judgement::empty();
        }
        match self.look(text, go_on) {
            Some((logit, hottest, scanned)) => {
                Judgement { score: self.calibrate(logit), hottest, scanned }
            }
            None => Judgement { scanned: text.len(), ..Judgement::empty() },
        }
    }
}
