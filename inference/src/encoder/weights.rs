//! From safetensors to the encoder's slices.

use super::config::{Config, Family};
use super::head::Head;
use super::network::{Activation, Dense, Encoder, Layer, Matrix, Norm, Order};
use crate::error::{InferenceError, Result};
use crate::kernels::Tiles;
use crate::manifest::Weights;
use crate::rope::{Pairs, Rope, Stretch, Turning};
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// The tensors of a safetensors file.
pub(super) struct Source<'a> {
    tensors: HashMap<String, Tensor>,
    /// What stands before the encoder's names: `bert.`, `roberta.`, `model.` or nothing.
    prefix: &'static str,
    config: &'a Config,
    weights: Weights,
    path: &'a Path,
}

impl<'a> Source<'a> {
    /// Reads the bytes of a safetensors file. `path` is for the messages.
    pub(super) fn of(
        bytes: &[u8],
        config: &'a Config,
        weights: Weights,
        path: &'a Path,
    ) -> Result<Self> {
        if let Some(reason) = config.unsupported() {
            return Err(InferenceError::Unsupported {
                path: path.to_owned(),
                reason,
            });
        }
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)
            .map_err(|error| damaged(path, &error))?;
        let prefixes = ["bert.", "roberta.", "model."];
        let begins = |prefix: &&str| {
            let embeddings = format!("{prefix}embeddings.");
            tensors.keys().any(|name| name.starts_with(&embeddings))
        };
        Ok(Self {
            prefix: prefixes.into_iter().find(begins).unwrap_or(""),
            tensors,
            config,
            weights,
            path,
        })
    }

    /// The encoder, for texts of at most so many tokens.
    pub(super) fn encoder(&self, most: usize) -> Result<Encoder> {
        let family = self.config.family().map_err(|reason| self.damage(reason))?;
        match family {
            Family::Bert | Family::XlmRoberta => self.bert(),
            Family::ModernBert => self.modern(most),
        }
    }

    fn bert(&self) -> Result<Encoder> {
        let width = self.config.hidden_size;
        let layers = (0..self.config.num_hidden_layers)
            .map(|index| self.bert_layer(index))
            .collect::<Result<_>>()?;
        let named = |part: &str| self.named(&format!("embeddings.{part}"));
        let count = width * self.config.positions();
        let mut positions = self.sized(&named("position_embeddings.weight"), count)?;
        positions.drain(..(width * self.config.skipped_positions()).min(count));
        Ok(Encoder {
            heads: self.config.num_attention_heads,
            words: self.rows(&named("word_embeddings.weight"), width)?,
            positions,
            segments: self.rows(&named("token_type_embeddings.weight"), width)?,
            norm: self.norm(&named("LayerNorm"))?,
            layers,
            last_norm: None,
            order: Order::After,
            activation: Activation::Gelu,
        })
    }

    fn bert_layer(&self, index: usize) -> Result<Layer> {
        let (width, inner) = (self.config.hidden_size, self.config.intermediate_size);
        let name = |part: &str| self.named(&format!("encoder.layer.{index}.{part}"));
        let part = |part: &str| name(&format!("attention.self.{part}"));
        let qkv = [part("query"), part("key"), part("value")];
        Ok(Layer {
            qkv: self.dense(&qkv, width, width)?,
            attended: self.dense(&[name("attention.output.dense")], width, width)?,
            attention_norm: Some(self.norm(&name("attention.output.LayerNorm"))?),
            widen: self.dense(&[name("intermediate.dense")], inner, width)?,
            narrow: self.dense(&[name("output.dense")], width, inner)?,
            inner_norm: self.norm(&name("output.LayerNorm"))?,
            window: usize::MAX,
            rope: None,
        })
    }

    fn modern(&self, most: usize) -> Result<Encoder> {
        let config = self.config;
        let size = config.hidden_size / config.num_attention_heads;
        let rope = |everything| {
            let turning = Turning {
                head_size: size,
                turned: size,
                base: config.rope_base(everything),
                pairs: Pairs::Halves,
                stretch: Stretch::None,
                factors: Vec::new(),
                magnitude: 1.0,
            };
            Arc::new(Rope::new(&turning, most))
        };
        let ropes = [rope(false), rope(true)];
        let layers = (0..config.num_hidden_layers)
            .map(|index| self.modern_layer(index, &ropes))
            .collect::<Result<_>>()?;
        let words = self.named("embeddings.tok_embeddings.weight");
        Ok(Encoder {
            heads: config.num_attention_heads,
            words: self.rows(&words, config.hidden_size)?,
            positions: Vec::new(),
            segments: Vec::new(),
            norm: self.norm(&self.named("embeddings.norm"))?,
            layers,
            last_norm: Some(self.norm(&self.named("final_norm"))?),
            order: Order::Before,
            activation: Activation::GatedGelu,
        })
    }

    fn modern_layer(&self, index: usize, ropes: &[Arc<Rope>; 2]) -> Result<Layer> {
        let config = self.config;
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| self.named(&format!("layers.{index}.{part}"));
        let every = config.global_attn_every_n_layers.unwrap_or(3).max(1);
        let everything = index.is_multiple_of(every);
        let attention_norm = (index > 0).then(|| self.norm(&name("attn_norm")));
        Ok(Layer {
            qkv: self.dense(&[name("attn.Wqkv")], 3 * width, width)?,
            attended: self.dense(&[name("attn.Wo")], width, width)?,
            attention_norm: attention_norm.transpose()?,
            widen: self.dense(&[name("mlp.Wi")], 2 * inner, width)?,
            narrow: self.dense(&[name("mlp.Wo")], width, inner)?,
            inner_norm: self.norm(&name("mlp_norm"))?,
            window: if everything {
                usize::MAX
            } else {
                config.local_attention.unwrap_or(128) / 2
            },
            rope: Some(Arc::clone(&ropes[usize::from(everything)])),
        })
    }

    /// What scores a text from its pooled vector, by so many labels.
    pub(super) fn head(&self, labels: usize) -> Result<Head> {
        let width = self.config.hidden_size;
        let family = self.config.family().map_err(|reason| self.damage(reason))?;
        let (dense, score) = match family {
            Family::Bert => (self.named("pooler.dense"), "classifier"),
            Family::XlmRoberta => ("classifier.dense".into(), "classifier.out_proj"),
            Family::ModernBert => ("head.dense".into(), "classifier"),
        };
        let norm = match family {
            Family::ModernBert => Some(self.norm("head.norm")?),
            Family::Bert | Family::XlmRoberta => None,
        };
        Ok(Head {
            dense: self.floats(&[dense], width, width)?,
            norm,
            score: self.floats(&[score.into()], labels, width)?,
        })
    }

    /// The name of one of the encoder's tensors in this file.
    fn named(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

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

    /// Matrices over the same input, side by side, in the form that was asked for.
    fn dense(&self, names: &[String], outputs: usize, inputs: usize) -> Result<Dense> {
        let (rows, bias) = self.linear(names, outputs, inputs)?;
        let weight = match self.weights {
            Weights::Int8 => Matrix::Eights(Tiles::rounded(&rows, inputs)),
            Weights::F32 => turned_over(&rows, inputs),
        };
        Ok(Dense { weight, bias })
    }

    /// [`Self::dense`], always in floats: what is read once a text is not worth rounding.
    fn floats(&self, names: &[String], outputs: usize, inputs: usize) -> Result<Dense> {
        let (rows, bias) = self.linear(names, outputs, inputs)?;
        let weight = turned_over(&rows, inputs);
        Ok(Dense { weight, bias })
    }

    /// Weights `[outputs, inputs]` and biases; a file without a bias has none to add.
    fn linear(
        &self,
        names: &[String],
        outputs: usize,
        inputs: usize,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let mut rows = Vec::with_capacity(names.len() * outputs * inputs);
        let mut bias = Vec::with_capacity(names.len() * outputs);
        for name in names {
            rows.extend(self.sized(&format!("{name}.weight"), outputs * inputs)?);
            bias.extend(self.optional(&format!("{name}.bias"), outputs)?);
        }
        Ok((rows, bias))
    }

    /// A tensor, or as many zeros.
    fn optional(&self, name: &str, length: usize) -> Result<Vec<f32>> {
        if self.tensors.contains_key(name) {
            self.sized(name, length)
        } else {
            Ok(vec![0.0; length])
        }
    }

    fn norm(&self, name: &str) -> Result<Norm> {
        let width = self.config.hidden_size;
        Ok(Norm {
            gain: self.sized(&format!("{name}.weight"), width)?,
            bias: self.optional(&format!("{name}.bias"), width)?,
            epsilon: self.config.layer_norm_eps,
        })
    }

    fn damage(&self, reason: String) -> InferenceError {
        InferenceError::Damaged {
            path: self.path.to_owned(),
            reason,
        }
    }
}

/// `[outputs, inputs]` to `[inputs, outputs]`.
fn turned_over(rows: &[f32], inputs: usize) -> Matrix {
    let column = |input| rows.iter().skip(input).step_by(inputs).copied();
    Matrix::Floats((0..inputs).flat_map(column).collect())
}

fn damaged(path: &Path, error: &candle_core::Error) -> InferenceError {
    InferenceError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
