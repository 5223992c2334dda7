//! A bundle in the making: learnt models, an encoder, and parameters that calibration sets.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use futures::executor::block_on;
use futures::future::join_all;
use portcullis_core::{
    Ask, BotId, Budget, Direction, Interaction, Known, MessageId, Size, Stage as _, View,
};
use portcullis_model::{
    Blend, Bytes, CASCADE_FORMAT, Calibration, Cascade, CascadeBundle, CascadeManifest, Channel,
    ChannelParameters, EncoderParameters, Exits, FeatureParameters, Features, HeadParameters,
    Judged, Limits, LinearParameters, MANIFEST, NoveltyParameters, OperatingPoints, PartDigest,
    Piece, PoolOptions, TokenEnd, WindowParameters, hex_sha256,
};
use portcullis_sanitizer::Sanitizer;

use crate::data::Row;
use crate::learner::{BITS, Learnt, WINDOWS};
use crate::replay::Replay;

/// The share of attacks at which a score is a probability: nothing is known of a text beforehand.
pub(crate) const BASE_RATE: f32 = 0.5;
/// Languages that the encoder was trained on.
const LANGUAGES: &[&str] = &["eng"];
/// Texts judged at once.
const AT_ONCE: usize = 64;

/// An encoder from a folder with `encoder.onnx`, `vocab.txt` and `encoder.json`.
#[derive(Clone)]
pub(crate) struct GivenEncoder {
    parameters: EncoderParameters,
    weights: Vec<u8>,
    vocabulary: Vec<u8>,
    pub(crate) replay: Replay,
}

impl GivenEncoder {
    pub(crate) fn read(folder: &Path, remembered: &Path) -> anyhow::Result<Self> {
        let file = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).with_context(|| format!("read {}", path.display()))
        };
        let parameters =
            EncoderParameters::described(&file("encoder.json")?).context("encoder.json")?;
        let (weights, vocabulary) = (file(&parameters.weights)?, file(&parameters.vocabulary)?);
        let outputs = parameters.outputs.len();
        let replay = Replay::open(remembered, &weights, &vocabulary, outputs)?;
        Ok(Self { parameters, weights, vocabulary, replay })
    }
}

/// What the linear trainer gives for a channel.
pub(crate) struct LinearHalf {
    pub(crate) learnt: Learnt,
    pub(crate) known: Vec<u8>,
}

/// A bundle in the making.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) manifest: CascadeManifest,
    pub(crate) parts: BTreeMap<String, Vec<u8>>,
    pub(crate) encoder: Option<GivenEncoder>,
}

struct Version;

impl Features for Version {
    fn feature(&mut self, _: usize) {}
    fn token(&mut self, _: TokenEnd) -> bool {
        true
    }
}

fn name(channel: Channel) -> &'static str {
    match channel {
        Channel::User => "user",
        Channel::Context => "context",
    }
}

fn parameters(channel: Channel, learnt: &Learnt, has_encoder: bool) -> ChannelParameters {
    ChannelParameters {
        linear: LinearParameters {
            weights: format!("{}.weights", name(channel)),
            step: learnt.step,
            bias: learnt.bias,
            windows: WindowParameters {
                tokens: WINDOWS.iter().map(|length| *length as u32).collect(),
                penalty_per_doubling: 0.0,
            },
            // until it is set: monotone, and far from where a logistic saturates
            calibration: Calibration { slope: 0.2, offset: 0.0 },
        },
        novelty: Some(NoveltyParameters {
            known: format!("{}.known", name(channel)),
            max_unknown: 0.0,
        }),
        head: has_encoder.then(|| HeadParameters {
            output: name(channel).to_owned(),
            blend: Blend { encoder: 0.2, linear: 0.0, offset: 0.0 },
            penalty_per_doubling: 0.0,
        }),
        exits: SHUT,
        operating_points: OperatingPoints { strict: 1.0, balanced: 1.0, lenient: 1.0 },
    }
}

/// Exits through which nothing goes.
pub(crate) const SHUT: Exits = Exits { benign_below: 0.0, attack_above: 2.0 };

impl Draft {
    pub(crate) fn new(
        user: LinearHalf,
        context: LinearHalf,
        encoder: Option<GivenEncoder>,
    ) -> Self {
        let has_encoder = encoder.is_some();
        let manifest = CascadeManifest {
            format: CASCADE_FORMAT,
            model: concat!("injection-", env!("CARGO_PKG_VERSION")).to_owned(),
            base_rate: BASE_RATE,
            languages: match has_encoder {
                true => LANGUAGES.iter().map(|code| (*code).to_owned()).collect(),
                false => Vec::new(),
            },
            parts: BTreeMap::new(),
            features: FeatureParameters { version: Version::VERSION, bits: BITS },
            encoder: encoder.as_ref().map(|encoder| encoder.parameters.clone()),
            user: parameters(Channel::User, &user.learnt, has_encoder),
            context: parameters(Channel::Context, &context.learnt, has_encoder),
        };
        let mut parts = BTreeMap::from([
            (manifest.user.linear.weights.clone(), user.learnt.weights),
            (manifest.context.linear.weights.clone(), context.learnt.weights),
            ("user.known".to_owned(), user.known),
            ("context.known".to_owned(), context.known),
        ]);
        if let Some(encoder) = &encoder {
            parts.insert(encoder.parameters.weights.clone(), encoder.weights.clone());
            parts.insert(encoder.parameters.vocabulary.clone(), encoder.vocabulary.clone());
        }
        let mut draft = Self { manifest, parts, encoder };
        for (name, bytes) in &draft.parts {
            let digest = PartDigest { sha256: hex_sha256(bytes), bytes: bytes.len() };
            draft.manifest.parts.insert(name.clone(), digest);
        }
        draft
    }

    /// The parameters of a channel.
    pub(crate) fn channel(&mut self, channel: Channel) -> &mut ChannelParameters {
        match channel {
            Channel::User => &mut self.manifest.user,
            Channel::Context => &mut self.manifest.context,
        }
    }

    /// The bytes of `manifest.json`.
    pub(crate) fn manifest_json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(&self.manifest)? + "\n")
    }

    /// The model as the service will load it.
    pub(crate) fn cascade(&self) -> anyhow::Result<Cascade> {
        let files = self.parts.iter().map(|(name, bytes)| (name.clone(), bytes.clone()));
        let manifest = (MANIFEST.to_owned(), self.manifest_json()?.into_bytes());
        let files = files.chain([manifest]).map(|(name, bytes)| (name, Bytes::Owned(bytes)));
        let bundle = CascadeBundle::from_files(files)?;
        let runtime: Arc<dyn portcullis_model::Runtime> = match &self.encoder {
            Some(encoder) => Arc::new(encoder.replay.clone()),
            None => Arc::new(portcullis_model::Rten),
        };
        Ok(Cascade::load(bundle, runtime, PoolOptions::default())?)
    }

    /// The same without the certain exits: the encoder judges everything.
    pub(crate) fn encoder_only(&self) -> Self {
        let mut alone = self.clone();
        alone.manifest.user.exits = SHUT;
        alone.manifest.context.exits = SHUT;
        alone
    }

    /// The same without the encoder: the linear models judge everything.
    pub(crate) fn linear_only(&self) -> Self {
        let mut alone = self.clone();
        for channel in [Channel::User, Channel::Context] {
            alone.channel(channel).head = None;
        }
        alone
    }
}

/// The readings that the sanitizer makes of a text, less the text as received.
fn views(text: &str) -> Vec<View> {
    let Ok(id) = MessageId::parse("row") else { return Vec::new() };
    let interaction = Interaction {
        id,
        bot: BotId::fallback(),
        conversation: None,
        speaker: None,
        client_addr: None,
        direction: Direction::Inbound,
        text: text.into(),
        context: Vec::new(),
        in_reply_to: None,
        received_at: jiff::Timestamp::UNIX_EPOCH,
    };
    let ask = Ask {
        interaction,
        size: Size::default(),
        views: Vec::new(),
        findings: Vec::new(),
        settings: serde_json::Value::Null,
        known: Known::default(),
        budget: Budget::default(),
    };
    block_on(Sanitizer.check(&ask)).map(|report| report.views).unwrap_or_default()
}

/// Judges texts as the plan does, each as a message of its own: as received and in every reading of the
/// sanitizer, the highest of which counts.
pub(crate) fn judge(cascade: &Cascade, channel: Channel, rows: &[&Row]) -> Vec<Judged> {
    let mut judged = Vec::with_capacity(rows.len());
    for some in rows.chunks(AT_ONCE) {
        let views: Vec<Vec<View>> = some.iter().map(|row| views(&row.text)).collect();
        let pieces: Vec<Vec<Piece<'_>>> = some
            .iter()
            .zip(&views)
            .map(|(row, views)| {
                let views = views.iter().map(|view| view.text.expose());
                let texts = std::iter::once(row.text.as_str()).chain(views);
                texts.map(|text| Piece { channel, text }).collect()
            })
            .collect();
        let limits = Limits::default();
        let all = block_on(join_all(pieces.iter().map(|one| cascade.judge(one, &limits))));
        judged.extend(all.into_iter().filter_map(|readings| {
            let encoded = readings.iter().map(|one| one.encoded).sum();
            let highest = readings.into_iter().max_by(|a, b| a.score.total_cmp(&b.score));
            highest.map(|one| Judged { encoded, ..one })
        }));
    }
    judged
}
