//! Loads the weights of an encoder from a safetensors file.

use super::classification_head::ClassificationHead;
use super::config::{EncoderConfig, EncoderFamily};
use super::network::{
    Dense, Encoder, EncoderActivation, EncoderLayer, LayerNorm, NormOrder, WeightMatrix,
};
use crate::error::{InferenceError, Result};
use crate::manifest::WeightFormat;
use crate::rope::{RopeLayout, RopeParameters, RopeScaling, RotaryEmbedding};
use candle_core::{DType, Device, Tensor};
use cloister_kernels::PackedWeights;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// The tensors of a safetensors file.
pub(super) struct EncoderTensors<'a> {
    tensors: HashMap<String, Tensor>,
    /// The prefix of the encoder's tensor names: `bert.`, `roberta.`, `model.` or nothing.
    prefix: &'static str,
    config: &'a EncoderConfig,
    weights: WeightFormat,
    path: &'a Path,
}

impl<'a> EncoderTensors<'a> {
    /// Parses the bytes of a safetensors file. `path` is for error messages.
    pub(super) fn parse(
        bytes: &[u8],
        config: &'a EncoderConfig,
        weights: WeightFormat,
        path: &'a Path,
    ) -> Result<Self> {
        if let Some(reason) = config.unsupported_reason() {
            return Err(InferenceError::Unsupported {
                path: path.to_owned(),
                reason,
            });
        }
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)
            .map_err(|error| damaged_file(path, &error))?;
        Ok(Self {
            prefix: detect_prefix(&tensors),
            tensors,
            config,
            weights,
            path,
        })
    }

    /// Builds the encoder for texts of at most `max_tokens` tokens.
    pub(super) fn build_encoder(&self, max_tokens: usize) -> Result<Encoder> {
        let family = self
            .config
            .family()
            .map_err(|reason| self.damaged(reason))?;
        match family {
            EncoderFamily::Bert | EncoderFamily::XlmRoberta => self.build_bert(),
            EncoderFamily::ModernBert => self.build_modernbert(max_tokens),
        }
    }

    fn build_bert(&self) -> Result<Encoder> {
        let width = self.config.hidden_size;
        let layers = (0..self.config.num_hidden_layers)
            .map(|index| self.build_bert_layer(index))
            .collect::<Result<_>>()?;
        let embeddings = self.name("embeddings.");
        let count = width * self.config.positions();
        let mut positions =
            self.values_of_length(&format!("{embeddings}position_embeddings.weight"), count)?;
        positions.drain(..(width * self.config.skipped_positions()).min(count));
        Ok(Encoder {
            heads: self.config.num_attention_heads,
            embed_tokens: self.rows(&format!("{embeddings}word_embeddings.weight"), width)?,
            position_embeddings: positions,
            segment_embeddings: self
                .rows(&format!("{embeddings}token_type_embeddings.weight"), width)?,
            embedding_norm: self.norm(&format!("{embeddings}LayerNorm"))?,
            layers,
            final_norm: None,
            norm_order: NormOrder::PostNorm,
            activation: EncoderActivation::Gelu,
        })
    }

    fn build_bert_layer(&self, index: usize) -> Result<EncoderLayer> {
        let (width, inner) = (self.config.hidden_size, self.config.intermediate_size);
        let name = |part: &str| self.name(&format!("encoder.layer.{index}.{part}"));
        let qkv = ["query", "key", "value"].map(|part| name(&format!("attention.self.{part}")));
        Ok(EncoderLayer {
            qkv_proj: self.dense(&qkv, width, width)?,
            o_proj: self.dense(&[name("attention.output.dense")], width, width)?,
            attention_norm: Some(self.norm(&name("attention.output.LayerNorm"))?),
            up_proj: self.dense(&[name("intermediate.dense")], inner, width)?,
            down_proj: self.dense(&[name("output.dense")], width, inner)?,
            mlp_norm: self.norm(&name("output.LayerNorm"))?,
            window: usize::MAX,
            rope: None,
        })
    }

    fn build_modernbert(&self, max_tokens: usize) -> Result<Encoder> {
        let config = self.config;
        let ropes = [false, true].map(|global| self.modernbert_rope(global, max_tokens));
        let layers = (0..config.num_hidden_layers)
            .map(|index| self.build_modernbert_layer(index, &ropes))
            .collect::<Result<_>>()?;
        let embed_tokens = self.name("embeddings.tok_embeddings.weight");
        Ok(Encoder {
            heads: config.num_attention_heads,
            embed_tokens: self.rows(&embed_tokens, config.hidden_size)?,
            position_embeddings: Vec::new(),
            segment_embeddings: Vec::new(),
            embedding_norm: self.norm(&self.name("embeddings.norm"))?,
            layers,
            final_norm: Some(self.norm(&self.name("final_norm"))?),
            norm_order: NormOrder::PreNorm,
            activation: EncoderActivation::GatedGelu,
        })
    }

    /// The positions of layers with global attention, or of those with a window.
    fn modernbert_rope(&self, global: bool, max_tokens: usize) -> Arc<RotaryEmbedding> {
        let head_dim = self.config.hidden_size / self.config.num_attention_heads;
        let parameters = RopeParameters {
            head_dim,
            rotary_dim: head_dim,
            theta: self.config.rope_theta(global),
            layout: RopeLayout::HalfSplit,
            scaling: RopeScaling::None,
            frequency_factors: Vec::new(),
            attention_factor: 1.0,
        };
        Arc::new(RotaryEmbedding::new(&parameters, max_tokens))
    }

    fn build_modernbert_layer(
        &self,
        index: usize,
        ropes: &[Arc<RotaryEmbedding>; 2],
    ) -> Result<EncoderLayer> {
        let config = self.config;
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| self.name(&format!("layers.{index}.{part}"));
        let every = config.global_attn_every_n_layers.unwrap_or(3).max(1);
        let global = index.is_multiple_of(every);
        let attention_norm = (index > 0).then(|| self.norm(&name("attn_norm")));
        Ok(EncoderLayer {
            qkv_proj: self.dense(&[name("attn.Wqkv")], 3 * width, width)?,
            o_proj: self.dense(&[name("attn.Wo")], width, width)?,
            attention_norm: attention_norm.transpose()?,
            up_proj: self.dense(&[name("mlp.Wi")], 2 * inner, width)?,
            down_proj: self.dense(&[name("mlp.Wo")], width, inner)?,
            mlp_norm: self.norm(&name("mlp_norm"))?,
            window: if global {
                usize::MAX
            } else {
                config.local_attention.unwrap_or(128) / 2
            },
            rope: Some(Arc::clone(&ropes[usize::from(global)])),
        })
    }

    /// Builds a classification head with this number of labels.
    pub(super) fn build_head(&self, labels: usize) -> Result<ClassificationHead> {
        let width = self.config.hidden_size;
        let family = self
            .config
            .family()
            .map_err(|reason| self.damaged(reason))?;
        let (dense, score) = match family {
            EncoderFamily::Bert => (self.name("pooler.dense"), "classifier"),
            EncoderFamily::XlmRoberta => ("classifier.dense".into(), "classifier.out_proj"),
            EncoderFamily::ModernBert => ("head.dense".into(), "classifier"),
        };
        let norm = match family {
            EncoderFamily::ModernBert => Some(self.norm("head.norm")?),
            EncoderFamily::Bert | EncoderFamily::XlmRoberta => None,
        };
        Ok(ClassificationHead {
            dense: self.dense_f32(&[dense], width, width)?,
            norm,
            score: self.dense_f32(&[score.into()], labels, width)?,
        })
    }

    /// The name of one of the encoder's tensors in this file.
    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        let tensor = self
            .tensors
            .get(name)
            .ok_or_else(|| self.damaged(format!("it has no tensor `{name}`")))?;
        let values = tensor
            .to_dtype(DType::F32)
            .and_then(|tensor| tensor.flatten_all()?.to_vec1())
            .map_err(|error| damaged_file(self.path, &error))?;
        Ok(values)
    }

    fn values_of_length(&self, name: &str, length: usize) -> Result<Vec<f32>> {
        let values = self.values(name)?;
        if values.len() == length {
            Ok(values)
        } else {
            Err(self.damaged(format!(
                "tensor `{name}` has {} values; `config.json` expects {length}",
                values.len()
            )))
        }
    }

    fn rows(&self, name: &str, width: usize) -> Result<Vec<f32>> {
        let values = self.values(name)?;
        if width > 0 && values.len().is_multiple_of(width) {
            Ok(values)
        } else {
            Err(self.damaged(format!(
                "the rows of tensor `{name}` do not have {width} values"
            )))
        }
    }

    /// Matrices over the same input as one layer, in the requested weight format.
    fn dense(&self, names: &[String], outputs: usize, inputs: usize) -> Result<Dense> {
        let (rows, bias) = self.linear(names, outputs, inputs)?;
        let weight = match self.weights {
            WeightFormat::Int8 => WeightMatrix::Int8(PackedWeights::quantize_q8_0(&rows, inputs)),
            WeightFormat::F32 => transpose(&rows, inputs),
        };
        Ok(Dense { weight, bias })
    }

    /// [`Self::dense`] in floats: a layer that runs once per text gains nothing from eight bits.
    fn dense_f32(&self, names: &[String], outputs: usize, inputs: usize) -> Result<Dense> {
        let (rows, bias) = self.linear(names, outputs, inputs)?;
        let weight = transpose(&rows, inputs);
        Ok(Dense { weight, bias })
    }

    /// Weights `[outputs, inputs]` and biases, which are 0 if the file has none.
    fn linear(
        &self,
        names: &[String],
        outputs: usize,
        inputs: usize,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let mut rows = Vec::with_capacity(names.len() * outputs * inputs);
        let mut bias = Vec::with_capacity(names.len() * outputs);
        for name in names {
            rows.extend(self.values_of_length(&format!("{name}.weight"), outputs * inputs)?);
            bias.extend(self.values_or_zeros(&format!("{name}.bias"), outputs)?);
        }
        Ok((rows, bias))
    }

    /// A tensor, or zeros if the file does not have it.
    fn values_or_zeros(&self, name: &str, length: usize) -> Result<Vec<f32>> {
        if self.tensors.contains_key(name) {
            self.values_of_length(name, length)
        } else {
            Ok(vec![0.0; length])
        }
    }

    fn norm(&self, name: &str) -> Result<LayerNorm> {
        let width = self.config.hidden_size;
        Ok(LayerNorm {
            weight: self.values_of_length(&format!("{name}.weight"), width)?,
            bias: self.values_or_zeros(&format!("{name}.bias"), width)?,
            epsilon: self.config.layer_norm_eps,
        })
    }

    fn damaged(&self, reason: String) -> InferenceError {
        InferenceError::Damaged {
            path: self.path.to_owned(),
            reason,
        }
    }
}

/// The prefix of the tensor names, which depends on the program that wrote the file.
fn detect_prefix(tensors: &HashMap<String, Tensor>) -> &'static str {
    for prefix in ["bert.", "roberta.", "model."] {
        let embeddings = format!("{prefix}embeddings.");
        if tensors.keys().any(|name| name.starts_with(&embeddings)) {
            return prefix;
        }
    }
    ""
}

/// `[outputs, inputs]` to `[inputs, outputs]`.
fn transpose(rows: &[f32], inputs: usize) -> WeightMatrix {
    let column = |input| rows.iter().skip(input).step_by(inputs).copied();
    WeightMatrix::F32((0..inputs).flat_map(column).collect())
}

fn damaged_file(path: &Path, error: &candle_core::Error) -> InferenceError {
    InferenceError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
