//! Unsafe content by a small model, in two readings. The linear one is a pass over a text with a weight for each n-gram
//! and category, then windows of several lengths; as the linear model of `portcullis-model`, whose n-grams and norm
//! it shares, with one output a category. It reads everything. What it is not sure is harmless is read by an encoder
//! (`reading`), which knows what sentences mean, and has a logit a category as well.

mod reading;

use std::ops::Range;

use portcullis_model::{
    Blend, Bytes, Calibration, EncoderParameters, FeatureParameters, Features, Thresholds,
    TokenEnd, extract, hex_sha256, norm,
};
use portcullis_moderate::Category;
use serde::{Deserialize, Serialize};

use reading::Encoder;
pub use reading::{Reading, Seen};

/// Number of categories.
pub const OUTPUTS: usize = Category::ALL.len();
/// Version of the form of the bundle.
pub const FORMAT: u32 = 2;
/// Tokens between two looks at the caller's `go_on`.
const TURN: usize = 128;

/// One category's part of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The category.
    pub category: Category,
    /// What one step of a weight is worth.
    pub step: f32,
    /// The logit of a text without features.
    pub bias: f32,
    /// From logit to probability.
    pub calibration: Calibration,
    /// Where to act.
    pub thresholds: Thresholds,
}

/// One category's part of what the encoder says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderOutput {
    /// The category.
    pub category: Category,
    /// From the logits of encoder and linear model to a probability.
    pub blend: Blend,
    /// Where to act.
    pub thresholds: Thresholds,
}

/// The encoder's part of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderManifest {
    /// How it reads; its outputs are the names of the categories, in their order.
    pub parameters: EncoderParameters,
    /// SHA-256 of the weights, in hex.
    pub weights_sha256: String,
    /// SHA-256 of the vocabulary, in hex.
    pub vocabulary_sha256: String,
    /// A window of which the linear model says less than this of every category is not read.
    pub skip_below: f32,
    /// What a window's logit loses for each doubling of the number of windows.
    pub penalty_per_doubling: f32,
    /// One a category, in the order of [`Category::ALL`].
    pub outputs: Vec<EncoderOutput>,
}

/// What `manifest.json` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the bundle's form; see [`FORMAT`].
    pub format: u32,
    /// Name and version of the model.
    pub model: String,
    /// How features were made.
    pub features: FeatureParameters,
    /// Lengths of the windows in tokens; each moves by half of itself.
    pub windows: Vec<u32>,
    /// What a window's logit loses for each doubling of the text's tokens past the longest window.
    pub penalty_per_doubling: f32,
    /// One a category, in the order of [`Category::ALL`].
    pub outputs: Vec<Output>,
    /// SHA-256 of `weights.bin`, in hex: for each bucket one signed byte a category.
    pub weights_sha256: String,
    /// The encoder; without it the linear model answers everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderManifest>,
}

/// Why a bundle cannot be used: which part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bundle of the content model does not hold: {0}")]
pub struct BundleError(pub &'static str);

/// What the model made of a text, for one category.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The category.
    pub category: Category,
    /// Calibrated probability: the highest of the whole and of its windows.
    pub score: f32,
    /// Where it is highest; absent where that is the whole text.
    pub hottest: Option<Range<usize>>,
    /// Where to act, for who gave the score.
    pub thresholds: Thresholds,
}

/// The model, ready to judge.
pub struct ContentModel {
    manifest: Manifest,
    digest: String,
    weights: Vec<[i8; OUTPUTS]>,
    encoder: Option<Encoder>,
}

/// Running totals after a token.
#[derive(Debug, Clone, Copy)]
struct Total {
    sums: [i32; OUTPUTS],
    count: u32,
    start: usize,
    end: usize,
}

struct Sums<'a> {
    weights: &'a [[i8; OUTPUTS]],
    sums: [i32; OUTPUTS],
    count: u32,
    totals: Vec<Total>,
    go_on: &'a mut dyn FnMut() -> bool,
    stopped: bool,
}

impl Features for Sums<'_> {
    fn feature(&mut self, bucket: usize) {
        if let Some(weights) = self.weights.get(bucket) {
            for (sum, weight) in self.sums.iter_mut().zip(weights) {
                *sum += i32::from(*weight);
            }
        }
        self.count += 1;
    }

    fn token(&mut self, token: TokenEnd) -> bool {
        let TokenEnd { start, end } = token;
        self.totals.push(Total { sums: self.sums, count: self.count, start, end });
        self.stopped = self.totals.len().is_multiple_of(TURN) && !(self.go_on)();
        !self.stopped
    }
}

/// A logit, and the stretch of the text that has it; none for the whole text.
pub type Hottest = (f32, Option<Range<usize>>);

impl ContentModel {
    /// Reads a bundle from the bytes of its parts and checks all of it: the manifest, the linear model's weights, and
    /// the encoder's weights and vocabulary where the manifest has an encoder.
    ///
    /// # Errors
    /// [`BundleError`], which says which part does not hold.
    pub fn from_parts(
        manifest: &[u8],
        weights: &[u8],
        encoder: Option<(Bytes, Bytes)>,
    ) -> Result<Self, BundleError> {
        let digest = hex_sha256(manifest);
        let manifest: Manifest =
            serde_json::from_slice(manifest).map_err(|_| BundleError("manifest.json"))?;
        let Manifest { features, windows, outputs, .. } = &manifest;
        if manifest.format != FORMAT || features.version != <Sums<'static> as Features>::VERSION {
            return Err(BundleError("format"));
        }
        if !(1..=24).contains(&features.bits) {
            return Err(BundleError("features.bits"));
        }
        if windows.is_empty() || windows.iter().any(|tokens| *tokens < 4) {
            return Err(BundleError("windows"));
        }
        if !outputs.iter().map(|output| output.category).eq(Category::ALL) {
            return Err(BundleError("outputs"));
        }
        let is_right = |output: &Output| {
            let Output { calibration, thresholds, step, bias, .. } = output;
            let numbers = [*step, *bias, calibration.slope, calibration.offset];
            numbers.iter().all(|number| number.is_finite())
                && calibration.slope > 0.0
                && (0.0..=1.0).contains(&thresholds.block)
                && (0.0..=1.0).contains(&thresholds.hold)
        };
        if !outputs.iter().all(is_right) || !manifest.penalty_per_doubling.is_finite() {
            return Err(BundleError("outputs"));
        }
        if weights.len() != OUTPUTS << features.bits
            || hex_sha256(weights) != manifest.weights_sha256
        {
            return Err(BundleError("weights.bin"));
        }
        let (rows, _) = weights.as_chunks::<OUTPUTS>();
        let weights = rows.iter().map(|row| row.map(u8::cast_signed)).collect();
        let encoder = match (&manifest.encoder, encoder) {
            (Some(manifest), Some(parts)) => Some(Encoder::new(manifest, parts)?),
            (None, None) => None,
            _ => return Err(BundleError("encoder")),
        };
        Ok(Self { manifest, digest, weights, encoder })
    }

    /// What the manifest says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the manifest, which holds that of the weights.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Judges a text by the linear model alone: what of each category, and how many bytes were looked at. Linear in
    /// the length.
    pub fn judge(&self, text: &str, go_on: &mut dyn FnMut() -> bool) -> (Vec<Judged>, usize) {
        let pass = self.pass(text, go_on);
        (pass.judged(), pass.scanned)
    }

    /// Reads a text once, for everything that the linear model is asked about it.
    pub fn pass(&self, text: &str, go_on: &mut dyn FnMut() -> bool) -> Pass<'_> {
        let mut sums = Sums {
            weights: &self.weights,
            sums: [0; OUTPUTS],
            count: 0,
            totals: Vec::with_capacity(text.len() / 4 + 1),
            go_on,
            stopped: false,
        };
        extract(text, self.manifest.features.bits, &mut sums);
        let (totals, stopped) = (sums.totals, sums.stopped);
        let scanned = if stopped { totals.last().map_or(0, |last| last.end) } else { text.len() };
        Pass { manifest: &self.manifest, totals, scanned }
    }
}

/// What the linear model saw of a text.
pub struct Pass<'a> {
    manifest: &'a Manifest,
    totals: Vec<Total>,
    /// Bytes that were looked at.
    pub scanned: usize,
}

impl Pass<'_> {
    /// What of each category; nothing for a text without tokens.
    pub fn judged(&self) -> Vec<Judged> {
        let judged = self.manifest.outputs.iter().zip(self.logits());
        let judged = judged.map(|(output, (logit, hottest))| Judged {
            category: output.category,
            score: output.calibration.probability(logit),
            hottest,
            thresholds: output.thresholds,
        });
        judged.collect()
    }

    /// Number of tokens that were looked at.
    pub fn tokens(&self) -> usize {
        self.totals.len()
    }

    /// The highest logit of each output before calibration, and where; nothing for a text without tokens.
    pub fn logits(&self) -> Vec<Hottest> {
        let longest = self.manifest.windows.iter().copied().max().unwrap_or(1) as f32;
        let doublings = (self.totals.len() as f32 / longest).log2().max(0.0);
        self.highest(0..self.totals.len(), self.manifest.penalty_per_doubling * doublings)
    }

    /// The highest logit of each output among the tokens that stand, whole or in part, in some bytes; nothing where
    /// there are none.
    pub fn stretch(&self, bytes: &Range<usize>) -> Vec<f32> {
        let start = self.totals.partition_point(|token| token.end <= bytes.start);
        let end = self.totals.partition_point(|token| token.start < bytes.end);
        self.highest(start..end, 0.0).into_iter().map(|(logit, _)| logit).collect()
    }

    /// The highest logit of each output of a run of tokens and of its windows, which lose `penalty`.
    fn highest(&self, tokens: Range<usize>, penalty: f32) -> Vec<Hottest> {
        let (Some(from), Some(to)) = (self.before(tokens.start), self.before(tokens.end)) else {
            return Vec::new();
        };
        if tokens.is_empty() {
            return Vec::new();
        }
        let outputs = || self.manifest.outputs.iter().enumerate();
        let mut best: Vec<Hottest> =
            outputs().map(|(index, output)| (logit(output, index, from, to), None)).collect();
        for length in &self.manifest.windows {
            let length = *length as usize;
            if tokens.len() <= length {
                continue;
            }
            // the last window ends with the text, so that its tail has a full one as well
            let ends = (tokens.start + length..tokens.end).step_by((length / 2).max(1));
            for end in ends.chain([tokens.end]) {
                let begin = end - length;
                let (Some(before), Some(to), Some(first)) =
                    (self.before(begin), self.before(end), self.totals.get(begin))
                else {
                    continue;
                };
                for ((index, output), best) in outputs().zip(&mut best) {
                    let logit = logit(output, index, before, to) - penalty;
                    if logit > best.0 {
                        *best = (logit, Some(first.start..to.end));
                    }
                }
            }
        }
        best
    }

    /// The totals before a token.
    fn before(&self, token: usize) -> Option<&Total> {
        match token.checked_sub(1) {
            Some(index) => self.totals.get(index),
            None => Some(&NOTHING),
        }
    }
}

const NOTHING: Total = Total { sums: [0; OUTPUTS], count: 0, start: 0, end: 0 };

fn logit(output: &Output, index: usize, from: &Total, to: &Total) -> f32 {
    let sum = |total: &Total| total.sums.get(index).copied().unwrap_or(0);
    let count = to.count.saturating_sub(from.count) as usize;
    output.bias + output.step * (sum(to) - sum(from)) as f32 / norm(count)
}
