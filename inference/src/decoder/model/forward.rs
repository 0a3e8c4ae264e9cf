//! The decoder, and its forward pass over a batch of sequences.
//!
//! Sequences are concatenated, so that the matrix products see all of their tokens at once and
//! nothing is padded. Attention runs inside each sequence against its own KV cache.

use super::config::ModelConfig;
use super::layer::{Activation, DecoderLayer};
use super::linear::{Input, Linear, add_products};
use crate::decoder::gpu::GpuLayers;
use crate::decoder::runtime::SequenceChunk;
use crate::error::{InferenceError, Result};
use cloister_kernels::{ActivationsQ8, ThreadPool, float};

/// A decoder with its weights.
pub(in crate::decoder) struct Decoder {
    pub config: ModelConfig,
    pub activation: Activation,
    /// Multiplies each embedding.
    pub embedding_scale: f32,
    pub embed_tokens: Linear,
    /// The first layers, if some are on a GPU.
    pub gpu: Option<GpuLayers>,
    /// The layers on the CPU.
    pub layers: Vec<DecoderLayer>,
    pub norm: Vec<f32>,
    pub lm_head: Linear,
    pub pool: ThreadPool,
}

/// Buffers that are reused from layer to layer.
#[derive(Default)]
pub(super) struct DecoderScratch {
    pub normed: Vec<f32>,
    pub quantized: ActivationsQ8,
    /// Queries, keys and values, or gate and up.
    pub wide: Vec<f32>,
    /// The attention output, or the MLP's activations.
    pub context: Vec<f32>,
}

impl Decoder {
    /// The last layer's normalised states of all chunks, `[tokens, hidden_size]`. The KV caches grow
    /// by their chunks.
    pub(in crate::decoder) fn forward(&self, chunks: &mut [SequenceChunk<'_>]) -> Result<Vec<f32>> {
        for chunk in chunks.iter_mut() {
            chunk.cache.reserve(chunk.tokens.len())?;
        }
        let mut states = self.embed(chunks)?;
        if let (Some(gpu), Some(chunk)) = (&self.gpu, chunks.first()) {
            // Without its pages, the GPU layers would be skipped, and the text would silently be wrong.
            let pages = chunk.cache.gpu_pages().ok_or_else(|| {
                InferenceError::Compute("a sequence has no KV cache on the GPU".into())
            })?;
            gpu.forward(&mut states, chunks, &pages)?;
        }
        let mut scratch = DecoderScratch::default();
        for (index, layer) in self.layers.iter().enumerate() {
            self.add_attention(index, layer, &mut states, chunks, &mut scratch)?;
            self.add_mlp(layer, &mut states, &mut scratch)?;
        }
        for chunk in chunks {
            chunk.cache.advance(chunk.tokens.len());
        }
        let mut normed = vec![0.0; states.len()];
        float::rms_norm(&states, &self.norm, self.config.rms_norm_eps, &mut normed);
        Ok(normed)
    }

    /// The scores of every token of the vocabulary after each state: `[states, vocabulary]`.
    pub(in crate::decoder) fn logits(&self, states: &[f32]) -> Result<Vec<f32>> {
        let hidden_size = self.config.hidden_size;
        let count = states.len() / hidden_size;
        let mut logits = vec![0.0; count * self.lm_head.outputs()];
        let quantized = ActivationsQ8::new(states, hidden_size);
        let input = Input::new(states, hidden_size, &quantized);
        let lm_head = std::slice::from_ref(&self.lm_head);
        add_products(lm_head, &input, &mut logits, &self.pool)?;
        Ok(logits)
    }

    /// The scaled embeddings of all tokens, `[tokens, hidden_size]`.
    fn embed(&self, chunks: &[SequenceChunk<'_>]) -> Result<Vec<f32>> {
        let ids = chunks.iter().flat_map(|chunk| chunk.tokens);
        let ids: Vec<u32> = ids.copied().collect();
        let mut states = self.embed_tokens.rows(&ids, &self.pool)?;
        for x in &mut states {
            *x *= self.embedding_scale;
        }
        Ok(states)
    }

    /// Writes the normalised states to `scratch`, as floats and quantised.
    pub(super) fn normalize(&self, states: &[f32], weight: &[f32], scratch: &mut DecoderScratch) {
        scratch.normed.resize(states.len(), 0.0);
        let epsilon = self.config.rms_norm_eps;
        float::rms_norm(states, weight, epsilon, &mut scratch.normed);
        scratch
            .quantized
            .quantize(&scratch.normed, self.config.hidden_size);
    }

    /// Adds a product to the states, normalised first if the layer has a norm for it.
    pub(super) fn add_branch(
        &self,
        matrix: &Linear,
        input: &Input<'_>,
        post_norm: Option<&[f32]>,
        states: &mut [f32],
    ) -> Result<()> {
        let matrix = std::slice::from_ref(matrix);
        let Some(weight) = post_norm else {
            return add_products(matrix, input, states, &self.pool);
        };
        let mut branch = vec![0.0; states.len()];
        add_products(matrix, input, &mut branch, &self.pool)?;
        float::rms_norm_in_place(&mut branch, weight, self.config.rms_norm_eps);
        float::add(states, &branch);
        Ok(())
    }
}

/// Makes `values` a vector of `count` zeros.
pub(super) fn reset(values: &mut Vec<f32>, count: usize) {
    values.clear();
    values.resize(count, 0.0);
}
