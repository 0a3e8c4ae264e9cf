//! BERT's forward pass (Devlin et al. 2019) over sequences laid end to end.
//!
//! Nothing is padded: the dense layers see one matrix `[tokens, width]`, and attention runs
//! inside each sequence, so short texts cost what they are.

use crate::kernels::{self, Target, View};

/// `y = x · weight + bias`, weight `[inputs, outputs]`: the order that the product reads it in.
pub(super) struct Dense {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Dense {
    /// `[tokens, inputs]` to `[tokens, outputs]`.
    fn forward(&self, rows: &[f32]) -> Vec<f32> {
        let outputs = self.bias.len();
        let inputs = self.weight.len() / outputs;
        let count = rows.len() / inputs;
        let mut out = self.bias.repeat(count);
        kernels::matmul(
            &mut Target {
                data: &mut out,
                row_stride: outputs,
                add: true,
            },
            1.0,
            View::rows(rows, count, inputs, inputs),
            View::rows(&self.weight, inputs, outputs, outputs),
        );
        out
    }
}

/// Layer normalisation.
pub(super) struct Norm {
    pub gain: Vec<f32>,
    pub bias: Vec<f32>,
    pub epsilon: f32,
}

impl Norm {
    fn apply(&self, rows: &mut [f32]) {
        kernels::layer_norm(rows, &self.gain, &self.bias, self.epsilon);
    }
}

/// One layer; query, key and value are one matrix.
pub(super) struct Layer {
    pub qkv: Dense,
    pub attended: Dense,
    pub attended_norm: Norm,
    pub widen: Dense,
    pub narrow: Dense,
    pub norm: Norm,
}

/// The whole encoder.
pub(super) struct Encoder {
    pub heads: usize,
    pub words: Vec<f32>,
    pub positions: Vec<f32>,
    pub norm: Norm,
    pub layers: Vec<Layer>,
}

impl Encoder {
    pub(super) fn width(&self) -> usize {
        self.norm.gain.len()
    }

    /// The mean of each sequence's token vectors: `[sequences, width]`, on one thread.
    pub(super) fn pooled(&self, sequences: &[&[u32]]) -> Vec<Vec<f32>> {
        let mut states = self.embedded(sequences);
        self.norm.apply(&mut states);
        for layer in &self.layers {
            states = self.layer(layer, states, sequences);
        }
        let width = self.width();
        let mut rows = states.chunks_exact(width);
        sequences
            .iter()
            .map(|sequence| mean(rows.by_ref().take(sequence.len()), width))
            .collect()
    }

    fn embedded(&self, sequences: &[&[u32]]) -> Vec<f32> {
        let width = self.width();
        let total: usize = sequences.iter().map(|sequence| sequence.len()).sum();
        let mut states = Vec::with_capacity(total * width);
        for sequence in sequences {
            for (id, position) in sequence.iter().zip(self.positions.chunks_exact(width)) {
                let start = states.len();
                states.extend_from_slice(position);
                let word = self.words.chunks_exact(width).nth(*id as usize);
                if let (Some(word), Some(state)) = (word, states.get_mut(start..)) {
                    kernels::add(state, word);
                }
            }
        }
        states
    }

    fn layer(&self, layer: &Layer, mut states: Vec<f32>, sequences: &[&[u32]]) -> Vec<f32> {
        let qkv = layer.qkv.forward(&states);
        let attended = layer.attended.forward(&self.attend(&qkv, sequences));
        kernels::add(&mut states, &attended);
        layer.attended_norm.apply(&mut states);
        let mut inner = layer.widen.forward(&states);
        kernels::gelu(&mut inner);
        kernels::add(&mut states, &layer.narrow.forward(&inner));
        layer.norm.apply(&mut states);
        states
    }

    /// Attention of each sequence to itself: `[tokens, 3 · width]` to `[tokens, width]`.
    fn attend(&self, qkv: &[f32], sequences: &[&[u32]]) -> Vec<f32> {
        let width = self.width();
        let mut context = vec![0.0; qkv.len() / 3];
        let longest = sequences.iter().map(|s| s.len()).max().unwrap_or(0);
        let mut scores = vec![0.0; longest * longest];
        let (mut qkv, mut out) = (qkv, context.as_mut_slice());
        for sequence in sequences {
            let count = sequence.len();
            let (own, later) = qkv.split_at(count * 3 * width);
            let (own_out, later_out) = out.split_at_mut(count * width);
            self.attend_within(own, own_out, &mut scores, count);
            (qkv, out) = (later, later_out);
        }
        context
    }

    fn attend_within(&self, qkv: &[f32], out: &mut [f32], scores: &mut [f32], count: usize) {
        let width = self.width();
        let size = width / self.heads;
        let scale = 1.0 / (size as f32).sqrt();
        let (scores, _) = scores.split_at_mut(count * count);
        for head in 0..self.heads {
            let part = |index: usize| {
                let (_, from) = qkv.split_at((index * width + head * size).min(qkv.len()));
                View::rows(from, count, size, 3 * width)
            };
            let mut target = Target {
                data: scores,
                row_stride: count,
                add: false,
            };
            kernels::matmul(&mut target, scale, part(0), part(1).transposed());
            kernels::softmax(scores, count);
            let (_, columns) = out.split_at_mut((head * size).min(out.len()));
            let mut target = Target {
                data: columns,
                row_stride: width,
                add: false,
            };
            let weights = View::rows(scores, count, count, count);
            kernels::matmul(&mut target, 1.0, weights, part(2));
        }
    }
}

fn mean<'a>(rows: impl Iterator<Item = &'a [f32]>, width: usize) -> Vec<f32> {
    let mut sum = vec![0.0; width];
    let mut count = 0.0_f32;
    for row in rows {
        kernels::add(&mut sum, row);
        count += 1.0;
    }
    for x in &mut sum {
        *x /= count.max(1.0);
    }
    sum
}
