//! An encoder at work on texts: windows of tokens in, logits out.

use std::fmt;
use std::time::Instant;

use crate::bundle::BundleError;
use crate::cascade::{Bytes, EncoderParameters, TokenWindow, Tokenizer};
use crate::encoder::{EncoderError, Runtime};
use crate::pool::{Answer, EncoderPool, PoolOptions};
use crate::windows::{Windows, windows};

/// A tokenizer and inference threads, which end with it.
pub struct TextEncoder {
    tokenizer: Tokenizer,
    pool: EncoderPool,
    outputs: Vec<String>,
}

impl fmt::Debug for TextEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TextEncoder({:?})", self.outputs)
    }
}

impl TextEncoder {
    /// Words of one window, about: what the number of windows in a text is reckoned by.
    pub const WORDS_A_WINDOW: f32 = 96.0;

    /// Makes one of the bytes of its weights and vocabulary.
    ///
    /// # Errors
    /// [`BundleError`] where a part is not what it should be, or the runtime gives no thread.
    pub fn start(
        weights: Bytes,
        vocabulary: &[u8],
        parameters: &EncoderParameters,
        runtime: &dyn Runtime,
        options: PoolOptions,
    ) -> Result<Self, BundleError> {
        let tokenizer = Tokenizer::new(vocabulary, parameters)?;
        let encoder = runtime.load(weights, parameters)?;
        let pool = EncoderPool::start(&encoder, options)
            .map_err(|EncoderError(_)| BundleError::Unfit("encoder.session"))?;
        Ok(Self { tokenizer, pool, outputs: parameters.outputs.clone() })
    }

    /// What each logit is.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Stretches of a text that are worth cutting into tokens at once. They overlap by more than a word and less than a
    /// window; a text a little longer than one is not worth two.
    pub fn stretches(text: &str) -> Windows<'_> {
        const STRETCH: usize = 2_048;
        const OVERLAP: usize = 192;
        let size = if text.len() <= STRETCH + OVERLAP { text.len() } else { STRETCH };
        windows(text, size, OVERLAP)
    }

    /// The windows of a text: see [`Tokenizer::windows`].
    ///
    /// # Errors
    /// Where the tokenizer fails; it does so on no text known.
    pub fn windows(&self, text: &str) -> Result<Vec<TokenWindow>, EncoderError> {
        self.tokenizer.windows(text)
    }

    /// Windows of one message that are worth having in the queue at once: see [`EncoderPool::share`].
    pub fn share(&self) -> usize {
        self.pool.share()
    }

    /// Queues a window: see [`EncoderPool::ask`].
    pub fn ask(&self, ids: Vec<u32>, deadline: Option<Instant>) -> Answer {
        self.pool.ask(ids, deadline)
    }
}
