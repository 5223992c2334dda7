//! The default runtime: `rten`, pure Rust, int8 weights packed once at load, one core a session.

use std::sync::Arc;

use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

use crate::bundle::BundleError;
use crate::cascade::{Bytes, EncoderParameters};
use crate::encoder::{Encoder, EncoderError, Runtime, Session};

/// Runs the bundle's ONNX model.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rten;

impl Runtime for Rten {
    fn name(&self) -> &'static str {
        "rten"
    }

    fn load(
        &self,
        weights: Bytes,
        parameters: &EncoderParameters,
    ) -> Result<Arc<dyn Encoder>, BundleError> {
        let unfit = |_| BundleError::Unfit("encoder.weights");
        let mut options = ModelOptions::with_all_ops();
        options.prepack_weights(true);
        let model = match weights {
            Bytes::Borrowed(bytes) => options.load_static_slice(bytes),
            Bytes::Owned(bytes) => options.load(bytes),
        }
        .map_err(|_| BundleError::Unfit("encoder.weights"))?;
        let node = |name: &str| model.node_id(name).map_err(unfit);
        let (ids, mask) = (node("input_ids")?, node("attention_mask")?);
        let logits = node("logits")?;
        let outputs = parameters.outputs.len();
        Ok(Arc::new(RtenEncoder { model: Arc::new(model), ids, mask, logits, outputs }))
    }
}

struct RtenEncoder {
    model: Arc<Model>,
    ids: NodeId,
    mask: NodeId,
    logits: NodeId,
    outputs: usize,
}

impl Encoder for RtenEncoder {
    fn session(&self) -> Result<Box<dyn Session>, EncoderError> {
        // a pool of its own, of one thread: what several sessions compute must not wait for each other
        let pool = Some(Arc::new(ThreadPool::with_num_threads(1)));
        Ok(Box::new(RtenSession {
            model: self.model.clone(),
            options: RunOptions::default().with_thread_pool(pool),
            nodes: (self.ids, self.mask, self.logits),
            outputs: self.outputs,
        }))
    }
}

struct RtenSession {
    model: Arc<Model>,
    options: RunOptions,
    nodes: (NodeId, NodeId, NodeId),
    outputs: usize,
}

impl Session for RtenSession {
    fn logits(&mut self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, EncoderError> {
        let longest = windows.iter().map(|window| window.len()).max().unwrap_or(0);
        if longest == 0 {
            return Ok(windows.iter().map(|_| vec![0.0; self.outputs]).collect());
        }
        // rten keeps integers of 64 bits as 32
        let mut ids = vec![0i32; windows.len() * longest];
        let mut mask = vec![0i32; windows.len() * longest];
        let rows = ids.chunks_mut(longest).zip(mask.chunks_mut(longest));
        for (window, (ids, mask)) in windows.iter().zip(rows) {
            for ((token, id), seen) in window.iter().zip(ids).zip(mask) {
                *id = token.cast_signed();
                *seen = 1;
            }
        }
        let shape = [windows.len(), longest];
        let (input, attention, output) = self.nodes;
        let inputs = vec![
            (input, NdTensor::from_data(shape, ids).into()),
            (attention, NdTensor::from_data(shape, mask).into()),
        ];
        let failed = |error: &dyn std::fmt::Display| EncoderError(error.to_string());
        let [logits] = self
            .model
            .run_n(inputs, [output], Some(self.options.clone()))
            .map_err(|error| failed(&error))?;
        let logits: NdTensor<f32, 2> = logits.try_into().map_err(|_| failed(&"logits"))?;
        if logits.shape() != [windows.len(), self.outputs] {
            return Err(failed(&"logits have another shape than encoder.outputs"));
        }
        Ok(logits.to_vec().chunks(self.outputs).map(<[f32]>::to_vec).collect())
    }
}
