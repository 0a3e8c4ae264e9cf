//! BERT's forward pass (Devlin et al. 2019) over sequences laid end to end.
//!
//! Nothing is padded: the dense layers see one matrix `[tokens, width]`, and attention runs
//! inside each sequence, so short texts cost what they are.

use crate::kernels::{self, Eights, Head, Scratch, Target, Tiles, View};

/// Tokens taken through the two wide matrices together, so that what lies between them stays near.
const WIDE_STEP: usize = 64;

/// A matrix, in the form that its products run on.
pub(super) enum Matrix {
    /// `[inputs, outputs]`: the order that the product reads it in.
    Floats(Vec<f32>),
    /// Eight bits; what it is multiplied with is rounded to eight bits too.
    Eights(Tiles),
}

/// `y = x · weight + bias`.
pub(super) struct Dense {
    pub weight: Matrix,
    pub bias: Vec<f32>,
}

impl Dense {
    /// `[tokens, inputs]` to `[tokens, outputs]`.
    fn forward(&self, rows: &[f32], rounded: &mut Eights) -> Vec<f32> {
        let inputs = self.inputs();
        let mut out = self.bias.repeat(rows.len() / inputs);
        self.add_product(rows, rounded, &mut out);
        out
    }

    /// Adds what [`Self::forward`] gives to `out`.
    fn add(&self, rows: &[f32], rounded: &mut Eights, out: &mut [f32]) {
        for row in out.chunks_exact_mut(self.bias.len()) {
            kernels::add(row, &self.bias);
        }
        self.add_product(rows, rounded, out);
    }

    fn inputs(&self) -> usize {
        match &self.weight {
            Matrix::Floats(weight) => weight.len() / self.bias.len(),
            Matrix::Eights(tiles) => tiles.inputs(),
        }
    }

    fn add_product(&self, rows: &[f32], rounded: &mut Eights, out: &mut [f32]) {
        let (inputs, outputs) = (self.inputs(), self.bias.len());
        let count = rows.len() / inputs;
        match &self.weight {
            Matrix::Floats(weight) => {
                let mut target = Target {
                    data: out,
                    row_stride: outputs,
                    add: true,
                };
                let left = View::rows(rows, count, inputs, inputs);
                let right = View::rows(weight, inputs, outputs, outputs);
                kernels::matmul(&mut target, 1.0, left, right);
            }
            Matrix::Eights(tiles) => {
                rounded.fill(rows, inputs);
                tiles.add_product(rounded, out);
            }
        }
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
        let mut spare = Spare::default();
        for layer in &self.layers {
            self.layer(layer, &mut states, sequences, &mut spare);
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

    fn layer(&self, layer: &Layer, states: &mut [f32], sequences: &[&[u32]], spare: &mut Spare) {
        let qkv = layer.qkv.forward(states, &mut spare.rounded);
        let context = self.attend(&qkv, sequences, &mut spare.attention);
        layer.attended.add(&context, &mut spare.rounded, states);
        layer.attended_norm.apply(states);
        for states in states.chunks_mut(WIDE_STEP * self.width()) {
            let mut inner = layer.widen.forward(states, &mut spare.rounded);
            kernels::gelu(&mut inner);
            layer.narrow.add(&inner, &mut spare.rounded, states);
            layer.norm.apply(states);
        }
    }

    /// Attention of each sequence to itself: `[tokens, 3 · width]` to `[tokens, width]`.
    fn attend(&self, qkv: &[f32], sequences: &[&[u32]], scratch: &mut Scratch) -> Vec<f32> {
        let width = self.width();
        let size = width / self.heads;
        let mut context = vec![0.0; qkv.len() / 3];
        let (mut qkv, mut out) = (qkv, context.as_mut_slice());
        for sequence in sequences {
            let count = sequence.len();
            let (data, later) = qkv.split_at(count * 3 * width);
            let (own, later_out) = out.split_at_mut(count * width);
            for first in (0..width).step_by(size) {
                let head = Head {
                    data,
                    stride: 3 * width,
                    count,
                    size,
                    query: first,
                    key: width + first,
                    value: 2 * width + first,
                };
                let (_, columns) = own.split_at_mut(first.min(own.len()));
                scratch.attend(head, 1.0 / (size as f32).sqrt(), columns, width);
            }
            (qkv, out) = (later, later_out);
        }
        context
    }
}

/// Memory that one layer after the other uses.
#[derive(Default)]
struct Spare {
    rounded: Eights,
    attention: Scratch,
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
