//! The encoder's reading of what the linear model is not sure about.

use std::ops::Range;
use std::sync::OnceLock;
use std::time::Instant;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use portcullis_model::{
    BundleError as Unusable, Bytes, PoolOptions, Rten, TextEncoder, Thresholds, TokenWindow,
    hex_sha256,
};
use portcullis_moderate::Category;

use super::{BundleError, ContentModel, EncoderManifest, EncoderOutput, Judged, OUTPUTS, Pass};

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
            && outputs.clone().map(|output| output.blend).all(|blend| {
                [blend.encoder, blend.linear, blend.offset].iter().all(|part| part.is_finite())
            })
            && outputs.map(|output| output.thresholds).all(|Thresholds { block, hold }| {
                [block, hold].iter().all(|one| (0.0..=1.0).contains(one))
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
    /// The encoder's logits; absent where there was no time, or it failed.
    pub encoder: Option<Vec<f32>>,
}

/// What the encoder made of a text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// What of each category, by the windows that it read; nothing where it read none.
    pub judged: Vec<Judged>,
    /// Whether it read all that it should: then its answer is the better one, and the linear model's is not needed.
    pub is_whole: bool,
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

    /// Lets the encoder read what the linear model's `pass` over a text is not sure is harmless, the most suspicious
    /// first, as far as `deadline` goes.
    pub async fn read(&self, text: &str, pass: &Pass<'_>, deadline: Option<Instant>) -> Reading {
        let Some(manifest) = &self.manifest.encoder else { return Reading::default() };
        match self.seen(text, pass, manifest.skip_below, deadline).await {
            Ok(seen) => Reading {
                judged: manifest.judged(&seen, pass),
                is_whole: !seen.is_empty() && seen.iter().all(|window| window.encoder.is_some()),
            },
            // told by `prepare`
            Err(_) => Reading::default(),
        }
    }

    /// The windows of a text of which the linear model says `skip_below` or more of some category, and what the encoder
    /// says of them.
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
        let is_over = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let (mut seen, mut waiting) = (Vec::new(), Vec::new());
        for stretch in TextEncoder::stretches(text) {
            let linear = pass.stretch(&stretch);
            if self.suspicion(&linear) < skip_below {
                continue;
            }
            if is_over() {
                seen.push(Seen { bytes: stretch, linear, encoder: None });
                continue;
            }
            let piece = text.get(stretch.clone()).unwrap_or_default();
            let cut = encoder.windows(piece).map_err(|_| BundleError("vocab.txt"))?;
            for TokenWindow { ids, bytes } in cut {
                let bytes = stretch.start + bytes.start..stretch.start + bytes.end;
                let linear = pass.stretch(&bytes);
                let suspicion = self.suspicion(&linear);
                if suspicion >= skip_below {
                    waiting.push((suspicion, seen.len(), ids));
                    seen.push(Seen { bytes, linear, encoder: None });
                }
            }
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
            let row = row.filter(|row| row.len() == OUTPUTS && row.iter().all(|x| x.is_finite()));
            if let Some(window) = seen.get_mut(index) {
                window.encoder = row;
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
    /// What of each category, by the windows that the encoder read; nothing where it read none.
    pub fn judged(&self, seen: &[Seen], pass: &Pass<'_>) -> Vec<Judged> {
        let windows = pass.tokens() as f32 / TextEncoder::WORDS_A_WINDOW;
        let penalty = self.penalty_per_doubling * windows.log2().max(0.0);
        let of = |(index, output): (usize, &EncoderOutput)| {
            let scored = seen.iter().filter_map(|window| {
                let encoder = window.encoder.as_ref()?.get(index)?;
                let linear = window.linear.get(index).copied().unwrap_or(0.0);
                let blend = output.blend;
                let z = blend.encoder * encoder + blend.linear * linear + blend.offset - penalty;
                Some((1.0 / (1.0 + (-z).exp()), &window.bytes))
            });
            let (score, bytes) = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
            let EncoderOutput { category, thresholds, .. } = *output;
            let hottest = (seen.len() > 1).then(|| bytes.clone());
            Some(Judged { category, score, hottest, thresholds })
        };
        self.outputs.iter().enumerate().filter_map(of).collect()
    }
}
