//! The linear model: one pass over a text, then windows of several lengths at no further cost.
//!
//! The logit of a stretch of tokens is `bias + step * sum(weights of its n-grams) / norm(number of its
//! n-grams)`; see [`norm`]. Sums are of integers and kept as running totals at each token's end, so that every
//! window is a difference of two totals: exact, equal on every machine, and linear in the length
//! whatever the number of windows.

use std::borrow::Cow;
use std::ops::Range;

use crate::bundle::{Bundle, Calibration, Manifest, WindowParameters};
use crate::classifier::{Judgement, TextClassifier};
use crate::features::{Features, TokenEnd, extract};

/// Tokens between two looks at the caller's `go_on`.
const TOKENS_A_TURN: usize = 128;

/// From this number of n-grams on, about a hundred words, a longer text is no stronger evidence.
const FULL: f32 = 1_500.0;

/// Tokens of the stretches in which what is unknown is counted: short, so that known words around a
/// few unknown ones do not hide them.
const NOVEL: usize = 8;

/// What a sum over `count` n-grams is divided by: its root while more words are more evidence, and
/// above `FULL` n-grams in proportion, so that there the logit follows the mean alone. Without the second
/// half the faintest leaning of a long document would grow without bound.
pub fn norm(count: usize) -> f32 {
    let count = count.max(1) as f32;
    if count <= FULL { count.sqrt() } else { count / FULL.sqrt() }
}

impl Calibration {
    /// From logit to probability.
    pub fn probability(&self, logit: f32) -> f32 {
        1.0 / (1.0 + (-(self.slope * logit + self.offset)).exp())
    }
}

/// What a linear model is made of.
#[derive(Debug, Clone)]
pub struct LinearWeights {
    /// Binary logarithm of the number of buckets.
    pub bits: u32,
    /// 8-bit signed integers, one a bucket.
    pub weights: Cow<'static, [u8]>,
    /// What one step of an integer is worth.
    pub step: f32,
    /// The logit of a text without features.
    pub bias: f32,
    /// How whole texts are looked at.
    pub windows: WindowParameters,
    /// Buckets of harmless traffic, a bit each; empty where that is not known.
    pub known: Cow<'static, [u8]>,
}

/// Running totals after a token.
#[derive(Debug, Clone, Copy, Default)]
struct Total {
    sum: i64,
    count: u32,
    unknown: u32,
    start: usize,
    end: usize,
}

/// Sums the weights of what [`extract`] finds.
pub(crate) struct Sums<'a> {
    weights: &'a [u8],
    known: &'a [u8],
    sum: i64,
    count: u32,
    unknown: u32,
    totals: Vec<Total>,
    stopped: bool,
    go_on: &'a mut dyn FnMut() -> bool,
}

impl Features for Sums<'_> {
    fn feature(&mut self, bucket: usize) {
        // one byte a weight: no byte order is involved
        self.sum += i64::from(self.weights.get(bucket).copied().unwrap_or(0).cast_signed());
        let byte = self.known.get(bucket / 8).copied().unwrap_or(u8::MAX);
        self.unknown += u32::from(byte >> (bucket % 8) & 1 == 0);
        self.count += 1;
    }

    fn token(&mut self, token: TokenEnd) -> bool {
        let TokenEnd { start, end } = token;
        let Self { sum, count, unknown, .. } = *self;
        self.totals.push(Total { sum, count, unknown, start, end });
        self.stopped = self.totals.len().is_multiple_of(TOKENS_A_TURN) && !(self.go_on)();
        !self.stopped
    }
}

/// What the linear model says of a stretch of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// The highest logit of the stretch and of the windows in it, not corrected for their number.
    pub logit: f32,
    /// The highest share of n-grams that harmless traffic does not have, 0 to 1.
    pub unknown: f32,
}

/// One pass over a text, which answers for any stretch of it.
#[derive(Debug)]
pub struct LinearPass<'a> {
    of: &'a LinearWeights,
    totals: Vec<Total>,
    scanned: usize,
}

impl LinearWeights {
    /// Reads a text once. `go_on` is asked now and then; once it says no, the pass tells how far it came.
    pub fn pass(&self, text: &str, go_on: &mut dyn FnMut() -> bool) -> LinearPass<'_> {
        // a guess at the number of tokens that seldom has to grow; it costs 32 bytes a token
        let mut sums = Sums {
            weights: &self.weights,
            known: &self.known,
            sum: 0,
            count: 0,
            unknown: 0,
            totals: Vec::with_capacity(text.len() / 4 + 1),
            stopped: false,
            go_on,
        };
        extract(text, self.bits, &mut sums);
        let Sums { totals, stopped, .. } = sums;
        let scanned = match totals.last() {
            Some(last) if stopped => last.end,
            _ => text.len(),
        };
        LinearPass { of: self, totals, scanned }
    }
}

impl LinearPass<'_> {
    /// Bytes that were read, from the start of the text.
    pub fn scanned(&self) -> usize {
        self.scanned
    }

    /// Tokens that were read.
    pub fn tokens(&self) -> usize {
        self.totals.len()
    }

    /// Running totals before the token with this index.
    fn before(&self, index: usize) -> Total {
        let before = index.checked_sub(1).and_then(|index| self.totals.get(index));
        before.copied().unwrap_or_default()
    }

    fn logit(&self, tokens: &Range<usize>) -> f32 {
        let (from, to) = (self.before(tokens.start), self.before(tokens.end));
        let count = to.count.saturating_sub(from.count) as usize;
        self.of.bias + self.of.step * (to.sum - from.sum) as f32 / norm(count)
    }

    fn unknown(&self, tokens: &Range<usize>) -> f32 {
        let (from, to) = (self.before(tokens.start), self.before(tokens.end));
        let count = to.count.saturating_sub(from.count).max(1);
        to.unknown.saturating_sub(from.unknown) as f32 / count as f32
    }

    /// Windows of `length` tokens in `tokens`, each moving by a quarter; the last ends with the stretch.
    fn windows(tokens: &Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
        let (start, end) = (tokens.start, tokens.end);
        let ends = (start + length..end).step_by((length / 4).max(1)).chain([end]);
        ends.filter(move |_| end - start > length).map(move |end| end - length..end)
    }

    /// The highest logit of the text and of its windows, corrected for their number, and where (absent:
    /// the whole). Absent for a text without tokens.
    pub fn highest(&self) -> Option<(f32, Option<Range<usize>>)> {
        if self.totals.is_empty() {
            return None;
        }
        let all = 0..self.totals.len();
        let mut highest = (self.logit(&all), None);
        let penalty = self.penalty();
        for length in &self.of.windows.tokens {
            for window in Self::windows(&all, *length as usize) {
                let logit = self.logit(&window) - penalty;
                if logit > highest.0 {
                    highest = (logit, self.bytes(&window));
                }
            }
        }
        Some(highest)
    }

    /// What the logit of a window loses in a text of this length.
    pub fn penalty(&self) -> f32 {
        let longest = self.of.windows.tokens.iter().copied().max().unwrap_or(1) as f32;
        let doublings = (self.totals.len() as f32 / longest).log2().max(0.0);
        self.of.windows.penalty_per_doubling * doublings
    }

    fn bytes(&self, tokens: &Range<usize>) -> Option<Range<usize>> {
        let first = self.totals.get(tokens.start)?;
        let last = self.totals.get(tokens.end.checked_sub(1)?)?;
        Some(first.start..last.end)
    }

    /// What the model says of the tokens that stand, whole or in part, in some bytes of the text. Absent
    /// where there are none.
    pub fn stretch(&self, bytes: &Range<usize>) -> Option<Stretch> {
        let tokens = self.within(bytes)?;
        let (logit, _) = self.hottest_tokens(&tokens);
        let windows = Self::windows(&tokens, NOVEL).map(|window| self.unknown(&window));
        Some(Stretch { logit, unknown: windows.fold(self.unknown(&tokens), f32::max) })
    }

    /// Where in these bytes the suspicion is highest: the window that gave the logit of [`Self::stretch`].
    pub fn hottest(&self, bytes: &Range<usize>) -> Option<Range<usize>> {
        self.bytes(&self.hottest_tokens(&self.within(bytes)?).1)
    }

    /// The tokens that stand, whole or in part, in some bytes of the text.
    fn within(&self, bytes: &Range<usize>) -> Option<Range<usize>> {
        let start = self.totals.partition_point(|token| token.end <= bytes.start);
        let end = self.totals.partition_point(|token| token.start < bytes.end);
        (start < end).then_some(start..end)
    }

    fn hottest_tokens(&self, tokens: &Range<usize>) -> (f32, Range<usize>) {
        let mut highest = (self.logit(tokens), tokens.clone());
        for length in &self.of.windows.tokens {
            for window in Self::windows(tokens, *length as usize) {
                let logit = self.logit(&window);
                if logit > highest.0 {
                    highest = (logit, window);
                }
            }
        }
        highest
    }
}

/// A linear classifier over hashed n-grams.
#[derive(Debug, Clone)]
pub struct LinearModel {
    manifest: Manifest,
    digest: String,
    weights: LinearWeights,
}

impl LinearModel {
    /// Makes a bundle ready to score.
    pub fn new(bundle: Bundle) -> Self {
        let manifest = bundle.manifest().clone();
        let weights = LinearWeights {
            bits: manifest.features.bits,
            weights: bundle.weights().iter().map(|weight| weight.cast_unsigned()).collect(),
            step: manifest.weights.step,
            bias: manifest.weights.bias,
            windows: manifest.windows.clone(),
            known: Cow::Borrowed(&[]),
        };
        Self { digest: bundle.digest().to_owned(), weights, manifest }
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
        self.weights.pass(text, &mut || true).highest().map(|(logit, _)| logit)
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
        let pass = self.weights.pass(text, go_on);
        match pass.highest() {
            Some((logit, hottest)) => Judgement {
                score: self.manifest.calibration.probability(logit),
                hottest,
                scanned: pass.scanned(),
            },
            None => Judgement { scanned: text.len(), ..Judgement::empty() },
        }
    }
}
