//! The encoder's reading of what the linear model is not sure about.

use std::ops::Range;
use std::sync::OnceLock;
use std::time::Instant;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use portcullis_core::Answered;
use portcullis_model::{
    BundleError as Unusable, Bytes, PoolOptions, Rten, TextEncoder, TokenWindow, hex_sha256,
};
use portcullis_moderate::Category;

use super::{BundleError, ContentModel, EncoderManifest, Judged, OUTPUTS, Pass};

/// The encoder, loaded when it is first needed.
pub(super) struct Encoder {
    weights: Bytes,
    vocabulary: Bytes,
    at_work: OnceLock<Result<TextEncoder, Unusable>>,
}

impl Encoder {
    /// Checks the parts against the manifest.
    pub(super) fn new(
        manifest: &EncoderManifest,
        (weights, vocabulary): (Bytes, Bytes),
    ) -> Result<Self, BundleError> {
        let names = manifest.parameters.outputs.iter().map(String::as_str);
        let outputs = manifest.outputs.iter();
        let is_right = names.eq(Category::ALL.map(Category::name))
            && outputs.clone().map(|output| output.category).eq(Category::ALL)
            && outputs.map(|output| output.blend).all(|blend| {
                [blend.encoder, blend.linear, blend.offset].iter().all(|part| part.is_finite())
            })
            && manifest.penalty_per_doubling.is_finite()
            && (0.0..=1.0).contains(&manifest.skip_below);
        if !is_right {
            return Err(BundleError("encoder"));
        }
        if hex_sha256(&weights) != manifest.weights_sha256 {
            return Err(BundleError("encoder.onnx"));
        }
        if hex_sha256(&vocabulary) != manifest.vocabulary_sha256 {
            return Err(BundleError("vocab.txt"));
        }
        Ok(Self { weights, vocabulary, at_work: OnceLock::new() })
    }

    fn at_work(&self, manifest: &EncoderManifest) -> Result<&TextEncoder, BundleError> {
        let made = self.at_work.get_or_init(|| {
            TextEncoder::start(
                self.weights.clone(),
                &self.vocabulary,
                &manifest.parameters,
                &Rten,
                PoolOptions::default(),
            )
        });
        made.as_ref().map_err(|_| BundleError("encoder.onnx"))
    }
}

/// A window of a text, as both saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Where it stands.
    pub bytes: Range<usize>,
    /// The linear model's logits; none for a window without a token that it knows how to read.
    pub linear: Vec<f32>,
    /// The encoder's logits; absent where it was not asked, or not in time.
    pub encoder: Option<Vec<f32>>,
}

/// What the model made of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What of each category.
    pub judged: Vec<Judged>,
    /// Bytes that were looked at.
    pub scanned: usize,
    /// Whose answer it is: the linear model's where the encoder was not needed, not wanted or not in time.
    pub by: Answered,
}

impl ContentModel {
    /// Loads the encoder, if there is one.
    ///
    /// # Errors
    /// [`BundleError`] where it cannot be, now and every time after.
    pub fn prepare(&self) -> Result<(), BundleError> {
        match (&self.encoder, &self.manifest.encoder) {
            (Some(encoder), Some(manifest)) => encoder.at_work(manifest).map(drop),
            _ => Ok(()),
        }
    }

    /// Judges a text: the linear model reads all of it, the encoder what that is not sure is harmless, the most
    /// suspicious first, as far as `deadline` goes. What it had no time for has the linear model's answer.
    pub async fn read(
        &self,
        text: &str,
        deadline: Option<Instant>,
        go_on: &mut (dyn FnMut() -> bool + Send),
    ) -> Reading {
        let pass = self.pass(text, &mut *go_on);
        let linear = pass.judged();
        let alone = |judged| Reading { judged, scanned: pass.scanned, by: Answered::Linear };
        let Some(manifest) = &self.manifest.encoder else { return alone(linear) };
        if pass.scanned < text.len() {
            return alone(linear);
        }
        let Ok(seen) = self.seen(text, &pass, manifest.skip_below, deadline).await else {
            return alone(linear);
        };
        if seen.iter().all(|window| window.encoder.is_none()) {
            return alone(linear);
        }
        let mut judged = manifest.judged(&seen);
        let is_late =
            seen.iter().any(|window| window.encoder.is_none() && !manifest.skips(self, window));
        if is_late {
            for (own, other) in judged.iter_mut().zip(linear) {
                if other.score >= other.thresholds.hold && own.score < own.thresholds.hold {
                    *own = other;
                }
            }
        }
        let by = if is_late { Answered::Linear } else { Answered::Encoder };
        Reading { judged, scanned: pass.scanned, by }
    }

    /// The windows of a text. The encoder reads those of which the linear model says `skip_below` or more of some
    /// category.
    ///
    /// # Errors
    /// [`BundleError`] where there is no encoder, or it cannot be loaded.
    pub async fn seen(
        &self,
        text: &str,
        pass: &Pass<'_>,
        skip_below: f32,
        deadline: Option<Instant>,
    ) -> Result<Vec<Seen>, BundleError> {
        let none = || BundleError("encoder");
        let manifest = self.manifest.encoder.as_ref().ok_or_else(none)?;
        let encoder = self.encoder.as_ref().ok_or_else(none)?.at_work(manifest)?;
        let windows = encoder.windows(text).map_err(|_| BundleError("vocab.txt"))?;
        let mut seen = Vec::with_capacity(windows.len());
        let mut waiting = Vec::new();
        for TokenWindow { ids, bytes } in windows {
            let linear = pass.stretch(&bytes);
            let suspicion = self.suspicion(&linear);
            if suspicion >= skip_below {
                waiting.push((suspicion, seen.len(), ids));
            }
            seen.push(Seen { bytes, linear, encoder: None });
        }
        // the most suspicious is taken first
        waiting.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut asked = FuturesUnordered::new();
        loop {
            while asked.len() < encoder.share() {
                let Some((_, index, ids)) = waiting.pop() else { break };
                let answer = encoder.ask(ids, deadline);
                asked.push(async move { (index, answer.await.ok().flatten()) });
            }
            let Some((index, row)) = asked.next().await else { break };
            if let (Some(window), Some(row)) = (seen.get_mut(index), row) {
                window.encoder = Some(row);
            }
        }
        Ok(seen)
    }

    /// The highest probability of a category by the linear model.
    pub fn suspicion(&self, linear: &[f32]) -> f32 {
        let each = self.manifest.outputs.iter().zip(linear);
        each.map(|(output, logit)| output.calibration.probability(*logit)).fold(0.0, f32::max)
    }
}

impl EncoderManifest {
    /// Whether the encoder is not asked about a window.
    fn skips(&self, model: &ContentModel, window: &Seen) -> bool {
        model.suspicion(&window.linear) < self.skip_below
    }

    /// What of each category, by the windows that the encoder read.
    pub fn judged(&self, seen: &[Seen]) -> Vec<Judged> {
        let penalty = self.penalty_per_doubling * (seen.len() as f32).log2().max(0.0);
        let alone = seen.len() == 1;
        let of = |index: usize| {
            let scored = seen.iter().filter_map(move |window| {
                let encoder = window.encoder.as_ref()?.get(index)?;
                let linear = window.linear.get(index).copied().unwrap_or(0.0);
                let blend = self.outputs.get(index)?.blend;
                let z = blend.encoder * encoder + blend.linear * linear + blend.offset - penalty;
                Some((1.0 / (1.0 + (-z).exp()), window.bytes.clone()))
            });
            scored.max_by(|a, b| a.0.total_cmp(&b.0))
        };
        let judged = self.outputs.iter().enumerate().take(OUTPUTS).filter_map(|(index, output)| {
            let (score, bytes) = of(index)?;
            let hottest = (!alone).then_some(bytes);
            Some(Judged {
                category: output.category,
                score,
                hottest,
                thresholds: output.thresholds,
            })
        });
        judged.collect()
    }
}
