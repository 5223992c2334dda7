//! The port for encoders: what a runtime promises that turns token ids into logits.
//!
//! To add a runtime: implement [`Runtime`], [`Encoder`] and [`Session`] in a crate of its own, and give the
//! runtime to [`crate::Cascade::load`].

use std::fmt;
use std::sync::Arc;

use crate::bundle::BundleError;
use crate::cascade::{Bytes, EncoderParameters};

/// Why a session gave no logits. Never says what the text was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("encoder failed: {0}")]
pub struct EncoderError(pub String);

/// Makes encoders of bundles. One value a process.
pub trait Runtime: Send + Sync {
    /// Its name in configuration and receipts, such as `rten`.
    fn name(&self) -> &'static str;

    /// Makes an encoder ready of the bytes of [`EncoderParameters::weights`]. Costs tens of milliseconds at
    /// most; runs on a thread that may block.
    ///
    /// # Errors
    /// [`BundleError::Unfit`] where this runtime cannot run it.
    fn load(
        &self,
        weights: Bytes,
        parameters: &EncoderParameters,
    ) -> Result<Arc<dyn Encoder>, BundleError>;
}

/// An encoder whose weights are in memory, once for all threads.
pub trait Encoder: Send + Sync {
    /// What one inference thread needs for itself.
    ///
    /// # Errors
    /// Where the runtime cannot give one.
    fn session(&self) -> Result<Box<dyn Session>, EncoderError>;
}

impl fmt::Debug for dyn Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder")
    }
}

/// One inference thread's use of an encoder. It computes on that one core and no other.
pub trait Session: Send {
    /// Logits of each window, in the order of the bundle's `encoder.outputs`. A window is token ids with
    /// `[CLS]` and `[SEP]`, at most `encoder.max_tokens`; windows of different lengths are padded and
    /// masked by the session.
    ///
    /// # Errors
    /// Where the runtime fails; the windows then count as not covered.
    fn logits(&mut self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, EncoderError>;
}
