//! Reads the weights of a BERT out of its ONNX model, 8-bit integers turned back into numbers.
//!
//! Only what is needed is read: names, operators, and initializers. The linear layers of a layer are told
//! apart by what they feed (query and key meet before the softmax, the value after it), because the
//! exporter gives them no names of their own; everything else has its parameter's name.
//!
//! 8-bit form: ONNX's `MatMulInteger`, weights `NAME_quantized` with `NAME_scale` and `NAME_zero_point`, one
//! number or one a column, as onnxruntime's `quantize_dynamic` writes it. The word table: `table` of int8
//! with `scale`, one a row.

use std::collections::HashMap;

use prost::Message;

use crate::Unreadable;

/// The message types of onnx.proto3, as far as they are read.
#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    node: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<Initializer>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "4")]
    op_type: String,
}

#[derive(Clone, PartialEq, Message)]
struct Initializer {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(float, repeated, tag = "4")]
    float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "bytes", tag = "9")]
    raw_data: prost::bytes::Bytes,
}

const FLOAT: i32 = 1;
const UINT8: i32 = 2;
const INT8: i32 = 3;
const INT64: i32 = 7;

/// Numbers with a shape, in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<i64>,
    pub(crate) values: Vec<f32>,
}

impl Array {
    fn transposed(self) -> Result<Self, Unreadable> {
        let [rows, columns] = *self.shape.as_slice() else { return Err(Unreadable("a matrix")) };
        let (height, width) = (size(rows)?, size(columns)?);
        let mut values = Vec::with_capacity(self.values.len());
        for column in 0..width {
            values.extend(self.values.iter().skip(column).step_by(width.max(1)));
        }
        if values.len() != height * width {
            return Err(Unreadable("a matrix"));
        }
        Ok(Self { shape: vec![columns, rows], values })
    }

    fn rows(&self) -> i64 {
        self.shape.first().copied().unwrap_or_default()
    }
}

fn size(dimension: i64) -> Result<usize, Unreadable> {
    usize::try_from(dimension).map_err(|_| Unreadable("a shape"))
}

/// A linear layer: weights `[out, in]` and a bias.
pub(crate) struct Linear {
    pub(crate) weight: Array,
    pub(crate) bias: Array,
}

/// A normalisation's scale and shift.
pub(crate) struct Norm {
    pub(crate) weight: Array,
    pub(crate) bias: Array,
}

/// One transformer layer.
pub(crate) struct Layer {
    pub(crate) query: Linear,
    pub(crate) key: Linear,
    pub(crate) value: Linear,
    pub(crate) out: Linear,
    pub(crate) out_norm: Norm,
    pub(crate) inner: Linear,
    pub(crate) outer: Linear,
    pub(crate) outer_norm: Norm,
}

/// All weights of an encoder.
pub(crate) struct Weights {
    pub(crate) words: Array,
    pub(crate) places: Array,
    pub(crate) norm: Norm,
    pub(crate) layers: Vec<Layer>,
    pub(crate) head: Linear,
    /// Attention heads of a layer.
    pub(crate) heads: i64,
}

/// Reads an encoder's weights.
///
/// # Errors
/// [`Unreadable`], naming what is not as an encoder of this form has it.
pub(crate) fn read(bytes: &[u8]) -> Result<Weights, Unreadable> {
    let model = Model::decode(bytes).map_err(|_| Unreadable("an ONNX model"))?;
    let graph = model.graph.ok_or(Unreadable("a graph"))?;
    Walk::new(&graph).weights()
}

/// A graph with its edges.
struct Walk<'a> {
    nodes: &'a [Node],
    given: HashMap<&'a str, &'a Initializer>,
    makers: HashMap<&'a str, usize>,
    users: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Walk<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut makers = HashMap::new();
        let mut users: HashMap<_, Vec<_>> = HashMap::new();
        for (index, node) in graph.node.iter().enumerate() {
            makers.extend(node.output.iter().map(|name| (name.as_str(), index)));
            for name in &node.input {
                users.entry(name.as_str()).or_default().push(index);
            }
        }
        let given = graph.initializer.iter().map(|one| (one.name.as_str(), one)).collect();
        Self { nodes: &graph.node, given, makers, users }
    }

    fn weights(&self) -> Result<Weights, Unreadable> {
        let multiplies = |node: &Node| matches!(node.op_type.as_str(), "MatMul" | "MatMulInteger");
        let numbered = || self.nodes.iter().enumerate().filter(|(_, node)| multiplies(node));
        // Nodes stand in the order in which they are computed: the format demands it.
        let (linear, attention): (Vec<_>, Vec<_>) =
            numbered().partition(|(_, node)| self.is_given(node.input.get(1)));
        let mut sources = Vec::new();
        for pair in attention.chunks(2) {
            let [(_, scores), (_, mixed)] = *pair else { return Err(Unreadable("attention")) };
            let of = |node: &'a Node, at: usize| {
                node.input.get(at).and_then(|name| self.source(name)).ok_or(Unreadable("attention"))
            };
            sources.push([of(scores, 0)?, of(scores, 1)?, of(mixed, 1)?]);
        }
        let mut rest = linear
            .iter()
            .map(|(index, _)| *index)
            .filter(|index| !sources.concat().contains(index));
        let mut next =
            || rest.next().ok_or(Unreadable("a linear layer")).and_then(|at| self.linear(at));
        let mut layers = Vec::new();
        for (number, [query, key, value]) in sources.iter().copied().enumerate() {
            layers.push(Layer {
                query: self.linear(query)?,
                key: self.linear(key)?,
                value: self.linear(value)?,
                out: next()?,
                out_norm: self.norm(&format!("encoder.layers.{number}.norm1"))?,
                inner: next()?,
                outer: next()?,
                outer_norm: self.norm(&format!("encoder.layers.{number}.norm2"))?,
            });
        }
        let head = next()?;
        let heads = sources.first().and_then(|[query, ..]| self.heads(*query));
        let heads = heads.filter(|heads| *heads > 0).ok_or(Unreadable("the number of heads"))?;
        let words = match self.given.get("table") {
            Some(table) => scaled_rows(table, self.array("scale")?)?,
            None => self.array("encoder.words.weight")?,
        };
        let places = self.array("encoder.places.weight")?;
        Ok(Weights { words, places, norm: self.norm("encoder.norm")?, layers, head, heads })
    }

    fn is_given(&self, name: Option<&String>) -> bool {
        name.is_some_and(|name| self.given.contains_key(name.as_str()))
    }

    /// The linear layer that a value comes from, through whatever moves or scales it.
    fn source(&self, name: &'a str) -> Option<usize> {
        let mut name = name;
        // no way through a graph is longer than it has nodes
        for _ in 0..self.nodes.len() {
            let index = *self.makers.get(name)?;
            let node = self.nodes.get(index)?;
            if matches!(node.op_type.as_str(), "MatMul" | "MatMulInteger") {
                return self.is_given(node.input.get(1)).then_some(index);
            }
            name = node.input.iter().find(|input| !self.is_given(Some(*input)))?;
        }
        None
    }

    fn linear(&self, index: usize) -> Result<Linear, Unreadable> {
        let node = self.nodes.get(index).ok_or(Unreadable("a linear layer"))?;
        let name = node.input.get(1).ok_or(Unreadable("a linear layer"))?;
        let weight = match name.strip_suffix("_quantized") {
            Some(stem) => self.columns(name, stem)?,
            None => self.array(name)?,
        };
        let weight = weight.transposed()?;
        let bias = self.bias(node).ok_or(Unreadable("a bias"))??;
        if bias.shape != [weight.rows()] {
            return Err(Unreadable("a bias"));
        }
        Ok(Linear { weight, bias })
    }

    /// What is added to a product once it is scaled back.
    fn bias(&self, product: &Node) -> Option<Result<Array, Unreadable>> {
        let mut node = product;
        for _ in 0..4 {
            let users = self.users.get(node.output.first()?.as_str())?;
            node = users.first().and_then(|index| self.nodes.get(*index))?;
            if node.op_type == "Add" {
                let name = node.input.iter().find(|input| self.is_given(Some(*input)))?;
                return Some(self.array(name));
            }
        }
        None
    }

    /// Into how many heads a query is cut: the third dimension of the shape that it is given.
    fn heads(&self, query: usize) -> Option<i64> {
        let mut node = self.nodes.get(query)?;
        for _ in 0..5 {
            let users = self.users.get(node.output.first()?.as_str())?;
            node = users.first().and_then(|index| self.nodes.get(*index))?;
            if node.op_type == "Reshape" {
                let shape = self.makers.get(node.input.get(1)?.as_str())?;
                let heads = self.given.get(self.nodes.get(*shape)?.input.get(2)?.as_str())?;
                let raw = || heads.raw_data.first_chunk().map(|bytes| i64::from_le_bytes(*bytes));
                let number = heads.int64_data.first().copied().or_else(raw);
                return number.filter(|_| heads.data_type == INT64);
            }
        }
        None
    }

    /// A matrix of 8-bit integers whose columns have a scale and a zero point, or share one.
    fn columns(&self, name: &str, stem: &str) -> Result<Array, Unreadable> {
        let find = |name: &str| self.given.get(name).copied().ok_or(Unreadable("a scale"));
        let (whole, shape) = integers(find(name)?)?;
        let scales = self.array(&format!("{stem}_scale"))?.values;
        let (zeros, _) = integers(find(&format!("{stem}_zero_point"))?)?;
        let width = size(shape.last().copied().unwrap_or_default())?;
        if ![1, width].contains(&scales.len()) || zeros.len() != scales.len() {
            return Err(Unreadable("a scale"));
        }
        let columns = scales.iter().zip(&zeros).cycle();
        let values = whole.iter().zip(columns).map(|(q, (scale, zero))| (q - zero) as f32 * scale);
        Ok(Array { values: values.collect(), shape })
    }

    fn norm(&self, name: &str) -> Result<Norm, Unreadable> {
        let array = |part: &str| self.array(&format!("{name}.{part}"));
        Ok(Norm { weight: array("weight")?, bias: array("bias")? })
    }

    fn array(&self, name: &str) -> Result<Array, Unreadable> {
        let one = self.given.get(name).ok_or(Unreadable("an initializer"))?;
        if one.data_type != FLOAT {
            return Err(Unreadable("numbers"));
        }
        let values = match one.float_data.is_empty() {
            false => one.float_data.clone(),
            true => {
                let (four, rest) = one.raw_data.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(Unreadable("numbers"));
                }
                four.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
            }
        };
        whole(values, &one.dims).map(|values| Array { values, shape: one.dims.clone() })
    }
}

/// Refuses what is not as long as its shape says.
fn whole<T>(values: Vec<T>, shape: &[i64]) -> Result<Vec<T>, Unreadable> {
    let expected = shape.iter().try_fold(1usize, |product, dimension| {
        usize::try_from(*dimension).ok().and_then(|dimension| product.checked_mul(dimension))
    });
    (expected == Some(values.len())).then_some(values).ok_or(Unreadable("a shape"))
}

fn integers(one: &Initializer) -> Result<(Vec<i32>, Vec<i64>), Unreadable> {
    let read: fn(u8) -> i32 = match one.data_type {
        INT8 => |byte: u8| i32::from(byte.cast_signed()),
        UINT8 => |byte: u8| i32::from(byte),
        _ => return Err(Unreadable("8-bit integers")),
    };
    let values = match one.int32_data.is_empty() {
        false => one.int32_data.clone(),
        true => one.raw_data.iter().map(|byte| read(*byte)).collect(),
    };
    Ok((whole(values, &one.dims)?, one.dims.clone()))
}

/// A matrix of 8-bit integers whose rows have a scale each.
fn scaled_rows(table: &Initializer, scales: Array) -> Result<Array, Unreadable> {
    let (values, shape) = integers(table)?;
    let [rows, width] = *shape.as_slice() else { return Err(Unreadable("the word table")) };
    if scales.values.len() != size(rows)? {
        return Err(Unreadable("the word table"));
    }
    let rows = values.chunks(size(width)?.max(1)).zip(&scales.values);
    let values = rows.flat_map(|(row, scale)| row.iter().map(move |q| *q as f32 * scale));
    Ok(Array { values: values.collect(), shape })
}
