//! The cascade: a linear pass over everything, and an encoder for what that is not certain of.

mod archive;
mod bundle;
mod judge;
mod language;
mod manifest;
mod tokens;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use whatlang::Lang;

pub use bundle::{Bytes, CascadeBundle, MANIFEST};
pub use judge::{Beyond, Judged, Limits, Piece};
pub use language::Unsupported;
pub use manifest::{
    Blend, CASCADE_FORMAT, CascadeManifest, Channel, ChannelParameters, EncoderParameters, Exits,
    HeadParameters, LinearParameters, NoveltyParameters, OperatingPoints, PartDigest,
};
pub use tokens::{TokenWindow, Tokenizer};

use crate::bundle::BundleError;
use crate::encoder::Runtime;
use crate::linear::LinearWeights;
use crate::pool::PoolOptions;
use crate::text_encoder::TextEncoder;

/// A bundle ready to judge. To swap bundles atomically, keep it in an `ArcSwap<Cascade>`: what is under
/// way goes on with the one that it began with.
pub struct Cascade {
    manifest: CascadeManifest,
    digest: String,
    user: LinearWeights,
    context: LinearWeights,
    languages: Vec<Lang>,
    runtime: Arc<dyn Runtime>,
    options: PoolOptions,
    /// What the encoder is made of, until it has been.
    unread: Mutex<Option<CascadeBundle>>,
    encoder: OnceLock<Result<TextEncoder, BundleError>>,
}

impl fmt::Debug for Cascade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cascade({} {} on {})", self.manifest.model, self.digest, self.runtime.name())
    }
}

impl Cascade {
    /// Makes the linear models of a bundle ready, which costs next to nothing. The encoder is loaded when
    /// it is first needed, or by [`Cascade::prepare`].
    ///
    /// # Errors
    /// [`BundleError`] where a part is not what it should be.
    pub fn load(
        bundle: CascadeBundle,
        runtime: Arc<dyn Runtime>,
        options: PoolOptions,
    ) -> Result<Self, BundleError> {
        let manifest = bundle.manifest().clone();
        let linear = |channel| {
            let parameters = manifest.channel(channel);
            let LinearParameters { weights, step, bias, windows, .. } = &parameters.linear;
            let known = match &parameters.novelty {
                Some(novelty) => bundle.shared_part(&novelty.known)?,
                None => Cow::Borrowed(&[][..]),
            };
            Ok::<_, BundleError>(LinearWeights {
                bits: manifest.features.bits,
                weights: bundle.shared_part(weights)?,
                step: *step,
                bias: *bias,
                windows: windows.clone(),
                known,
            })
        };
        Ok(Self {
            user: linear(Channel::User)?,
            context: linear(Channel::Context)?,
            languages: language::known(&manifest.languages),
            digest: bundle.digest().to_owned(),
            manifest,
            runtime,
            options,
            unread: Mutex::new(Some(bundle)),
            encoder: OnceLock::new(),
        })
    }

    /// Loads the encoder, if the bundle has one and it is not loaded yet.
    ///
    /// # Errors
    /// [`BundleError`] where it cannot be, now and every time after.
    pub fn prepare(&self) -> Result<(), BundleError> {
        match self.manifest.encoder {
            Some(_) => self.neural().map(drop).map_err(Clone::clone),
            None => Ok(()),
        }
    }

    fn neural(&self) -> Result<&TextEncoder, &BundleError> {
        let made = self.encoder.get_or_init(|| {
            let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
            let bundle = unread.take().ok_or(BundleError::Unfit("encoder"))?;
            let parameters = bundle.manifest().encoder.clone();
            let parameters = parameters.ok_or(BundleError::Unfit("encoder"))?;
            let weights = bundle.shared_part(&parameters.weights)?;
            let vocabulary = bundle.part(&parameters.vocabulary)?;
            TextEncoder::start(weights, vocabulary, &parameters, &*self.runtime, self.options)
        });
        made.as_ref()
    }

    /// What the bundle's manifest says.
    pub fn manifest(&self) -> &CascadeManifest {
        &self.manifest
    }

    /// SHA-256 of the bundle.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The name of the runtime that the encoder runs on.
    pub fn runtime(&self) -> &'static str {
        self.runtime.name()
    }

    /// The linear model of a channel.
    pub fn linear(&self, channel: Channel) -> &LinearWeights {
        match channel {
            Channel::User => &self.user,
            Channel::Context => &self.context,
        }
    }

    /// The windows that the encoder would see of a text.
    ///
    /// # Errors
    /// [`BundleError`] where there is no encoder; a text without tokens has no windows.
    pub fn windows(&self, text: &str) -> Result<Vec<TokenWindow>, BundleError> {
        let neural = self.neural().map_err(Clone::clone)?;
        neural.windows(text).map_err(|_| BundleError::Unfit("encoder.vocabulary"))
    }
}
