//! The decoder layers on the GPU: the forward pass of `model`, in candle's tensors.

use super::batch::{ChunkGroup, GpuBatch};
use super::kv_pages::GpuKvPages;
use crate::decoder::model::{Activation, DecoderLayer, Linear, ModelConfig};
use crate::decoder::runtime::SequenceChunk;
use crate::error::{InferenceError, Result};
use crate::rope::{RopeLayout, RotaryEmbedding};
use candle_core::{D, Device, Tensor};
use candle_nn::ops::{rms_norm, silu, softmax_last_dim};
use candle_nn::rotary_emb::{rope, rope_i};
use std::ops::Range;
use std::sync::Arc;

/// The maximum of attention scores in memory at once. It limits the memory of a long prompt.
const MAX_SCORES: usize = 32 << 20;

/// The first layers of a decoder.
pub(in crate::decoder) struct GpuLayers {
    device: Device,
    config: ModelConfig,
    activation: Activation,
    layers: Vec<GpuLayer>,
    /// The different attention windows of the layers.
    windows: Vec<usize>,
}

/// A layer whose small vectors are on the GPU too.
struct GpuLayer {
    attention_norm: Tensor,
    qkv_proj: Vec<Linear>,
    qkv_bias: Option<Tensor>,
    qk_norm: Option<GpuQkNorm>,
    o_proj: Linear,
    attention_post_norm: Option<Tensor>,
    mlp_norm: Tensor,
    gate_up_proj: Vec<Linear>,
    down_proj: Linear,
    mlp_post_norm: Option<Tensor>,
    window: usize,
    rope: Arc<RopeTable>,
}

struct GpuQkNorm {
    query_weight: Tensor,
    key_weight: Tensor,
}

/// The cosines and sines of all positions, `[positions, pairs]` each.
struct RopeTable {
    cos: Tensor,
    sin: Tensor,
    layout: RopeLayout,
}

/// The cosines and sines of the rows of a batch, `[rows, pairs]` each.
struct RowAngles {
    cos: Tensor,
    sin: Tensor,
    layout: RopeLayout,
}

impl GpuLayers {
    /// Takes layers whose matrices are on `device`, and copies their other weights there.
    pub(in crate::decoder) fn new(
        layers: Vec<DecoderLayer>,
        config: ModelConfig,
        activation: Activation,
        device: &Device,
    ) -> Result<Self> {
        let mut windows: Vec<usize> = layers.iter().map(|layer| layer.window).collect();
        windows.sort_unstable();
        windows.dedup();
        let mut tables: Vec<(Arc<RotaryEmbedding>, Arc<RopeTable>)> = Vec::new();
        let mut gpu_layers = Vec::with_capacity(layers.len());
        for layer in layers {
            let known = tables
                .iter()
                .find(|(rope, _)| Arc::ptr_eq(rope, &layer.rope));
            let table = if let Some((_, table)) = known {
                Arc::clone(table)
            } else {
                let table = Arc::new(RopeTable::new(&layer.rope, device)?);
                tables.push((Arc::clone(&layer.rope), Arc::clone(&table)));
                table
            };
            gpu_layers.push(GpuLayer::new(layer, table, device)?);
        }
        Ok(Self {
            device: device.clone(),
            config,
            activation,
            layers: gpu_layers,
            windows,
        })
    }

    /// Runs these layers on the states of all chunks, `[tokens, hidden_size]`. Space must be reserved in
    /// the KV caches; their lengths do not change.
    pub(in crate::decoder) fn forward(
        &self,
        states: &mut [f32],
        chunks: &[SequenceChunk<'_>],
        pages: &GpuKvPages,
    ) -> Result<()> {
        if states.is_empty() {
            return Ok(());
        }
        let hidden_size = self.config.hidden_size;
        let batch = GpuBatch::new(chunks, self.config, &self.windows, &self.device)?;
        let rows = batch.gather(states, hidden_size);
        let shape = (states.len() / hidden_size, hidden_size);
        let mut x = Tensor::from_vec(rows, shape, &self.device)?;
        for (index, layer) in self.layers.iter().enumerate() {
            x = (&x + self.attention((index, layer), &x, &batch, pages)?)?;
            x = (&x + self.mlp(layer, &x)?)?;
        }
        let rows: Vec<f32> = x.flatten_all()?.to_vec1()?;
        batch.scatter(&rows, states, hidden_size);
        Ok(())
    }

    /// The attention output of a layer.
    fn attention(
        &self,
        (index, layer): (usize, &GpuLayer),
        x: &Tensor,
        batch: &GpuBatch,
        pages: &GpuKvPages,
    ) -> Result<Tensor> {
        let config = self.config;
        let normed = rms_norm(x, &layer.attention_norm, config.rms_norm_eps)?;
        let mut qkv = products(&layer.qkv_proj, &normed)?;
        if let Some(bias) = &layer.qkv_bias {
            qkv = qkv.broadcast_add(bias)?;
        }
        let angles = layer.rope.at(&batch.positions)?;
        let norm = layer.qk_norm.as_ref();
        let (query_weight, key_weight) = (
            norm.map(|norm| &norm.query_weight),
            norm.map(|norm| &norm.key_weight),
        );
        let (q, kv) = (config.num_heads, config.num_kv_heads);
        let queries = self.rotated_heads(&qkv, 0..q, query_weight, &angles)?;
        let keys = self.rotated_heads(&qkv, q..q + kv, key_weight, &angles)?;
        let values = self.heads(&qkv, q + kv..q + 2 * kv)?;
        pages.write(index, &batch.slots, [&keys, &values])?;
        let queries = (queries / (config.head_dim as f64).sqrt())?;
        let contexts = batch
            .groups
            .iter()
            .map(|group| self.attend(&queries, group, layer.window, pages, index))
            .collect::<Result<Vec<_>>>()?;
        let output = layer.o_proj.forward_on_gpu(&Tensor::cat(&contexts, 0)?)?;
        norm_if(
            layer.attention_post_norm.as_ref(),
            output,
            config.rms_norm_eps,
        )
    }

    /// Heads of each row, `[heads, rows, head_dim]`.
    fn heads(&self, qkv: &Tensor, heads: Range<usize>) -> Result<Tensor> {
        let head_dim = self.config.head_dim;
        let columns = qkv.narrow(1, heads.start * head_dim, heads.len() * head_dim)?;
        let columns = columns.reshape(((), heads.len(), head_dim))?;
        Ok(columns.transpose(0, 1)?.contiguous()?)
    }

    /// Heads of each row, normalised if there is a weight for it, rotated to their positions.
    fn rotated_heads(
        &self,
        qkv: &Tensor,
        heads: Range<usize>,
        norm_weight: Option<&Tensor>,
        angles: &RowAngles,
    ) -> Result<Tensor> {
        let heads = self.heads(qkv, heads)?;
        angles.rotate(&norm_if(norm_weight, heads, self.config.rms_norm_eps)?)
    }

    /// The attention contexts of a group's tokens, `[rows of the group, num_heads * head_dim]`.
    fn attend(
        &self,
        queries: &Tensor,
        group: &ChunkGroup,
        window: usize,
        pages: &GpuKvPages,
        layer: usize,
    ) -> Result<Tensor> {
        let (kv_heads, head_dim) = (self.config.num_kv_heads, self.config.head_dim);
        let per_kv_head = self.config.queries_per_kv_head();
        let (chunks, tokens, key_count) = (group.chunks, group.tokens, group.key_count);
        let mask = group
            .mask(window)
            .ok_or_else(|| InferenceError::Compute("an attention window has no mask".into()))?;
        let queries = queries
            .narrow(1, group.first_row, chunks * tokens)?
            .reshape((kv_heads, per_kv_head, chunks, tokens, head_dim))?
            .transpose(1, 2)?;
        let [keys, values] = pages.read(layer, &group.key_slots)?;
        let keys = keys
            .reshape((kv_heads * chunks, key_count, head_dim))?
            .t()?;
        let values = values.reshape((kv_heads * chunks, key_count, head_dim))?;
        let scores_per_token = self.config.num_heads * chunks * key_count;
        let step = (MAX_SCORES / scores_per_token).clamp(1, tokens);
        let mut contexts = Vec::new();
        for first in (0..tokens).step_by(step) {
            let count = step.min(tokens - first);
            let rows = (kv_heads * chunks, per_kv_head * count, head_dim);
            let part = queries.narrow(3, first, count)?.contiguous()?;
            let scores = part.reshape(rows)?.matmul(&keys)?;
            let scores = scores.reshape((kv_heads, chunks, per_kv_head, count, key_count))?;
            let masked = scores.broadcast_add(&mask.narrow(3, first, count)?)?;
            let weights = softmax_last_dim(&masked)?;
            let context = weights
                .reshape((kv_heads * chunks, per_kv_head * count, key_count))?
                .matmul(&values)?;
            contexts.push(context.reshape((kv_heads, chunks, per_kv_head, count, head_dim))?);
        }
        let contexts = Tensor::cat(&contexts, 3)?.permute((1, 3, 0, 2, 4))?;
        let shape = (chunks * tokens, self.config.query_width());
        Ok(contexts.contiguous()?.reshape(shape)?)
    }

    /// The MLP output of a layer.
    fn mlp(&self, layer: &GpuLayer, x: &Tensor) -> Result<Tensor> {
        let epsilon = self.config.rms_norm_eps;
        let size = self.config.intermediate_size;
        let normed = rms_norm(x, &layer.mlp_norm, epsilon)?;
        let gate_up = products(&layer.gate_up_proj, &normed)?;
        let gate = gate_up.narrow(D::Minus1, 0, size)?.contiguous()?;
        let up = gate_up.narrow(D::Minus1, size, size)?;
        let gate = match self.activation {
            Activation::Silu => silu(&gate)?,
            Activation::Gelu => gate.gelu()?,
        };
        let output = layer.down_proj.forward_on_gpu(&(gate * up)?)?;
        norm_if(layer.mlp_post_norm.as_ref(), output, epsilon)
    }
}

impl GpuLayer {
    fn new(layer: DecoderLayer, rope: Arc<RopeTable>, device: &Device) -> Result<Self> {
        let copy = |values: Vec<f32>| Tensor::new(values, device);
        let qk_norm = match layer.qk_norm {
            Some(norm) => Some(GpuQkNorm {
                query_weight: copy(norm.query_weight)?,
                key_weight: copy(norm.key_weight)?,
            }),
            None => None,
        };
        Ok(Self {
            attention_norm: copy(layer.attention_norm)?,
            qkv_proj: layer.qkv_proj,
            qkv_bias: layer.qkv_bias.map(copy).transpose()?,
            qk_norm,
            o_proj: layer.o_proj,
            attention_post_norm: layer.attention_post_norm.map(copy).transpose()?,
            mlp_norm: copy(layer.mlp_norm)?,
            gate_up_proj: layer.gate_up_proj,
            down_proj: layer.down_proj,
            mlp_post_norm: layer.mlp_post_norm.map(copy).transpose()?,
            window: layer.window,
            rope,
        })
    }
}

impl RopeTable {
    fn new(rope: &RotaryEmbedding, device: &Device) -> Result<Self> {
        let (cos, sin): (Vec<f32>, Vec<f32>) = rope.cos_sin().iter().copied().unzip();
        let shape = ((), rope.rotary_dim() / 2);
        Ok(Self {
            cos: Tensor::new(cos, device)?.reshape(shape)?,
            sin: Tensor::new(sin, device)?.reshape(shape)?,
            layout: rope.layout(),
        })
    }

    fn at(&self, positions: &Tensor) -> Result<RowAngles> {
        Ok(RowAngles {
            cos: self.cos.index_select(positions, 0)?,
            sin: self.sin.index_select(positions, 0)?,
            layout: self.layout,
        })
    }
}

impl RowAngles {
    /// Rotates `[heads, rows, head_dim]`: the first elements of each head, if there are fewer angles.
    fn rotate(&self, heads: &Tensor) -> Result<Tensor> {
        let head_dim = heads.dim(D::Minus1)?;
        let rotary_dim = 2 * self.cos.dim(D::Minus1)?;
        let rotated = heads
            .narrow(D::Minus1, 0, rotary_dim)?
            .contiguous()?
            .unsqueeze(0)?;
        let rotated = match self.layout {
            RopeLayout::Interleaved => rope_i(&rotated, &self.cos, &self.sin)?,
            RopeLayout::HalfSplit => rope(&rotated, &self.cos, &self.sin)?,
        };
        let rotated = rotated.squeeze(0)?;
        if rotary_dim == head_dim {
            return Ok(rotated);
        }
        let rest = heads.narrow(D::Minus1, rotary_dim, head_dim - rotary_dim)?;
        Ok(Tensor::cat(&[rotated, rest], D::Minus1)?)
    }
}

/// The products of several matrices with the same input, side by side in each row.
fn products(parts: &[Linear], input: &Tensor) -> Result<Tensor> {
    let products = parts.iter().map(|part| part.forward_on_gpu(input));
    let products = products.collect::<Result<Vec<_>>>()?;
    match products.as_slice() {
        [one] => Ok(one.clone()),
        several => Ok(Tensor::cat(several, D::Minus1)?),
    }
}

/// The RMS norm, if there is a weight for it.
fn norm_if(weight: Option<&Tensor>, x: Tensor, epsilon: f32) -> Result<Tensor> {
    match weight {
        None => Ok(x),
        Some(weight) => Ok(rms_norm(&x, weight, epsilon)?),
    }
}
