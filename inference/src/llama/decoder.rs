//! The forward pass of llama (Touvron et al. 2023) and its relatives: RMS norm, rotary positions,
//! grouped queries, a gated activation. What a relative adds (biases, norms of heads and of what a
//! layer adds, windows) is there where its file has it.
//!
//! Sequences are laid end to end, so that the matrix products see all of their tokens at once and
//! nothing is padded; attention runs inside each sequence against its own cache.

use super::cache::Cache;
use super::gpu::GpuLayers;
use super::linear::{Input, Linear, add_products};
use crate::error::{InferenceError, Result};
use crate::kernels::{self, Eights, Pool, Visible};
use crate::rope::Rope;
use std::sync::{Arc, Mutex};

/// Queries of one head that one thread attends with at a time.
const QUERIES_A_PIECE: usize = 96;

/// The sizes of a model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub width: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_size: usize,
    pub inner: usize,
    pub layers: usize,
    pub epsilon: f32,
}

impl Shape {
    fn q_width(&self) -> usize {
        self.heads * self.head_size
    }

    fn kv_width(&self) -> usize {
        self.kv_heads * self.head_size
    }
}

/// One layer. Matrices that share their input are one where their formats allow it.
pub(super) struct Layer {
    pub attention_norm: Vec<f32>,
    pub qkv: Vec<Linear>,
    /// Added to queries, keys and values.
    pub bias: Option<Vec<f32>>,
    /// The gains of the norms of each head of queries and of keys.
    pub head_norms: Option<[Vec<f32>; 2]>,
    pub attended: Linear,
    /// The gain of the norm of what attention adds.
    pub attended_norm: Option<Vec<f32>>,
    pub inner_norm: Vec<f32>,
    pub gate_up: Vec<Linear>,
    pub down: Linear,
    /// The gain of the norm of what the second part adds.
    pub down_norm: Option<Vec<f32>>,
    /// Keys that a query sees, its own the last of them.
    pub window: usize,
    pub rope: Arc<Rope>,
}

/// What the gate of a layer's second part goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    Silu,
    Gelu,
}

/// The whole decoder.
pub(super) struct Decoder {
    pub shape: Shape,
    pub activation: Activation,
    /// What a token's embedding is multiplied with.
    pub words_scale: f32,
    pub words: Linear,
    /// The first layers, where some are on a GPU.
    pub gpu: Option<GpuLayers>,
    /// The layers on the processor.
    pub layers: Vec<Layer>,
    pub norm: Vec<f32>,
    pub head: Linear,
    pub pool: Pool,
}

/// The next tokens of one sequence, and what came before them.
pub(super) struct Span<'a> {
    pub tokens: &'a [u32],
    pub cache: &'a mut Cache,
}

/// Memory that one layer after the other uses.
#[derive(Default)]
struct Spare {
    normed: Vec<f32>,
    rounded: Eights,
    wide: Vec<f32>,
    context: Vec<f32>,
}

/// One head's queries of a few tokens of one span: a piece of attention.
struct Piece<'a> {
    span: usize,
    head: usize,
    /// The first of the tokens in the span.
    first: usize,
    queries: Vec<f32>,
    context: Mutex<&'a mut [f32]>,
}

impl Decoder {
    /// The last layer's normalised states of all spans, `[tokens, width]`. The caches grow by
    /// their spans.
    pub(super) fn forward(&self, spans: &mut [Span<'_>]) -> Result<Vec<f32>> {
        let ids: Vec<u32> = spans.iter().flat_map(|span| span.tokens).copied().collect();
        for span in spans.iter_mut() {
            span.cache.reserve(span.tokens.len())?;
        }
        let mut states = self.words.rows(&ids, &self.pool)?;
        for x in &mut states {
            *x *= self.words_scale;
        }
        if let (Some(gpu), Some(span)) = (&self.gpu, spans.first()) {
            // Layers that were passed over would go unnoticed: the text would only be wrong.
            let none = || InferenceError::Compute("a sequence has no room on the GPU".into());
            let pages = span.cache.on_gpu().ok_or_else(none)?;
            gpu.forward(&mut states, spans, &pages)?;
        }
        let mut spare = Spare::default();
        for (index, layer) in self.layers.iter().enumerate() {
            self.attention(index, layer, &mut states, spans, &mut spare)?;
            self.inner(layer, &mut states, &mut spare)?;
        }
        for span in spans {
            span.cache.advance(span.tokens.len());
        }
        let mut normed = vec![0.0; states.len()];
        kernels::rms_norm(&states, &self.norm, self.shape.epsilon, &mut normed);
        Ok(normed)
    }

    /// Scores of every token of the vocabulary after each state: `[states, vocabulary]`.
    pub(super) fn logits(&self, states: &[f32]) -> Result<Vec<f32>> {
        let count = states.len() / self.shape.width;
        let mut logits = vec![0.0; count * self.head.outputs()];
        let mut rounded = Eights::default();
        rounded.fill(states, self.shape.width);
        let input = Input::of(states, self.shape.width, &rounded);
        let head = std::slice::from_ref(&self.head);
        add_products(head, &input, &mut logits, &self.pool)?;
        Ok(logits)
    }

    fn attention(
        &self,
        index: usize,
        layer: &Layer,
        states: &mut [f32],
        spans: &mut [Span<'_>],
        spare: &mut Spare,
    ) -> Result<()> {
        let row = self.shape.q_width() + 2 * self.shape.kv_width();
        let count = states.len() / self.shape.width;
        self.normed(states, &layer.attention_norm, spare);
        match &layer.bias {
            Some(bias) => spare.wide = bias.repeat(count),
            None => zeros(&mut spare.wide, count * row),
        }
        let input = Input::of(&spare.normed, self.shape.width, &spare.rounded);
        add_products(&layer.qkv, &input, &mut spare.wide, &self.pool)?;
        self.remember((index, layer), &mut spare.wide, spans);
        zeros(&mut spare.context, count * self.shape.q_width());
        let window = layer.window;
        self.attend((index, window), &spare.wide, spans, &mut spare.context);
        let width = self.shape.q_width();
        spare.rounded.fill(&spare.context, width);
        let input = Input::of(&spare.context, width, &spare.rounded);
        self.add_normed(
            &layer.attended,
            &input,
            layer.attended_norm.as_deref(),
            states,
        )
    }

    /// Adds a product to the states, normalised first where there is a gain for it.
    fn add_normed(
        &self,
        matrix: &Linear,
        input: &Input<'_>,
        gain: Option<&[f32]>,
        states: &mut [f32],
    ) -> Result<()> {
        let matrix = std::slice::from_ref(matrix);
        let Some(gain) = gain else {
            return add_products(matrix, input, states, &self.pool);
        };
        let mut added = vec![0.0; states.len()];
        add_products(matrix, input, &mut added, &self.pool)?;
        kernels::rms_norm_in_place(&mut added, gain, self.shape.epsilon);
        kernels::add(states, &added);
        Ok(())
    }

    fn inner(&self, layer: &Layer, states: &mut [f32], spare: &mut Spare) -> Result<()> {
        let inner = self.shape.inner;
        let count = states.len() / self.shape.width;
        self.normed(states, &layer.inner_norm, spare);
        zeros(&mut spare.wide, count * 2 * inner);
        let input = Input::of(&spare.normed, self.shape.width, &spare.rounded);
        add_products(&layer.gate_up, &input, &mut spare.wide, &self.pool)?;
        spare.context.resize(count * inner, 0.0);
        match self.activation {
            Activation::Silu => kernels::gated_silu(&spare.wide, inner, &mut spare.context),
            Activation::Gelu => kernels::gated_gelu(&spare.wide, inner, &mut spare.context),
        }
        spare.rounded.fill(&spare.context, inner);
        let input = Input::of(&spare.context, inner, &spare.rounded);
        self.add_normed(&layer.down, &input, layer.down_norm.as_deref(), states)
    }

    /// The states, normalised and rounded, into `spare`.
    fn normed(&self, states: &[f32], gain: &[f32], spare: &mut Spare) {
        spare.normed.resize(states.len(), 0.0);
        kernels::rms_norm(states, gain, self.shape.epsilon, &mut spare.normed);
        spare.rounded.fill(&spare.normed, self.shape.width);
    }

    /// Turns queries and keys to their positions and adds keys and values to the caches.
    fn remember(&self, (index, layer): (usize, &Layer), qkv: &mut [f32], spans: &mut [Span<'_>]) {
        let (q, kv) = (self.shape.q_width(), self.shape.kv_width());
        let scale = 1.0 / (self.shape.head_size as f32).sqrt();
        let mut rows = qkv.chunks_exact_mut(q + 2 * kv);
        for span in spans {
            let first = span.cache.length();
            // The range is first, so that its end takes no row of the next span.
            for (position, row) in (first..first + span.tokens.len()).zip(rows.by_ref()) {
                let (turned, value) = row.split_at_mut(q + kv);
                let (queries, key) = turned.split_at_mut(q);
                if let Some([of_queries, of_keys]) = &layer.head_norms {
                    kernels::rms_norm_in_place(queries, of_queries, self.shape.epsilon);
                    kernels::rms_norm_in_place(key, of_keys, self.shape.epsilon);
                }
                layer.rope.turn(queries, position);
                layer.rope.turn(key, position);
                for query in queries {
                    *query *= scale;
                }
                span.cache.write(index, position, (key, value));
            }
        }
    }

    /// `[tokens, q + k + v]` to `[tokens, q]`, one span after the other.
    fn attend(
        &self,
        (layer, window): (usize, usize),
        qkv: &[f32],
        spans: &[Span<'_>],
        context: &mut [f32],
    ) {
        let size = self.shape.head_size;
        let group = self.shape.heads / self.shape.kv_heads;
        let mut packed = vec![0.0; context.len()];
        let pieces = self.pieces(qkv, spans, &mut packed);
        self.pool.run(pieces.len(), &|index| {
            let Some(piece) = pieces.get(index) else {
                return;
            };
            let (Some(span), Ok(mut out)) = (spans.get(piece.span), piece.context.lock()) else {
                return;
            };
            let pages = span.cache.head(layer, piece.head);
            let visible = Visible {
                first: span.cache.length() + piece.first,
                each: group,
                window,
            };
            kernels::attend_pages(&piece.queries, size, &pages, visible, &mut out);
        });
        let mut first = 0;
        let starts = spans.iter().map(|span| {
            first += span.tokens.len();
            first - span.tokens.len()
        });
        let starts: Vec<usize> = starts.collect();
        for piece in &pieces {
            let start = starts.get(piece.span).copied().unwrap_or_default() + piece.first;
            let Ok(found) = piece.context.lock() else {
                continue;
            };
            let rows = context.chunks_exact_mut(self.shape.q_width()).skip(start);
            for (row, found) in rows.zip(found.chunks_exact(group * size)) {
                let at = piece.head * group * size;
                if let Some(place) = row.get_mut(at..at + group * size) {
                    place.copy_from_slice(found);
                }
            }
        }
    }

    /// Cuts attention into pieces, each with its queries and its part of `packed`.
    fn pieces<'a>(
        &self,
        qkv: &[f32],
        spans: &[Span<'_>],
        mut packed: &'a mut [f32],
    ) -> Vec<Piece<'a>> {
        let group = self.shape.heads / self.shape.kv_heads * self.shape.head_size;
        let row = self.shape.q_width() + 2 * self.shape.kv_width();
        let tokens_a_piece = (QUERIES_A_PIECE * self.shape.head_size / group).max(1);
        let mut pieces = Vec::new();
        let mut rest = qkv;
        for (span, tokens) in spans.iter().map(|span| span.tokens.len()).enumerate() {
            let (own, later) = rest.split_at(tokens * row);
            // The last tokens see most: they go first, so that no thread is left with them.
            for (index, rows) in own.chunks(tokens_a_piece * row).enumerate().rev() {
                for head in 0..self.shape.kv_heads {
                    let queries = rows.chunks_exact(row).flat_map(|row| {
                        row.get(head * group..(head + 1) * group)
                            .unwrap_or_default()
                    });
                    let queries: Vec<f32> = queries.copied().collect();
                    let (context, others) = packed.split_at_mut(queries.len());
                    packed = others;
                    pieces.push(Piece {
                        span,
                        head,
                        first: index * tokens_a_piece,
                        queries,
                        context: Mutex::new(context),
                    });
                }
            }
            rest = later;
        }
        pieces
    }
}

fn zeros(values: &mut Vec<f32>, count: usize) {
    values.clear();
    values.resize(count, 0.0);
}
