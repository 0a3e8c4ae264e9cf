//! From safetensors to the encoder's slices.

use super::encoder::{Dense, Encoder, Layer, Matrix, Norm};
use crate::error::{InferenceError, Result};
use crate::kernels::Tiles;
use crate::manifest::Weights;
use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;

/// `config.json` of a BERT model.
#[derive(Deserialize)]
pub(super) struct BertConfig {
    hidden_size: usize,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    intermediate_size: usize,
    pub max_position_embeddings: usize,
    layer_norm_eps: f32,
    hidden_act: String,
}

impl BertConfig {
    /// What the encoder's kernels cannot do, in words.
    fn unsupported(&self) -> Option<String> {
        let (width, heads) = (self.hidden_size, self.num_attention_heads);
        if self.hidden_act != "gelu" {
            let activation = &self.hidden_act;
            Some(format!(
                "its activation is `{activation}`, and the encoder knows `gelu`"
            ))
        } else if heads == 0 || width == 0 || !width.is_multiple_of(heads * 16) {
            Some(format!(
                "its {heads} heads do not share a width of {width} in multiples of 16"
            ))
        } else if !width.is_multiple_of(32) || !self.intermediate_size.is_multiple_of(32) {
            Some("its matrices are not multiples of 32 wide".into())
        } else {
            None
        }
    }
}

/// Builds the encoder from the bytes of a safetensors file. `path` is for the messages.
pub(super) fn encoder(
    bytes: &[u8],
    config: &BertConfig,
    weights: Weights,
    path: &Path,
) -> Result<Encoder> {
    if let Some(reason) = config.unsupported() {
        return Err(InferenceError::Unsupported {
            path: path.to_owned(),
            reason,
        });
    }
    let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)
        .map_err(|error| damaged(path, &error))?;
    let source = Source {
        tensors,
        weights,
        path,
    };
    let width = config.hidden_size;
    let layers = (0..config.num_hidden_layers)
        .map(|index| source.layer(index, config))
        .collect::<Result<_>>()?;
    Ok(Encoder {
        heads: config.num_attention_heads,
        words: source.rows("embeddings.word_embeddings.weight", width)?,
        positions: source.positions(width, config.max_position_embeddings)?,
        norm: source.norm("embeddings.LayerNorm", config)?,
        layers,
    })
}

struct Source<'a> {
    tensors: HashMap<String, Tensor>,
    weights: Weights,
    path: &'a Path,
}

impl Source<'_> {
    fn values(&self, name: &str) -> Result<Vec<f32>> {
        let tensor = self
            .tensors
            .get(name)
            .ok_or_else(|| self.damage(format!("it has no tensor `{name}`")))?;
        let values = tensor
            .to_dtype(DType::F32)
            .and_then(|tensor| tensor.flatten_all()?.to_vec1())
            .map_err(|error| damaged(self.path, &error))?;
        Ok(values)
    }

    fn sized(&self, name: &str, length: usize) -> Result<Vec<f32>> {
        let values = self.values(name)?;
        if values.len() == length {
            Ok(values)
        } else {
            Err(self.damage(format!(
                "tensor `{name}` has {} values, and the configuration says {length}",
                values.len()
            )))
        }
    }

    fn rows(&self, name: &str, width: usize) -> Result<Vec<f32>> {
        let values = self.values(name)?;
        if width > 0 && values.len().is_multiple_of(width) {
            Ok(values)
        } else {
            Err(self.damage(format!("the rows of tensor `{name}` are not {width} wide")))
        }
    }

    /// Position embeddings with the one for the first (and only) segment added.
    fn positions(&self, width: usize, count: usize) -> Result<Vec<f32>> {
        let mut positions = self.sized("embeddings.position_embeddings.weight", width * count)?;
        let segments = self.rows("embeddings.token_type_embeddings.weight", width)?;
        for row in positions.chunks_exact_mut(width) {
            crate::kernels::add(row, &segments);
        }
        Ok(positions)
    }

    fn layer(&self, index: usize, config: &BertConfig) -> Result<Layer> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        let part = |part: &str| name(&format!("attention.self.{part}"));
        let qkv = self.dense(&[part("query"), part("key"), part("value")], width, width)?;
        Ok(Layer {
            qkv,
            attended: self.dense(&[name("attention.output.dense")], width, width)?,
            attended_norm: self.norm(&name("attention.output.LayerNorm"), config)?,
            widen: self.dense(&[name("intermediate.dense")], inner, width)?,
            narrow: self.dense(&[name("output.dense")], width, inner)?,
            norm: self.norm(&name("output.LayerNorm"), config)?,
        })
    }

    /// Matrices over the same input, side by side.
    fn dense(&self, names: &[String], outputs: usize, inputs: usize) -> Result<Dense> {
        let mut rows = Vec::with_capacity(names.len() * outputs * inputs);
        let mut bias = Vec::with_capacity(names.len() * outputs);
        for name in names {
            rows.extend(self.sized(&format!("{name}.weight"), outputs * inputs)?);
            bias.extend(self.sized(&format!("{name}.bias"), outputs)?);
        }
        let weight = match self.weights {
            Weights::Int8 => Matrix::Eights(Tiles::rounded(&rows, inputs)),
            Weights::F32 => {
                let column = |input| rows.iter().skip(input).step_by(inputs).copied();
                Matrix::Floats((0..inputs).flat_map(column).collect())
            }
        };
        Ok(Dense { weight, bias })
    }

    fn norm(&self, name: &str, config: &BertConfig) -> Result<Norm> {
        Ok(Norm {
            gain: self.sized(&format!("{name}.weight"), config.hidden_size)?,
            bias: self.sized(&format!("{name}.bias"), config.hidden_size)?,
            epsilon: config.layer_norm_eps,
        })
    }

    fn damage(&self, reason: String) -> InferenceError {
        InferenceError::Damaged {
            path: self.path.to_owned(),
            reason,
        }
    }
}

fn damaged(path: &Path, error: &candle_core::Error) -> InferenceError {
    InferenceError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
