//! WordPiece tokens with their places in the text, and the overlapping windows that the encoder sees.

use std::ops::Range;

use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{DecoderWrapper, PostProcessorWrapper, TokenizerImpl};

use super::manifest::EncoderParameters;
use crate::bundle::BundleError;
use crate::encoder::EncoderError;

type Tokens = TokenizerImpl<
    WordPiece,
    BertNormalizer,
    BertPreTokenizer,
    PostProcessorWrapper,
    DecoderWrapper,
>;

/// Cuts text into windows of tokens as BERT does: control characters dropped, ideographs alone,
/// lower-cased and without accents where the bundle says so.
pub struct Tokenizer {
    tokens: Tokens,
    first: u32,
    last: u32,
    /// Tokens of text in a window.
    size: usize,
    stride: usize,
}

/// What the encoder is given of a text, and where that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenWindow {
    /// Token ids, `[CLS]` and `[SEP]` among them.
    pub ids: Vec<u32>,
    /// Bytes of the text. The windows of a text cover it whole, and overlap.
    pub bytes: Range<usize>,
}

impl Tokenizer {
    /// Reads a vocabulary: one token a line, its id the line's number from zero.
    ///
    /// # Errors
    /// [`BundleError::Unfit`] where it lacks one of BERT's special tokens or is not text.
    pub fn new(vocabulary: &[u8], parameters: &EncoderParameters) -> Result<Self, BundleError> {
        let unfit = || BundleError::Unfit("encoder.vocabulary");
        let vocabulary = WordPiece::read_bytes(vocabulary).map_err(|_| unfit())?;
        let id = |token: &str| vocabulary.get(token).copied().ok_or_else(unfit);
        let (first, last, _) = (id("[CLS]")?, id("[SEP]")?, id("[UNK]")?);
        let model = WordPiece::builder().vocab(vocabulary).build().map_err(|_| unfit())?;
        let lowercase = parameters.lowercase;
        let mut tokens = Tokens::new(model);
        tokens
            .with_normalizer(Some(BertNormalizer::new(true, true, Some(lowercase), lowercase)))
            .with_pre_tokenizer(Some(BertPreTokenizer));
        let size = parameters.max_tokens.saturating_sub(2).max(1);
        Ok(Self { tokens, first, last, size, stride: parameters.stride.clamp(1, size) })
    }

    /// The windows of a text, in order: each starts `stride` tokens after the one before, and the last
    /// ends with the text. A text without tokens has none.
    ///
    /// # Errors
    /// Where the tokenizer fails; it does so on no text known.
    pub fn windows(&self, text: &str) -> Result<Vec<TokenWindow>, EncoderError> {
        let encoding =
            self.tokens.encode(text, false).map_err(|_| EncoderError("tokenizer".to_owned()))?;
        let (ids, places) = (encoding.get_ids(), encoding.get_offsets());
        let count = ids.len();
        let mut windows = Vec::with_capacity(count / self.stride + 1);
        let mut start = 0;
        while start < count {
            let end = (start + self.size).min(count);
            // what stands between two tokens belongs to the window that ends there
            let from = if start == 0 { 0 } else { places.get(start).map_or(0, |place| place.0) };
            let to = places.get(end).map_or(text.len(), |place| place.0);
            let inner = ids.get(start..end).unwrap_or_default();
            windows.push(TokenWindow {
                ids: std::iter::once(self.first)
                    .chain(inner.iter().copied())
                    .chain([self.last])
                    .collect(),
                bytes: from..to,
            });
            if end == count {
                break;
            }
            start += self.stride;
        }
        Ok(windows)
    }
}
