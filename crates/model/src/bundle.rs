//! A trained model as it lies on disk: `manifest.json` and `weights.bin`, each checked before use.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Features;

/// Version of the bundle's form that this release reads and writes.
pub const FORMAT: u32 = 1;

/// Why a bundle cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Bytes are missing or changed: fetch the bundle again.
    #[error("bundle is corrupt: {0}")]
    Corrupt(&'static str),
    /// Bytes of the named part are missing or changed: fetch the bundle again.
    #[error("bundle is corrupt: {0}")]
    CorruptPart(String),
    /// Written by a later release: upgrade this one.
    #[error("bundle has a newer format: {found}, this release reads up to {supported}")]
    NewerFormat {
        /// What the bundle says.
        found: u32,
        /// What is understood.
        supported: u32,
    },
    /// Trained for other features than this release computes: train it anew.
    #[error("bundle does not fit this release: {0}")]
    Unfit(&'static str),
}

/// How features were made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureParameters {
    /// Version of tokens and hash.
    pub version: u32,
    /// Binary logarithm of the number of buckets.
    pub bits: u32,
}

/// How whole texts are looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowParameters {
    /// Lengths of the windows in tokens; each moves by a quarter of itself.
    pub tokens: Vec<u32>,
    /// What a window's logit loses for each doubling of the text's tokens past the longest window:
    /// the more windows, the higher the highest of them by chance alone.
    pub penalty_per_doubling: f32,
}

/// Platt scaling: probability = 1 / (1 + exp(-(slope * logit + offset))).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Factor of the logit; above zero.
    pub slope: f32,
    /// What is added to it.
    pub offset: f32,
}

/// Probabilities at which to act, chosen on held-out benign texts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// At most 0.3 % of held-out benign texts are at or above it.
    pub block: f32,
    /// At most 1 % of held-out benign texts are at or above it.
    pub hold: f32,
}

/// The weights' part: 8-bit signed integers, one a bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsPart {
    /// SHA-256 of the part, in hex.
    pub sha256: String,
    /// What one step of an integer is worth.
    pub step: f32,
    /// The logit of a text without features.
    pub bias: f32,
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
    /// How whole texts are looked at.
    pub windows: WindowParameters,
    /// From logit to probability.
    pub calibration: Calibration,
    /// Where to act.
    pub thresholds: Thresholds,
    /// The weights.
    pub weights: WeightsPart,
}

/// A manifest and weights that fit each other and this release.
#[derive(Debug, Clone)]
pub struct Bundle {
    manifest: Manifest,
    weights: Vec<i8>,
    digest: String,
}

/// The format alone, read before the rest, so that a later release's manifest is named as such.
#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

/// SHA-256 in lower-case hex.
pub fn hex_sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}

impl Bundle {
    /// Reads a bundle from the bytes of its parts and checks all of it.
    ///
    /// # Errors
    /// [`BundleError`], which says what to do about it.
    pub fn from_parts(manifest: &[u8], weights: &[u8]) -> Result<Self, BundleError> {
        let digest = hex_sha256(manifest);
        let FormatOnly { format } =
            serde_json::from_slice(manifest).map_err(|_| BundleError::Corrupt("manifest.json"))?;
        if format > FORMAT {
            return Err(BundleError::NewerFormat { found: format, supported: FORMAT });
        }
        let manifest: Manifest =
            serde_json::from_slice(manifest).map_err(|_| BundleError::Corrupt("manifest.json"))?;
        if manifest.features.version != FEATURES {
            return Err(BundleError::Unfit("features.version"));
        }
        if !(1..=24).contains(&manifest.features.bits) {
            return Err(BundleError::Unfit("features.bits"));
        }
        let tokens = &manifest.windows.tokens;
        if tokens.is_empty() || tokens.iter().any(|length| *length < 4) {
            return Err(BundleError::Unfit("windows.tokens"));
        }
        let Manifest { calibration, thresholds, weights: part, .. } = &manifest;
        let numbers = [part.step, part.bias, calibration.slope, calibration.offset];
        if numbers.iter().any(|n| !n.is_finite()) || calibration.slope <= 0.0 {
            return Err(BundleError::Unfit("calibration"));
        }
        let penalty = manifest.windows.penalty_per_doubling;
        if !penalty.is_finite() || penalty < 0.0 {
            return Err(BundleError::Unfit("windows.penalty_per_doubling"));
        }
        if !(0.0..=1.0).contains(&thresholds.hold) || !(0.0..=1.0).contains(&thresholds.block) {
            return Err(BundleError::Unfit("thresholds"));
        }
        if weights.len() != 1 << manifest.features.bits || hex_sha256(weights) != part.sha256 {
            return Err(BundleError::Corrupt("weights.bin"));
        }
        // one byte a weight: no byte order is involved
        let weights = weights.iter().map(|byte| byte.cast_signed()).collect();
        Ok(Self { manifest, weights, digest })
    }

    /// What the manifest says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// One weight a bucket.
    pub fn weights(&self) -> &[i8] {
        &self.weights
    }

    /// SHA-256 of the manifest, which holds that of the weights: it stands for all of the bundle.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// The version of features that this release computes.
const FEATURES: u32 = <crate::linear::Sums<'static> as Features>::VERSION;
