//! The forward pass of BERT (Devlin et al. 2019) and ModernBERT (Warner et al. 2024) over
//! concatenated sequences.
//!
//! Nothing is padded: the dense layers see one matrix `[tokens, hidden_size]`, and attention runs
//! inside each sequence. So short texts cost no more than their tokens.

use crate::manifest::Pooling;
use crate::rope::RotaryEmbedding;
use cloister_kernels::{
    ActivationsQ8, AttentionHead, AttentionScratch, MatrixTarget, MatrixView, PackedWeights, float,
    matmul,
};
use std::sync::Arc;

/// Tokens per pass through the feed-forward layer, so that the intermediate states stay in the cache.
const MLP_STEP: usize = 64;

/// A weight matrix, in the form that the product reads.
pub(super) enum WeightMatrix {
    /// `[inputs, outputs]`.
    F32(Vec<f32>),
    /// Eight bits. The activations are quantised to eight bits too.
    Int8(PackedWeights),
}

/// `y = x · weight + bias`.
pub(super) struct Dense {
    pub weight: WeightMatrix,
    pub bias: Vec<f32>,
}

impl Dense {
    /// `[tokens, inputs]` to `[tokens, outputs]`.
    pub(super) fn forward(&self, rows: &[f32], quantized: &mut ActivationsQ8) -> Vec<f32> {
        let inputs = self.inputs();
        let mut out = self.bias.repeat(rows.len() / inputs);
        self.add_product(rows, quantized, &mut out);
        out
    }

    /// Adds the result of [`Self::forward`] to `out`.
    fn add_forward(&self, rows: &[f32], quantized: &mut ActivationsQ8, out: &mut [f32]) {
        for row in out.chunks_exact_mut(self.bias.len()) {
            float::add(row, &self.bias);
        }
        self.add_product(rows, quantized, out);
    }

    fn inputs(&self) -> usize {
        match &self.weight {
            WeightMatrix::F32(weight) => weight.len() / self.bias.len(),
            WeightMatrix::Int8(weight) => weight.inputs(),
        }
    }

    fn add_product(&self, rows: &[f32], quantized: &mut ActivationsQ8, out: &mut [f32]) {
        let (inputs, outputs) = (self.inputs(), self.bias.len());
        let count = rows.len() / inputs;
        match &self.weight {
            WeightMatrix::F32(weight) => {
                let mut target = MatrixTarget {
                    data: out,
                    row_stride: outputs,
                    add: true,
                };
                let left = MatrixView::from_rows(rows, count, inputs, inputs);
                let right = MatrixView::from_rows(weight, inputs, outputs, outputs);
                matmul(&mut target, 1.0, left, right);
            }
            WeightMatrix::Int8(weight) => {
                quantized.quantize(rows, inputs);
                weight.add_product(quantized, out);
            }
        }
    }
}

/// Layer normalisation.
pub(super) struct LayerNorm {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub epsilon: f32,
}

impl LayerNorm {
    pub(super) fn apply(&self, rows: &mut [f32]) {
        float::layer_norm(rows, &self.weight, &self.bias, self.epsilon);
    }
}

/// Where a layer normalises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NormOrder {
    /// After each residual addition: BERT.
    PostNorm,
    /// Before attention and before the feed-forward layer: ModernBERT.
    PreNorm,
}

/// The activation of the feed-forward layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EncoderActivation {
    Gelu,
    /// GELU of the first half, times the second half.
    GatedGelu,
}

/// One transformer layer.
pub(super) struct EncoderLayer {
    /// Query, key and value as one matrix.
    pub qkv_proj: Dense,
    pub o_proj: Dense,
    /// `None` in ModernBERT's first layer, whose input is normalised already.
    pub attention_norm: Option<LayerNorm>,
    pub up_proj: Dense,
    pub down_proj: Dense,
    pub mlp_norm: LayerNorm,
    /// How many tokens a token sees on each side.
    pub window: usize,
    pub rope: Option<Arc<RotaryEmbedding>>,
}

/// A transformer encoder.
pub(super) struct Encoder {
    pub heads: usize,
    pub embed_tokens: Vec<f32>,
    /// Empty if the model has rotary positions.
    pub position_embeddings: Vec<f32>,
    /// Of the first and of the second text; empty if the model has none.
    pub segment_embeddings: Vec<f32>,
    pub embedding_norm: LayerNorm,
    pub layers: Vec<EncoderLayer>,
    pub final_norm: Option<LayerNorm>,
    pub norm_order: NormOrder,
    pub activation: EncoderActivation,
}

/// The token ids of one text, or of two texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenSequence {
    pub ids: Vec<u32>,
    /// Where the second text starts.
    pub second: usize,
}

impl Encoder {
    pub(super) fn hidden_size(&self) -> usize {
        self.embedding_norm.weight.len()
    }

    /// One vector per sequence, `[sequences, hidden_size]`, computed on the calling thread.
    pub(super) fn encode(&self, sequences: &[&TokenSequence], pooling: Pooling) -> Vec<Vec<f32>> {
        let mut states = self.embed(sequences);
        self.embedding_norm.apply(&mut states);
        let mut scratch = EncoderScratch::default();
        for layer in &self.layers {
            match self.norm_order {
                NormOrder::PostNorm => {
                    self.post_norm_layer(layer, &mut states, sequences, &mut scratch);
                }
                NormOrder::PreNorm => {
                    self.pre_norm_layer(layer, &mut states, sequences, &mut scratch);
                }
            }
        }
        if let Some(norm) = &self.final_norm {
            norm.apply(&mut states);
        }
        let width = self.hidden_size();
        let mut rows = states.chunks_exact(width);
        sequences
            .iter()
            .map(|sequence| {
                let mut own = rows.by_ref().take(sequence.ids.len());
                match pooling {
                    Pooling::Mean => mean(own, width),
                    Pooling::Cls => {
                        let first = own.next().map_or_else(Vec::new, <[f32]>::to_vec);
                        own.for_each(drop);
                        first
                    }
                }
            })
            .collect()
    }

    /// The sum of token, position and segment embeddings, `[tokens, hidden_size]`.
    fn embed(&self, sequences: &[&TokenSequence]) -> Vec<f32> {
        let width = self.hidden_size();
        let total: usize = sequences.iter().map(|sequence| sequence.ids.len()).sum();
        let mut states = Vec::with_capacity(total * width);
        for sequence in sequences {
            for (position, id) in sequence.ids.iter().enumerate() {
                let start = states.len();
                states.resize(start + width, 0.0);
                let segment = usize::from(position >= sequence.second);
                let rows = [
                    (&self.position_embeddings, position),
                    (&self.segment_embeddings, segment),
                    (&self.embed_tokens, *id as usize),
                ];
                for (table, index) in rows {
                    let row = table.get(index * width..(index + 1) * width);
                    if let (Some(state), Some(row)) = (states.get_mut(start..), row) {
                        float::add(state, row);
                    }
                }
            }
        }
        states
    }

    fn post_norm_layer(
        &self,
        layer: &EncoderLayer,
        states: &mut [f32],
        sequences: &[&TokenSequence],
        scratch: &mut EncoderScratch,
    ) {
        let qkv = layer.qkv_proj.forward(states, &mut scratch.quantized);
        let context = self.attend(layer, &qkv, sequences, &mut scratch.attention);
        layer
            .o_proj
            .add_forward(&context, &mut scratch.quantized, states);
        if let Some(norm) = &layer.attention_norm {
            norm.apply(states);
        }
        for states in states.chunks_mut(MLP_STEP * self.hidden_size()) {
            let inner = self.mlp_activations(layer, states, &mut scratch.quantized);
            layer
                .down_proj
                .add_forward(&inner, &mut scratch.quantized, states);
            layer.mlp_norm.apply(states);
        }
    }

    fn pre_norm_layer(
        &self,
        layer: &EncoderLayer,
        states: &mut [f32],
        sequences: &[&TokenSequence],
        scratch: &mut EncoderScratch,
    ) {
        let mut normed = states.to_vec();
        if let Some(norm) = &layer.attention_norm {
            norm.apply(&mut normed);
        }
        let mut qkv = layer.qkv_proj.forward(&normed, &mut scratch.quantized);
        if let Some(rope) = &layer.rope {
            self.rotate(rope, &mut qkv, sequences);
        }
        let context = self.attend(layer, &qkv, sequences, &mut scratch.attention);
        layer
            .o_proj
            .add_forward(&context, &mut scratch.quantized, states);
        for states in states.chunks_mut(MLP_STEP * self.hidden_size()) {
            let mut normed = states.to_vec();
            layer.mlp_norm.apply(&mut normed);
            let inner = self.mlp_activations(layer, &normed, &mut scratch.quantized);
            layer
                .down_proj
                .add_forward(&inner, &mut scratch.quantized, states);
        }
    }

    /// The intermediate states of the feed-forward layer, after its activation.
    fn mlp_activations(
        &self,
        layer: &EncoderLayer,
        rows: &[f32],
        quantized: &mut ActivationsQ8,
    ) -> Vec<f32> {
        let mut wide = layer.up_proj.forward(rows, quantized);
        match self.activation {
            EncoderActivation::Gelu => {
                float::gelu(&mut wide);
                wide
            }
            EncoderActivation::GatedGelu => {
                let mut gated = vec![0.0; wide.len() / 2];
                let inner = layer.up_proj.bias.len() / 2;
                float::gated_exact_gelu(&wide, inner, &mut gated);
                gated
            }
        }
    }

    /// Rotates queries and keys to their positions.
    fn rotate(&self, rope: &RotaryEmbedding, qkv: &mut [f32], sequences: &[&TokenSequence]) {
        let width = self.hidden_size();
        let positions = sequences.iter().flat_map(|sequence| 0..sequence.ids.len());
        for (row, position) in qkv.chunks_exact_mut(3 * width).zip(positions) {
            let (queries_and_keys, _) = row.split_at_mut(2 * width);
            rope.rotate(queries_and_keys, position);
        }
    }

    /// Self-attention in each sequence: `[tokens, 3 · hidden_size]` to `[tokens, hidden_size]`.
    fn attend(
        &self,
        layer: &EncoderLayer,
        qkv: &[f32],
        sequences: &[&TokenSequence],
        scratch: &mut AttentionScratch,
    ) -> Vec<f32> {
        let width = self.hidden_size();
        let size = width / self.heads;
        let mut context = vec![0.0; qkv.len() / 3];
        let (mut qkv, mut out) = (qkv, context.as_mut_slice());
        for sequence in sequences {
            let count = sequence.ids.len();
            let (data, later) = qkv.split_at(count * 3 * width);
            let (own, later_out) = out.split_at_mut(count * width);
            for first in (0..width).step_by(size) {
                let head = AttentionHead {
                    data,
                    stride: 3 * width,
                    count,
                    size,
                    query: first,
                    key: width + first,
                    value: 2 * width + first,
                    window: layer.window,
                };
                let (_, columns) = own.split_at_mut(first.min(own.len()));
                scratch.attend(head, 1.0 / (size as f32).sqrt(), columns, width);
            }
            (qkv, out) = (later, later_out);
        }
        context
    }
}

/// Buffers that are reused from layer to layer.
#[derive(Default)]
struct EncoderScratch {
    quantized: ActivationsQ8,
    attention: AttentionScratch,
}

fn mean<'a>(rows: impl Iterator<Item = &'a [f32]>, width: usize) -> Vec<f32> {
    let mut sum = vec![0.0; width];
    let mut count = 0.0_f32;
    for row in rows {
        float::add(&mut sum, row);
        count += 1.0;
    }
    for x in &mut sum {
        *x /= count.max(1.0);
    }
    sum
}
