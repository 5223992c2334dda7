//! What the `manifest.json` of a cascade's bundle says, and whether it makes sense.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Features;
use crate::bundle::{BundleError, Calibration, FeatureParameters, WindowParameters};
use crate::linear::Sums;

/// Version of the bundle's form that this release reads and writes.
pub const CASCADE_FORMAT: u32 = 2;

/// Which of the two questions a text answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The person's own words: do they try to override, leak or subvert the bot?
    User,
    /// Content that the bot will read: does it address an instruction to a machine?
    Context,
}

/// A file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartDigest {
    /// SHA-256 in hex.
    pub sha256: String,
    /// Length in bytes.
    pub bytes: usize,
}

/// The linear model of a channel. Its part holds 8-bit signed integers, one a bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearParameters {
    /// Name of the part.
    pub weights: String,
    /// What one step of an integer is worth.
    pub step: f32,
    /// The logit of a text without features.
    pub bias: f32,
    /// How whole texts are looked at.
    pub windows: WindowParameters,
    /// From logit to probability.
    pub calibration: Calibration,
}

/// What harmless traffic looks like. The part is a bitmap: bit `n` (least significant first) is set
/// where bucket `n` was seen in the harmless texts that the benign exit was fitted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoveltyParameters {
    /// Name of the part.
    pub known: String,
    /// The share of a window's n-grams that may be unknown before the benign exit is shut, 0 to 1.
    pub max_unknown: f32,
}

/// How an encoder's logit and the linear model's of the same window become one probability:
/// `1 / (1 + exp(-(encoder * e + linear * l + offset)))`, fitted by logistic regression.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blend {
    /// Factor of the encoder's logit; above zero.
    pub encoder: f32,
    /// Factor of the linear model's logit; zero or above.
    pub linear: f32,
    /// What is added.
    pub offset: f32,
}

/// The head of the encoder that answers a channel's question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadParameters {
    /// Its name among the encoder's outputs.
    pub output: String,
    /// From logits to probability.
    pub blend: Blend,
    /// What a window's logit loses for each doubling of the text's windows past the first: the more
    /// windows, the higher the highest of them by chance alone.
    pub penalty_per_doubling: f32,
}

/// Where the linear model answers alone, as its calibrated probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exits {
    /// Below: harmless, where the text is not novel. 0 shuts this exit.
    pub benign_below: f32,
    /// At or above: an attack. More than 1 shuts this exit.
    pub attack_above: f32,
}

/// Scores at which to act, by the share of a benign traffic mix that reaches them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoints {
    /// At most 1 % of benign texts are at or above it.
    pub strict: f32,
    /// At most 0.3 %.
    pub balanced: f32,
    /// At most 0.1 %.
    pub lenient: f32,
}

/// How one of the two questions is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelParameters {
    /// The linear model that looks first.
    pub linear: LinearParameters,
    /// What keeps the benign exit for texts that look like harmless traffic; without it that exit is shut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub novelty: Option<NoveltyParameters>,
    /// The encoder's head; without it the linear model answers everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadParameters>,
    /// Where the linear model answers alone.
    pub exits: Exits,
    /// Where to act.
    pub operating_points: OperatingPoints,
}

/// The encoder that both questions share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderParameters {
    /// Name of the part with the ONNX model: inputs `input_ids` and `attention_mask` of i64 [B, L], output
    /// `logits` of f32 [B, outputs].
    pub weights: String,
    /// Name of the part with the WordPiece vocabulary, one token a line.
    pub vocabulary: String,
    /// What each logit is: `user` and `context`, and optionally `kind.…`, a softmax that names an attack.
    pub outputs: Vec<String>,
    /// Tokens of the longest window, `[CLS]` and `[SEP]` among them.
    pub max_tokens: usize,
    /// Tokens from the start of a window to the start of the next.
    pub stride: usize,
    /// Whether text is lower-cased, and accents stripped, before it is cut into tokens.
    pub lowercase: bool,
}

/// What `manifest.json` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CascadeManifest {
    /// Version of the bundle's form; see [`CASCADE_FORMAT`].
    pub format: u32,
    /// Name and version of the model.
    pub model: String,
    /// The share of attacks among texts at which a score is the probability of one.
    pub base_rate: f32,
    /// Languages that the encoder knows, as ISO 639-3 codes.
    pub languages: Vec<String>,
    /// Every file of the bundle besides this one.
    pub parts: BTreeMap<String, PartDigest>,
    /// How the linear models' features were made.
    pub features: FeatureParameters,
    /// The encoder; without it the linear models answer everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderParameters>,
    /// The person's own words.
    pub user: ChannelParameters,
    /// Content that the bot will read.
    pub context: ChannelParameters,
}

/// The version of features that this release computes.
const FEATURES: u32 = <Sums<'static> as Features>::VERSION;

fn ensure(holds: bool, name: &'static str) -> Result<(), BundleError> {
    if holds { Ok(()) } else { Err(BundleError::Unfit(name)) }
}

impl CascadeManifest {
    /// The parameters of a channel.
    pub fn channel(&self, channel: Channel) -> &ChannelParameters {
        match channel {
            Channel::User => &self.user,
            Channel::Context => &self.context,
        }
    }

    /// Refuses numbers that make no sense, by name.
    pub(super) fn validate(&self) -> Result<(), BundleError> {
        ensure(self.features.version == FEATURES, "features.version")?;
        ensure((8..=24).contains(&self.features.bits), "features.bits")?;
        ensure(self.base_rate > 0.0 && self.base_rate < 1.0, "base_rate")?;
        if let Some(encoder) = &self.encoder {
            encoder.validate()?;
        }
        for channel in [&self.user, &self.context] {
            channel.validate(self.encoder.as_ref())?;
        }
        Ok(())
    }
}

impl EncoderParameters {
    /// The files that the trainers write for the program beside `encoder.json`.
    pub const FILES: [&str; 2] = ["encoder.onnx", "vocab.txt"];

    /// Reads what a trainer says of its encoder in `encoder.json`, whose weights and vocabulary are [`Self::FILES`].
    ///
    /// # Errors
    /// Where it is not such a description.
    pub fn described(description: &[u8]) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Description {
            outputs: Vec<String>,
            max_tokens: usize,
            stride: usize,
            lowercase: bool,
        }
        let Description { outputs, max_tokens, stride, lowercase } =
            serde_json::from_slice(description)?;
        let [weights, vocabulary] = Self::FILES.map(str::to_owned);
        Ok(Self { weights, vocabulary, outputs, max_tokens, stride, lowercase })
    }

    fn validate(&self) -> Result<(), BundleError> {
        ensure((8..=512).contains(&self.max_tokens), "encoder.max_tokens")?;
        ensure((1..=self.max_tokens - 2).contains(&self.stride), "encoder.stride")?;
        ensure(!self.outputs.is_empty(), "encoder.outputs")
    }
}

impl ChannelParameters {
    fn validate(&self, encoder: Option<&EncoderParameters>) -> Result<(), BundleError> {
        let LinearParameters { step, bias, windows, calibration, .. } = &self.linear;
        let numbers = [*step, *bias, calibration.slope, calibration.offset];
        ensure(numbers.iter().all(|n| n.is_finite()) && calibration.slope > 0.0, "linear")?;
        ensure(
            !windows.tokens.is_empty() && windows.tokens.iter().all(|length| *length >= 4),
            "linear.windows.tokens",
        )?;
        ensure(not_negative(windows.penalty_per_doubling), "linear.windows.penalty_per_doubling")?;
        if let Some(novelty) = &self.novelty {
            ensure((0.0..=1.0).contains(&novelty.max_unknown), "novelty.max_unknown")?;
        }
        ensure(not_negative(self.exits.benign_below), "exits.benign_below")?;
        ensure(not_negative(self.exits.attack_above), "exits.attack_above")?;
        let OperatingPoints { strict, balanced, lenient } = self.operating_points;
        ensure(
            0.0 <= strict && strict <= balanced && balanced <= lenient && lenient <= 1.0,
            "operating_points",
        )?;
        if let Some(head) = &self.head {
            let outputs = encoder.map(|encoder| encoder.outputs.as_slice()).unwrap_or_default();
            ensure(outputs.contains(&head.output), "head.output")?;
            let Blend { encoder, linear, offset } = head.blend;
            ensure(
                encoder.is_finite() && encoder > 0.0 && not_negative(linear) && offset.is_finite(),
                "head.blend",
            )?;
            ensure(not_negative(head.penalty_per_doubling), "head.penalty_per_doubling")?;
        }
        Ok(())
    }
}

fn not_negative(number: f32) -> bool {
    number.is_finite() && number >= 0.0
}
