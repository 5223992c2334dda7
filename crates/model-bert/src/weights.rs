//! The weights under rust-bert's names, and a BERT that uses them without a copy of its own.

use portcullis_model::EncoderError;
use rust_bert::bert::{BertConfig, BertEmbeddings, BertModel};
use tch::{Device, Kind, TchError, Tensor, nn};

use crate::Unreadable;
use crate::onnx::{Array, Layer, Linear, Norm, Weights};

/// Tensors by rust-bert's names, and what it must be told about their shapes.
pub(crate) struct Shared {
    named: Vec<(String, Tensor)>,
    head: (Tensor, Tensor),
    config: BertConfig,
}

impl Shared {
    pub(crate) fn new(weights: Weights) -> Result<Self, Unreadable> {
        let Weights { words, places, norm, layers, head, heads } = weights;
        let dimension =
            |array: &Array, at: usize| array.shape.get(at).copied().ok_or(Unreadable("a shape"));
        let width = dimension(&words, 1)?;
        let first = layers.first().ok_or(Unreadable("layers"))?;
        let config = BertConfig {
            hidden_size: width,
            intermediate_size: dimension(&first.inner.weight, 0)?,
            max_position_embeddings: dimension(&places, 0)?,
            num_attention_heads: heads,
            num_hidden_layers: i64::try_from(layers.len()).map_err(|_| Unreadable("layers"))?,
            // every text is one segment, whose row the trainer added to the places
            type_vocab_size: 1,
            vocab_size: dimension(&words, 0)?,
            attention_probs_dropout_prob: 0.0,
            hidden_dropout_prob: 0.0,
            ..BertConfig::default()
        };
        let segments = vec![0.0; words_width(width)?];
        let mut list = List::default();
        list.add("embeddings.word_embeddings.weight", words)?;
        list.add("embeddings.position_embeddings.weight", places)?;
        list.add(
            "embeddings.token_type_embeddings.weight",
            Array { shape: vec![1, width], values: segments },
        )?;
        list.norm("embeddings.LayerNorm", norm)?;
        for (number, layer) in layers.into_iter().enumerate() {
            list.layer(&format!("encoder.layer.{number}"), layer)?;
        }
        let head = (tensor(&head.weight)?, tensor(&head.bias)?);
        Ok(Self { named: list.0, head, config })
    }

    /// How many logits there are.
    pub(crate) fn outputs(&self) -> usize {
        self.head.1.size().first().map_or(0, |length| usize::try_from(*length).unwrap_or(0))
    }

    /// The most tokens of a window.
    pub(crate) fn places(&self) -> usize {
        usize::try_from(self.config.max_position_embeddings).unwrap_or(0)
    }

    /// How many tokens there are.
    pub(crate) fn words(&self) -> i64 {
        self.config.vocab_size
    }

    /// The last layer, from a text's mean to its logits.
    pub(crate) fn head(&self) -> (Tensor, Tensor) {
        (self.head.0.shallow_clone(), self.head.1.shallow_clone())
    }

    /// A model on these very weights.
    ///
    /// # Errors
    /// Where the weights have other names or shapes than rust-bert's model.
    pub(crate) fn model(&self) -> Result<BertModel<BertEmbeddings>, EncoderError> {
        let store = nn::VarStore::new(Device::Cpu);
        let model = BertModel::new_with_optional_pooler(store.root(), &self.config, false);
        let mut own = store.variables();
        for (name, tensor) in &self.named {
            let mut variable = own.remove(name).ok_or_else(|| misfit(name))?;
            if variable.size() != tensor.size() {
                return Err(misfit(name));
            }
            // a handle of the model's own variable: it lets go of what it was made with
            variable.set_data(tensor);
        }
        match own.keys().next() {
            Some(name) => Err(misfit(name)),
            None => Ok(model),
        }
    }
}

fn misfit(name: &str) -> EncoderError {
    EncoderError(format!("the weights do not fit rust-bert's BERT: {name}"))
}

fn words_width(width: i64) -> Result<usize, Unreadable> {
    usize::try_from(width).ok().filter(|width| *width > 0).ok_or(Unreadable("a width"))
}

/// Tensors with names, while they are gathered.
#[derive(Default)]
struct List(Vec<(String, Tensor)>);

impl List {
    fn add(&mut self, name: &str, array: Array) -> Result<(), Unreadable> {
        self.0.push((name.to_owned(), tensor(&array)?));
        Ok(())
    }

    fn norm(&mut self, name: &str, Norm { weight, bias }: Norm) -> Result<(), Unreadable> {
        self.add(&format!("{name}.weight"), weight)?;
        self.add(&format!("{name}.bias"), bias)
    }

    fn linear(&mut self, name: &str, Linear { weight, bias }: Linear) -> Result<(), Unreadable> {
        self.add(&format!("{name}.weight"), weight)?;
        self.add(&format!("{name}.bias"), bias)
    }

    fn layer(&mut self, name: &str, layer: Layer) -> Result<(), Unreadable> {
        self.linear(&format!("{name}.attention.self.query"), layer.query)?;
        self.linear(&format!("{name}.attention.self.key"), layer.key)?;
        self.linear(&format!("{name}.attention.self.value"), layer.value)?;
        self.linear(&format!("{name}.attention.output.dense"), layer.out)?;
        self.norm(&format!("{name}.attention.output.LayerNorm"), layer.out_norm)?;
        self.linear(&format!("{name}.intermediate.dense"), layer.inner)?;
        self.linear(&format!("{name}.output.dense"), layer.outer)?;
        self.norm(&format!("{name}.output.LayerNorm"), layer.outer_norm)
    }
}

fn tensor(array: &Array) -> Result<Tensor, Unreadable> {
    let made = || -> Result<Tensor, TchError> {
        Tensor::f_from_slice(&array.values)?.f_reshape(&array.shape)?.f_to_kind(Kind::Float)
    };
    made().map_err(|_| Unreadable("a shape"))
}
