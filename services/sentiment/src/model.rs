//! The small trained model over the lexicon: what a passage's n-grams say beside its polarity by rules.
//!
//! Two linear scores, that of a negative and that of a positive passage, each against a neutral one:
//! `anchor(polarity by the lexicon) + step * sum(weights of the n-grams) / root(max(their number, 8))`.
//! Anchors are learnt at eleven polarities and lie on a line between two of them. With the odds N and P
//! that the scores are the logarithms of, squared, polarity is (P - N) / (P + N + neutral): above 0.5 where
//! P is more than that of neutral and three times N together, so that a mixed passage is neither.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::walk::BITS;

/// Polarities at which anchors are learnt: from -1 to 1.
pub const ANCHORS: usize = 11;
/// Number of weights: a pair for each bucket.
pub const WEIGHTS: usize = 2 << BITS;
/// Version of words, n-grams and hash as a whole.
pub const FEATURES: u32 = 1;
/// By how much the scores are sharpened: what the odds are raised to.
const SHARPNESS: f32 = 2.0;
/// Fewer n-grams than this are no louder than so many.
const FEWEST: usize = 8;

/// Why a model cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Bytes are missing or changed.
    #[error("model is corrupt: {0}")]
    Corrupt(&'static str),
    /// Trained for other features than this release computes: train it anew.
    #[error("model does not fit this release: {0}")]
    Unfit(&'static str),
}

/// What `manifest.json` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name and version of the model.
    pub model: String,
    /// See [`FEATURES`].
    pub features: u32,
    /// What one step of a weight is worth.
    pub step: f32,
    /// For each polarity from -1 to 1 by 0.2, the scores of negative and positive.
    pub anchors: [[f32; 2]; ANCHORS],
    /// The scores where no word has a mood.
    pub moodless: [f32; 2],
    /// How much neutral weighs in the denominator; above zero.
    pub neutral: f32,
    /// SHA-256 of the weights, in hex.
    pub sha256: String,
}

/// The model, ready to judge.
#[derive(Debug, Clone)]
pub struct Model {
    manifest: Manifest,
    weights: Vec<[i8; 2]>,
}

impl Model {
    /// Reads a model and checks all of it.
    ///
    /// # Errors
    /// [`ModelError`], which says what is wrong.
    pub fn from_parts(manifest: &[u8], weights: &[u8]) -> Result<Self, ModelError> {
        let manifest: Manifest =
            serde_json::from_slice(manifest).map_err(|_| ModelError::Corrupt("manifest.json"))?;
        if manifest.features != FEATURES {
            return Err(ModelError::Unfit("features"));
        }
        let scores = manifest.anchors.iter().chain([&manifest.moodless]).flatten();
        let numbers = scores.chain([&manifest.step, &manifest.neutral]);
        if numbers.into_iter().any(|number| !number.is_finite()) || manifest.neutral <= 0.0 {
            return Err(ModelError::Unfit("numbers"));
        }
        if weights.len() != WEIGHTS || hex_sha256(weights) != manifest.sha256 {
            return Err(ModelError::Corrupt("weights.bin"));
        }
        // One byte a weight: no byte order is involved.
        let pair = |pair: &[u8]| match pair {
            [negative, positive] => [negative.cast_signed(), positive.cast_signed()],
            _ => [0; 2],
        };
        Ok(Self { weights: weights.chunks_exact(2).map(pair).collect(), manifest })
    }

    /// The model that this release ships.
    ///
    /// # Errors
    /// [`ModelError`] where the bytes built into the program do not fit together.
    pub fn built_in() -> Result<Self, ModelError> {
        Self::from_parts(
            include_bytes!("../model/manifest.json"),
            include_bytes!("../model/weights.bin"),
        )
    }

    /// What the manifest says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(crate) fn weights(&self, bucket: usize) -> [i8; 2] {
        self.weights.get(bucket).copied().unwrap_or_default()
    }

    /// Polarity of a passage: from its polarity by the lexicon, and the sums of its n-grams' weights.
    pub(crate) fn polarity(&self, lexicon: Option<f64>, sums: [i64; 2], grams: usize) -> f64 {
        let scale = self.manifest.step / norm(grams);
        let anchors = self.anchors(lexicon);
        let [negative, positive] = [0, 1].map(|side: usize| {
            let (anchor, sum) = (anchors.get(side), sums.get(side));
            let sum = sum.copied().unwrap_or_default() as f32;
            let score = anchor.copied().unwrap_or_default() + scale * sum;
            f64::from((SHARPNESS * score).clamp(-30.0, 30.0)).exp()
        });
        (positive - negative) / (positive + negative + f64::from(self.manifest.neutral))
    }

    fn anchors(&self, lexicon: Option<f64>) -> [f32; 2] {
        let Some(polarity) = lexicon else { return self.manifest.moodless };
        let (below, share) = anchor(polarity);
        let at = |index: usize| self.manifest.anchors.get(index).copied().unwrap_or_default();
        let ([a, b], [c, d]) = (at(below), at(below + 1));
        [a + share * (c - a), b + share * (d - b)]
    }
}

/// The anchor at or below a polarity, and how far on the way to the next one it is.
pub fn anchor(polarity: f64) -> (usize, f32) {
    let place = ((polarity + 1.0) * 5.0).clamp(0.0, (ANCHORS - 1) as f64) as f32;
    let below = (place as usize).min(ANCHORS - 2);
    (below, place - below as f32)
}

/// What a sum over so many n-grams is divided by.
pub fn norm(grams: usize) -> f32 {
    (grams.max(FEWEST) as f32).sqrt()
}

/// SHA-256 in lower-case hex.
pub fn hex_sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_lie_on_lines() {
        assert_eq!(anchor(-1.0), (0, 0.0));
        assert_eq!(anchor(1.0), (9, 1.0));
        assert_eq!(anchor(7.0), (9, 1.0));
        let (below, share) = anchor(0.1);
        assert_eq!((below, (share * 100.0).round()), (5, 50.0));
    }

    #[test]
    fn a_changed_model_is_refused() {
        let manifest = include_bytes!("../model/manifest.json");
        let weights = include_bytes!("../model/weights.bin");
        assert!(Model::from_parts(manifest, weights).is_ok());
        let mut changed = weights.to_vec();
        changed[77] ^= 1;
        let error = Model::from_parts(manifest, &changed).unwrap_err();
        assert_eq!(error, ModelError::Corrupt("weights.bin"));
        let other = String::from_utf8_lossy(manifest).replace("\"features\": 1", "\"features\": 2");
        let error = Model::from_parts(other.as_bytes(), weights).unwrap_err();
        assert_eq!(error, ModelError::Unfit("features"));
        assert!(Model::from_parts(b"{}", weights).is_err());
    }
}
