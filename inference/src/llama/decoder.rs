//! The llama family's forward pass (Touvron et al. 2023): RMS norm, rotary positions, grouped
//! queries, a gated `SiLU`.
//!
//! Sequences are laid end to end, so that the matrix products see all of their tokens at once and
//! nothing is padded; attention runs inside each sequence against its own cache.

use super::linear::Linear;
use super::rope::Rope;
use crate::error::Result;
use crate::kernels::{self, Target, View};
use rayon::prelude::*;

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
    pub attended: Linear,
    pub inner_norm: Vec<f32>,
    pub gate_up: Vec<Linear>,
    pub down: Linear,
}

/// The whole decoder.
pub(super) struct Decoder {
    pub shape: Shape,
    pub rope: Rope,
    pub words: Linear,
    pub layers: Vec<Layer>,
    pub norm: Vec<f32>,
    pub head: Linear,
}

/// Keys and values of one sequence, room for all of it set aside at once.
pub(super) struct Cache {
    layers: Vec<(Vec<f32>, Vec<f32>)>,
    length: usize,
}

/// The next tokens of one sequence, and what came before them.
pub(super) struct Span<'a> {
    pub tokens: &'a [u32],
    pub cache: &'a mut Cache,
}

impl Decoder {
    /// An empty cache with room for `tokens`.
    pub(super) fn cache(&self, tokens: usize) -> Cache {
        let room = tokens * self.shape.kv_width();
        let layer = || (Vec::with_capacity(room), Vec::with_capacity(room));
        Cache {
            layers: (0..self.shape.layers).map(|_| layer()).collect(),
            length: 0,
        }
    }

    /// The last layer's normalised states of all spans, `[tokens, width]`. The caches grow by
    /// their spans.
    pub(super) fn forward(&self, spans: &mut [Span<'_>]) -> Result<Vec<f32>> {
        let ids: Vec<u32> = spans.iter().flat_map(|span| span.tokens).copied().collect();
        let mut states = self.words.rows(&ids)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let normed = self.normed(&states, &layer.attention_norm);
            let qkv = together(&layer.qkv, &normed)?;
            let context = self.attend(index, qkv, spans);
            kernels::add(&mut states, &layer.attended.forward(&context)?);
            let normed = self.normed(&states, &layer.inner_norm);
            let gate_up = together(&layer.gate_up, &normed)?;
            let mut gated = vec![0.0; gate_up.len() / 2];
            kernels::gated_silu(&gate_up, self.shape.inner, &mut gated);
            kernels::add(&mut states, &layer.down.forward(&gated)?);
        }
        for span in spans {
            span.cache.length += span.tokens.len();
        }
        Ok(self.normed(&states, &self.norm))
    }

    fn normed(&self, states: &[f32], gain: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; states.len()];
        kernels::rms_norm(states, gain, self.shape.epsilon, &mut out);
        out
    }

    /// Scores of every token of the vocabulary after each state: `[states, vocabulary]`.
    pub(super) fn logits(&self, states: &[f32]) -> Result<Vec<f32>> {
        self.head.forward(states)
    }

    /// `[tokens, q + k + v]` to `[tokens, q]`, one span after the other.
    fn attend(&self, layer: usize, mut qkv: Vec<f32>, spans: &mut [Span<'_>]) -> Vec<f32> {
        let row = self.shape.q_width() + 2 * self.shape.kv_width();
        let mut context = Vec::with_capacity(qkv.len() / row * self.shape.q_width());
        let mut rest = qkv.as_mut_slice();
        for span in spans {
            let (own, later) = rest.split_at_mut(span.tokens.len() * row);
            self.remember(layer, own, span.cache);
            let cache: &Cache = span.cache;
            self.attend_span(layer, own, cache, &mut context);
            rest = later;
        }
        context
    }

    /// Turns queries and keys to their positions and adds keys and values to the cache.
    fn remember(&self, layer: usize, qkv: &mut [f32], cache: &mut Cache) {
        let (q, kv) = (self.shape.q_width(), self.shape.kv_width());
        let Some((keys, values)) = cache.layers.get_mut(layer) else {
            return;
        };
        for (row, position) in qkv.chunks_exact_mut(q + 2 * kv).zip(cache.length..) {
            let (turned, value) = row.split_at_mut(q + kv);
            self.rope.turn(turned, position);
            let (_, key) = turned.split_at(q);
            keys.extend_from_slice(key);
            values.extend_from_slice(value);
        }
    }

    fn attend_span(&self, layer: usize, qkv: &[f32], cache: &Cache, context: &mut Vec<f32>) {
        let Shape {
            heads, head_size, ..
        } = self.shape;
        let row = self.shape.q_width() + 2 * self.shape.kv_width();
        let count = qkv.len() / row;
        let Some((keys, values)) = cache.layers.get(layer) else {
            return;
        };
        let mut by_head = vec![0.0; heads * count * head_size];
        let one = |(head, out): (usize, &mut [f32])| {
            let (_, queries) = qkv.split_at((head * head_size).min(qkv.len()));
            let queries = View::rows(queries, count, head_size, row);
            self.attend_head(head, queries, (keys, values), (count, cache.length), out);
        };
        let chunk = (count * head_size).max(1);
        if count > 1 {
            by_head.par_chunks_mut(chunk).enumerate().for_each(one);
        } else {
            by_head.chunks_mut(chunk).enumerate().for_each(one);
        }
        for token in 0..count {
            for head in by_head.chunks_exact(chunk) {
                context.extend(head.iter().skip(token * head_size).take(head_size));
            }
        }
    }

    /// One head of one span: `[count, head_size]` into `out`.
    fn attend_head(
        &self,
        head: usize,
        queries: View<'_>,
        (keys, values): (&[f32], &[f32]),
        (count, past): (usize, usize),
        out: &mut [f32],
    ) {
        let Shape {
            heads,
            kv_heads,
            head_size,
            ..
        } = self.shape;
        let width = self.shape.kv_width();
        let seen = past + count;
        let first = head / (heads / kv_heads) * head_size;
        let part = |of: &'_ [f32]| -> usize { first.min(of.len()) };
        let (_, keys) = keys.split_at(part(keys));
        let (_, values) = values.split_at(part(values));
        let mut scores = vec![0.0; count * seen];
        let mut target = Target {
            data: &mut scores,
            row_stride: seen,
            add: false,
        };
        let scale = 1.0 / (head_size as f32).sqrt();
        let keys = View::rows(keys, seen, head_size, width);
        kernels::matmul(&mut target, scale, queries, keys.transposed());
        kernels::causal_softmax(&mut scores, seen, past);
        let mut target = Target {
            data: out,
            row_stride: head_size,
            add: false,
        };
        let weights = View::rows(&scores, count, seen, seen);
        kernels::matmul(
            &mut target,
            1.0,
            weights,
            View::rows(values, seen, head_size, width),
        );
    }
}

/// The outputs of several matrices over the same input, side by side in each row.
fn together(parts: &[Linear], input: &[f32]) -> Result<Vec<f32>> {
    if let [only] = parts {
        return only.forward(input);
    }
    let outputs = parts
        .iter()
        .map(|part| Ok((part.outputs(), part.forward(input)?)))
        .collect::<Result<Vec<_>>>()?;
    let mut rows: Vec<_> = outputs
        .iter()
        .map(|(width, values)| values.chunks_exact(*width))
        .collect();
    let mut joined = Vec::new();
    loop {
        for part in &mut rows {
            match part.next() {
                Some(row) => joined.extend_from_slice(row),
                None => return Ok(joined),
            }
        }
    }
}
