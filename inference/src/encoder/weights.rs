//! Loads the weights of an encoder from a safetensors file.

use super::classification_head::ClassificationHead;
use super::config::EncoderConfig;
use super::families::{EncoderFamily, PositionKind};
use super::layers::{Dense, EmbeddingTable, EncoderLayer, EncoderNorm, WeightMatrix};
use super::network::{Encoder, NormOrder};
use super::relative_positions::{PositionProjections, RelativePositions, alibi_slopes, transposed};
use crate::error::{InferenceError, Result};
use crate::manifest::WeightFormat;
use crate::rope::{RopeLayout, RopeParameters, RopeScaling, RotaryEmbedding};
use crate::safetensors_folder::SafetensorsFolder;
use cloister_kernels::{ActivationsQ8, PackedWeights};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// The tensors of a safetensors file.
pub(super) struct EncoderTensors<'a> {
    tensors: SafetensorsFolder,
    /// What the names of the encoder's tensors start with in this file.
    prefix: &'static str,
    family: &'static EncoderFamily,
    config: &'a EncoderConfig,
    weights: WeightFormat,
    path: &'a Path,
}

impl<'a> EncoderTensors<'a> {
    /// Reads the header of a safetensors file.
    pub(super) fn open(
        file: File,
        config: &'a EncoderConfig,
        weights: WeightFormat,
        path: &'a Path,
    ) -> Result<Self> {
        let unsupported = |reason| InferenceError::Unsupported {
            path: path.to_owned(),
            reason,
        };
        if let Some(reason) = config.unsupported_reason() {
            return Err(unsupported(reason));
        }
        let family = config.family().map_err(unsupported)?;
        let tensors = SafetensorsFolder::from_file(file, path)?;
        Ok(Self {
            prefix: detect_prefix(family, &tensors),
            tensors,
            family,
            config,
            weights,
            path,
        })
    }

    /// Builds the encoder for texts of at most `max_tokens` tokens.
    pub(super) fn build_encoder(&self, max_tokens: usize) -> Result<Encoder> {
        let (config, family) = (self.config, self.family);
        let activation = config.activation().map_err(|reason| self.damaged(reason))?;
        let ropes = [false, true].map(|global| self.rope(global, max_tokens));
        let distances = self.distance_embeddings()?;
        let layers = (0..config.num_hidden_layers)
            .map(|index| self.build_layer(index, &ropes, distances.as_deref()))
            .collect::<Result<_>>()?;
        let optional_norm = |name: Option<&str>| {
            let norm = name.map(|name| self.norm(&self.name(name)));
            norm.transpose()
        };
        Ok(Encoder {
            hidden_size: config.hidden_size,
            heads: config.num_attention_heads,
            head_size: config.head_size(),
            attention_scale: config.attention_scale(),
            embed_tokens: self.embed_tokens()?,
            position_embeddings: self.position_embeddings()?,
            segment_embeddings: self.segment_embeddings()?,
            embedding_norm: optional_norm(family.embedding_norm)?,
            layers,
            final_norm: optional_norm(family.final_norm)?,
            norm_order: if family.norms_first {
                NormOrder::PreNorm
            } else {
                NormOrder::PostNorm
            },
            activation,
            intermediate_size: config.intermediate_size,
            relative_positions: self.relative_positions()?,
        })
    }

    fn build_layer(
        &self,
        index: usize,
        ropes: &[Option<Arc<RotaryEmbedding>>; 2],
        distances: Option<&[f32]>,
    ) -> Result<EncoderLayer> {
        let (config, family) = (self.config, self.family);
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let attention_width = config.num_attention_heads * config.head_size();
        let names = |parts: &[&str]| -> Vec<String> {
            let parts = parts.iter();
            parts
                .map(|part| self.name(&format!("{}{index}.{part}", family.layer)))
                .collect()
        };
        let name = |part: &str| names(&[part]).concat();
        let qkv = names(family.qkv);
        let every = config.global_attn_every_n_layers.unwrap_or(3).max(1);
        let has_window =
            family.positions == PositionKind::RotaryWithWindows && !index.is_multiple_of(every);
        // Only ModernBERT's first layer has none.
        let has_attention_norm = index > 0 || family.positions != PositionKind::RotaryWithWindows;
        let attention_norm = has_attention_norm.then(|| self.norm(&name(family.attention_norm)));
        let is_gated = config
            .activation()
            .is_ok_and(super::layers::EncoderActivation::is_gated);
        let (up, up_width) = if is_gated {
            (names(family.gated_up), 2 * inner)
        } else {
            (names(family.up), inner)
        };
        Ok(EncoderLayer {
            qkv_proj: self.dense(&qkv, 3 * attention_width / qkv.len().max(1), width)?,
            o_proj: self.dense(&names(&[family.output]), width, attention_width)?,
            attention_norm: attention_norm.transpose()?,
            up_proj: self.dense(&up, up_width / up.len().max(1), width)?,
            down_proj: self.dense(&names(&[family.down]), width, inner)?,
            mlp_norm: self.norm(&name(family.mlp_norm))?,
            window: if has_window {
                config.local_attention.unwrap_or(128) / 2
            } else {
                usize::MAX
            },
            rope: ropes[usize::from(!has_window)].clone(),
            position_projections: distances
                .map(|distances| self.position_projections(distances, &name))
                .transpose()?,
        })
    }

    /// The rotation of layers with global attention, or of those with a window.
    fn rope(&self, global: bool, max_tokens: usize) -> Option<Arc<RotaryEmbedding>> {
        let theta = match self.family.positions {
            PositionKind::Rotary => self.config.rotary_base(),
            PositionKind::RotaryWithWindows => self.config.rope_theta(global),
            PositionKind::Absolute
            | PositionKind::Alibi
            | PositionKind::Buckets(_)
            | PositionKind::Disentangled => return None,
        };
        let head_dim = self.config.head_size();
        let parameters = RopeParameters {
            head_dim,
            rotary_dim: head_dim,
            theta,
            layout: RopeLayout::HalfSplit,
            scaling: RopeScaling::None,
            frequency_factors: Vec::new(),
            attention_factor: 1.0,
        };
        Some(Arc::new(RotaryEmbedding::new(&parameters, max_tokens)))
    }

    fn embed_tokens(&self) -> Result<EmbeddingTable> {
        let names = self.family.embed_tokens.iter();
        let mut names = names.map(|name| self.name(&format!("{name}.weight")));
        let name = names
            .find(|name| self.tensors.dims(name).is_some())
            .ok_or_else(|| self.damaged("it has no embeddings of tokens".into()))?;
        let width = self.config.hidden_size;
        if self.tensors.dims(&name).and_then(<[usize]>::last) != Some(&width) {
            return Err(self.damaged(format!(
                "the rows of tensor `{name}` do not have {width} values"
            )));
        }
        Ok(match self.tensors.half_float_bytes(&name)? {
            Some(bytes) => EmbeddingTable::F16(bytes),
            None => EmbeddingTable::F32(self.values(&name)?),
        })
    }

    fn position_embeddings(&self) -> Result<Vec<f32>> {
        let name = match self.family.position_embeddings {
            Some(name) if self.config.has_position_embeddings(self.family) => name,
            Some(_) | None => return Ok(Vec::new()),
        };
        let width = self.config.hidden_size;
        let count = width * self.config.positions();
        let mut values = self.values_of_length(&self.name(&format!("{name}.weight")), count)?;
        values.drain(..(width * self.config.skipped_positions()).min(count));
        Ok(values)
    }

    fn segment_embeddings(&self) -> Result<Vec<f32>> {
        match self.family.segment_embeddings {
            Some(name) if self.config.has_segment_embeddings(self.family) => {
                let name = self.name(&format!("{name}.weight"));
                self.rows(&name, self.config.hidden_size)
            }
            Some(_) | None => Ok(Vec::new()),
        }
    }

    fn relative_positions(&self) -> Result<RelativePositions> {
        let heads = self.config.num_attention_heads;
        Ok(match self.family.positions {
            PositionKind::Absolute | PositionKind::Rotary | PositionKind::RotaryWithWindows => {
                RelativePositions::None
            }
            PositionKind::Alibi => RelativePositions::Slopes(alibi_slopes(heads)),
            PositionKind::Buckets(name) => RelativePositions::Buckets {
                scores: self.rows(&self.name(&format!("{name}.weight")), heads)?,
                heads,
                max_distance: self.config.bucket_distance(),
            },
            PositionKind::Disentangled => match self.config.distance_buckets() {
                Some(buckets) => RelativePositions::Disentangled(buckets),
                None => RelativePositions::None,
            },
        })
    }

    /// DeBERTa's embeddings of distance buckets, `[2 · span, hidden_size]`.
    fn distance_embeddings(&self) -> Result<Option<Vec<f32>>> {
        let Some(buckets) = self.config.distance_buckets() else {
            return Ok(None);
        };
        if self.family.positions != PositionKind::Disentangled {
            return Ok(None);
        }
        let width = self.config.hidden_size;
        let mut rows = self.rows(&self.name("encoder.rel_embeddings.weight"), width)?;
        if rows.len() < 2 * buckets.span * width {
            return Err(self.damaged("it has too few embeddings of distances".into()));
        }
        rows.truncate(2 * buckets.span * width);
        if self.config.normalizes_distances() {
            self.norm(&self.name("encoder.LayerNorm"))?.apply(&mut rows);
        }
        Ok(Some(rows))
    }

    fn position_projections(
        &self,
        distances: &[f32],
        name: &dyn Fn(&str) -> String,
    ) -> Result<PositionProjections> {
        let width = self.config.hidden_size;
        let project = |kind: &str, shared: &str, own: &str| -> Result<Option<Vec<f32>>> {
            if !self.config.has_position_scores(kind) {
                return Ok(None);
            }
            let part = if self.config.shares_position_projections() {
                shared
            } else {
                own
            };
            let dense = self.dense_f32(&[name(part)], width, width)?;
            let projected = dense.forward(distances, &mut ActivationsQ8::default());
            Ok(Some(transposed(&projected, width)))
        };
        Ok(PositionProjections {
            keys: project(
                "c2p",
                "attention.self.key_proj",
                "attention.self.pos_key_proj",
            )?,
            queries: project(
                "p2c",
                "attention.self.query_proj",
                "attention.self.pos_query_proj",
            )?,
        })
    }

    /// Builds a classification head with this number of labels.
    pub(super) fn build_head(&self, labels: usize) -> Result<ClassificationHead> {
        let width = self.config.hidden_size;
        let head = self.family.head.ok_or_else(|| {
            let family = self.family.name;
            self.unsupported(format!("no classification head of {family} is supported"))
        })?;
        let dense = if head.dense_in_encoder {
            self.name(head.dense)
        } else {
            head.dense.into()
        };
        let activation = self.config.head_activation(head.activation);
        Ok(ClassificationHead {
            dense: self.dense_f32(&[dense], width, width)?,
            activation: activation.map_err(|reason| self.unsupported(reason))?,
            norm: head.norm.map(|norm| self.norm(norm)).transpose()?,
            score: self.dense_f32(&[head.score.into()], labels, width)?,
        })
    }

    /// Builds the layer that labels each token, with this number of labels.
    pub(super) fn build_token_head(&self, labels: usize) -> Result<Dense> {
        let width = self.config.hidden_size;
        self.dense_f32(&["classifier".into()], labels, width)
    }

    /// The name of one of the encoder's tensors in this file.
    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        if self.tensors.dims(name).is_none() {
            return Err(self.damaged(format!("it has no tensor `{name}`")));
        }
        Ok(self.tensors.values(name)?.0)
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
            WeightFormat::F32 => WeightMatrix::F32(transposed(&rows, inputs)),
        };
        Ok(Dense { weight, bias })
    }

    /// [`Self::dense`] in floats: a layer that runs once per text gains nothing from eight bits.
    fn dense_f32(&self, names: &[String], outputs: usize, inputs: usize) -> Result<Dense> {
        let (rows, bias) = self.linear(names, outputs, inputs)?;
        let weight = WeightMatrix::F32(transposed(&rows, inputs));
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
        if self.tensors.dims(name).is_some() {
            self.values_of_length(name, length)
        } else {
            Ok(vec![0.0; length])
        }
    }

    /// A norm. Old checkpoints call its weight `gamma` and its bias `beta`.
    fn norm(&self, name: &str) -> Result<EncoderNorm> {
        let width = self.config.hidden_size;
        let epsilon = self.config.layer_norm_eps;
        let old_name = format!("{name}.gamma");
        let (weight, bias) = if self.tensors.dims(&old_name).is_some() {
            (old_name, format!("{name}.beta"))
        } else {
            (format!("{name}.weight"), format!("{name}.bias"))
        };
        let weight = self.values_of_length(&weight, width)?;
        if self.family.rms_norm {
            return Ok(EncoderNorm::RmsNorm { weight, epsilon });
        }
        Ok(EncoderNorm::LayerNorm {
            weight,
            bias: self.values_or_zeros(&bias, width)?,
            epsilon,
        })
    }

    fn unsupported(&self, reason: String) -> InferenceError {
        InferenceError::Unsupported {
            path: self.path.to_owned(),
            reason,
        }
    }

    fn damaged(&self, reason: String) -> InferenceError {
        InferenceError::Damaged {
            path: self.path.to_owned(),
            reason,
        }
    }
}

/// The prefix of the tensor names, which depends on the program that wrote the file.
fn detect_prefix(family: &EncoderFamily, tensors: &SafetensorsFolder) -> &'static str {
    let has_embeddings = |prefix: &str| {
        let mut names = family.embed_tokens.iter();
        names.any(|name| tensors.dims(&format!("{prefix}{name}.weight")).is_some())
    };
    let mut prefixes = family.prefixes.iter();
    prefixes
        .find(|prefix| has_embeddings(prefix))
        .copied()
        .unwrap_or("")
}
