//! The forward pass of encoders over concatenated sequences: BERT (Devlin et al. 2019) and its relatives, and
//! ModernBERT (Warner et al. 2024).
//!
//! Nothing is padded: the dense layers see one matrix `[tokens, hidden_size]`, and attention runs
//! inside each sequence. So short texts cost no more than their tokens.

use super::layers::{EmbeddingTable, EncoderActivation, EncoderLayer, EncoderNorm};
use super::relative_positions::{PositionedHead, RelativePositions};
use crate::manifest::Pooling;
use crate::rope::RotaryEmbedding;
use cloister_kernels::{ActivationsQ8, AttentionHead, AttentionScratch, float};

/// Tokens per pass through the feed-forward layer, so that the intermediate states stay in the cache.
const MLP_STEP: usize = 64;

/// Where a layer normalises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NormOrder {
    /// After each residual addition: BERT.
    PostNorm,
    /// Before attention and before the feed-forward layer: ModernBERT.
    PreNorm,
}

/// A transformer encoder.
pub(super) struct Encoder {
    pub hidden_size: usize,
    pub heads: usize,
    /// Floats of a head.
    pub head_size: usize,
    /// What the products of queries and keys are multiplied by.
    pub attention_scale: f32,
    pub embed_tokens: EmbeddingTable,
    /// Empty if the model has none.
    pub position_embeddings: Vec<f32>,
    /// Of the first and of the second text; empty if the model has none.
    pub segment_embeddings: Vec<f32>,
    pub embedding_norm: Option<EncoderNorm>,
    pub layers: Vec<EncoderLayer>,
    pub final_norm: Option<EncoderNorm>,
    pub norm_order: NormOrder,
    pub activation: EncoderActivation,
    /// Floats of a token inside the feed-forward layer, after its activation.
    pub intermediate_size: usize,
    pub relative_positions: RelativePositions,
}

/// The token ids of one text, or of two texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenSequence {
    pub ids: Vec<u32>,
    /// Where the second text starts.
    pub second: usize,
}

impl Encoder {
    /// One vector per sequence, `[sequences, hidden_size]`, computed on the calling thread.
    pub(super) fn encode(&self, sequences: &[&TokenSequence], pooling: Pooling) -> Vec<Vec<f32>> {
        let width = self.hidden_size;
        let states = self.token_states(sequences);
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

    /// The state of each token of all sequences, `[tokens, hidden_size]`.
    pub(super) fn token_states(&self, sequences: &[&TokenSequence]) -> Vec<f32> {
        let mut states = self.embed(sequences);
        if let Some(norm) = &self.embedding_norm {
            norm.apply(&mut states);
        }
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
        states
    }

    /// The sum of token, position and segment embeddings, `[tokens, hidden_size]`.
    fn embed(&self, sequences: &[&TokenSequence]) -> Vec<f32> {
        let width = self.hidden_size;
        let total: usize = sequences.iter().map(|sequence| sequence.ids.len()).sum();
        let mut states = vec![0.0; total * width];
        let mut rows = states.chunks_exact_mut(width);
        for sequence in sequences {
            let tokens = sequence.ids.iter().enumerate().zip(rows.by_ref());
            for ((position, id), state) in tokens {
                self.embed_tokens.add_row(*id as usize, state);
                let segment = usize::from(position >= sequence.second);
                let tables = [
                    (&self.position_embeddings, position),
                    (&self.segment_embeddings, segment),
                ];
                for (table, index) in tables {
                    if let Some(row) = table.get(index * width..(index + 1) * width) {
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
        let context = self.attention(layer, states, sequences, scratch);
        layer
            .o_proj
            .add_forward(&context, &mut scratch.quantized, states);
        if let Some(norm) = &layer.attention_norm {
            norm.apply(states);
        }
        for states in states.chunks_mut(MLP_STEP * self.hidden_size) {
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
        let context = self.attention(layer, &normed, sequences, scratch);
        layer
            .o_proj
            .add_forward(&context, &mut scratch.quantized, states);
        for states in states.chunks_mut(MLP_STEP * self.hidden_size) {
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
        let wide = layer.up_proj.forward(rows, quantized);
        self.activation.apply(wide, self.intermediate_size)
    }

    /// Self-attention of normalised rows, before its output projection.
    fn attention(
        &self,
        layer: &EncoderLayer,
        rows: &[f32],
        sequences: &[&TokenSequence],
        scratch: &mut EncoderScratch,
    ) -> Vec<f32> {
        let mut qkv = layer.qkv_proj.forward(rows, &mut scratch.quantized);
        if let Some(rope) = &layer.rope {
            self.rotate(rope, &mut qkv, sequences);
        }
        self.attend(layer, &qkv, sequences, &mut scratch.attention)
    }

    /// Floats of all queries of a token.
    fn attention_width(&self) -> usize {
        self.heads * self.head_size
    }

    /// Rotates queries and keys to their positions.
    fn rotate(&self, rope: &RotaryEmbedding, qkv: &mut [f32], sequences: &[&TokenSequence]) {
        let width = self.attention_width();
        let positions = sequences.iter().flat_map(|sequence| 0..sequence.ids.len());
        for (row, position) in qkv.chunks_exact_mut(3 * width).zip(positions) {
            let (queries_and_keys, _) = row.split_at_mut(2 * width);
            rope.rotate(queries_and_keys, position);
        }
    }

    /// Self-attention in each sequence: `[tokens, 3 · width]` to `[tokens, width]`.
    fn attend(
        &self,
        layer: &EncoderLayer,
        qkv: &[f32],
        sequences: &[&TokenSequence],
        scratch: &mut AttentionScratch,
    ) -> Vec<f32> {
        let width = self.attention_width();
        let mut context = vec![0.0; qkv.len() / 3];
        let (mut qkv, mut out) = (qkv, context.as_mut_slice());
        for sequence in sequences {
            let count = sequence.ids.len();
            let (data, later) = qkv.split_at(count * 3 * width);
            let (own, later_out) = out.split_at_mut(count * width);
            for index in 0..self.heads {
                let (_, columns) = own.split_at_mut((index * self.head_size).min(own.len()));
                if !columns.is_empty() {
                    self.attend_head(layer, data, index, columns, scratch);
                }
            }
            (qkv, out) = (later, later_out);
        }
        context
    }

    /// One head of one sequence, into the columns that start at `out`.
    fn attend_head(
        &self,
        layer: &EncoderLayer,
        qkv: &[f32],
        index: usize,
        out: &mut [f32],
        scratch: &mut AttentionScratch,
    ) {
        let (width, size) = (self.attention_width(), self.head_size);
        let count = qkv.len() / (3 * width);
        if !matches!(self.relative_positions, RelativePositions::None) {
            let head = PositionedHead {
                qkv,
                count,
                width,
                index,
                size,
                scale: self.attention_scale,
            };
            let projections = layer.position_projections.as_ref();
            return head.attend(&self.relative_positions, projections, out);
        }
        let first = index * size;
        let head = AttentionHead {
            data: qkv,
            stride: 3 * width,
            count,
            size,
            query: first,
            key: width + first,
            value: 2 * width + first,
            window: layer.window,
        };
        scratch.attend(head, self.attention_scale, out, width);
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
