//! The encoder of the injection classifier on rust-bert and libtorch: the port of `portcullis-model`, and the
//! same bundle as the default runtime.
//!
//! The bundle's encoder is an ONNX model in 8-bit integers. It is turned back into 32-bit numbers when it is
//! loaded, and computed in those: the logits differ from the default runtime's by what that loses when it
//! rounds between layers. All sessions share one copy of the weights.

mod onnx;
mod session;
mod weights;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_model::{
    BundleError, Bytes, Encoder, EncoderError, EncoderParameters, Runtime, Session,
};

use crate::session::BertSession;
use crate::weights::Shared;

/// What an ONNX model has not, or not in the form that is read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not as expected: {0}")]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// The runtime on rust-bert and libtorch, on the processor.
#[derive(Debug, Clone, Copy, Default)]
pub struct RustBert;

impl Runtime for RustBert {
    fn name(&self) -> &'static str {
        "rust-bert"
    }

    /// Takes about a tenth of a second, and 4 bytes a weight (80 MB for the shipped model).
    fn load(
        &self,
        weights: Bytes,
        parameters: &EncoderParameters,
    ) -> Result<Arc<dyn Encoder>, BundleError> {
        match BertEncoder::read(&weights, parameters) {
            Ok(encoder) => Ok(Arc::new(encoder)),
            Err(Unreadable(what)) => {
                tracing::warn!(what, "the encoder's weights are not as rust-bert needs them");
                Err(BundleError::Unfit("encoder.weights"))
            }
        }
    }
}

/// Weights as libtorch has them, once for all sessions.
struct BertEncoder {
    /// Tensors may move between threads, and may not be used by two at once; they are only cloned here.
    weights: Mutex<Shared>,
}

impl fmt::Debug for BertEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BertEncoder")
    }
}

impl BertEncoder {
    fn read(bytes: &[u8], parameters: &EncoderParameters) -> Result<Self, Unreadable> {
        let weights = Shared::new(onnx::read(bytes)?)?;
        if weights.outputs() != parameters.outputs.len() {
            return Err(Unreadable("as many outputs as encoder.outputs names"));
        }
        if weights.places() < parameters.max_tokens {
            return Err(Unreadable("places for encoder.max_tokens"));
        }
        Ok(Self { weights: Mutex::new(weights) })
    }
}

impl Encoder for BertEncoder {
    fn session(&self) -> Result<Box<dyn Session>, EncoderError> {
        let weights = self.weights.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Box::new(BertSession::new(&weights)?))
    }
}
