//! One thread's BERT: windows in, logits out.

use portcullis_model::{EncoderError, Session};
use rust_bert::bert::{BertEmbeddings, BertModel};
use tch::{Kind, TchError, Tensor};

use crate::weights::Shared;

/// A model whose weights are shared, and its head.
pub(crate) struct BertSession {
    model: BertModel<BertEmbeddings>,
    head: (Tensor, Tensor),
    words: i64,
    places: usize,
    outputs: usize,
}

impl BertSession {
    pub(crate) fn new(weights: &Shared) -> Result<Self, EncoderError> {
        let (model, head) = (weights.model()?, weights.head());
        let (words, places, outputs) = (weights.words(), weights.places(), weights.outputs());
        Ok(Self { model, head, words, places, outputs })
    }

    /// Mean over the tokens that are there, then the head.
    fn judge(&self, ids: &Tensor, mask: &Tensor) -> Result<Tensor, EncoderError> {
        let output = self
            .model
            .forward_t(Some(ids), Some(mask), None, None, None, None, None, false)
            .map_err(|error| EncoderError(error.to_string()))?;
        let head = || -> Result<Tensor, TchError> {
            let weight = mask.f_to_kind(Kind::Float)?.f_unsqueeze(-1)?;
            let sum = output.hidden_state.f_mul(&weight)?.f_sum_dim_intlist(
                [1].as_slice(),
                false,
                Kind::Float,
            )?;
            let count =
                weight.f_sum_dim_intlist([1].as_slice(), false, Kind::Float)?.f_clamp_min(1.0)?;
            sum.f_div(&count)?.f_linear(&self.head.0, Some(&self.head.1))
        };
        head().map_err(failed)
    }
}

impl Session for BertSession {
    fn logits(&mut self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, EncoderError> {
        // libtorch keeps this for each thread, and takes every core otherwise
        tch::set_num_threads(1);
        let longest = windows.iter().map(|window| window.len()).max().unwrap_or(0);
        if longest == 0 {
            return Ok(windows.iter().map(|_| vec![0.0; self.outputs]).collect());
        }
        if longest > self.places {
            return Err(EncoderError("a window is longer than the model has places".into()));
        }
        let mut ids = vec![0i64; windows.len() * longest];
        let mut mask = vec![0i64; windows.len() * longest];
        let rows = ids.chunks_mut(longest).zip(mask.chunks_mut(longest));
        for (window, (ids, mask)) in windows.iter().zip(rows) {
            for ((token, id), seen) in window.iter().zip(ids).zip(mask) {
                // libtorch would end the check with a C++ exception
                if i64::from(*token) >= self.words {
                    return Err(EncoderError("a token is not in the vocabulary".into()));
                }
                *id = i64::from(*token);
                *seen = 1;
            }
        }
        tch::no_grad(|| {
            let shape = [windows.len() as i64, longest as i64];
            let tensor =
                |numbers: &[i64]| Tensor::f_from_slice(numbers)?.f_reshape(shape.as_slice());
            let (ids, mask) = (tensor(&ids).map_err(failed)?, tensor(&mask).map_err(failed)?);
            let logits = self.judge(&ids, &mask)?;
            let flat = logits.f_contiguous().and_then(|logits| logits.f_reshape([-1].as_slice()));
            let flat: Vec<f32> = flat.and_then(|flat| Vec::try_from(&flat)).map_err(failed)?;
            Ok(flat.chunks(self.outputs.max(1)).map(<[f32]>::to_vec).collect())
        })
    }
}

fn failed(error: TchError) -> EncoderError {
    EncoderError(error.to_string())
}
