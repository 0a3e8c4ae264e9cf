//! The forward pass of BERT (Devlin et al. 2019) and ModernBERT (Warner et al. 2024) over
//! sequences laid end to end.
//!
//! Nothing is padded: the dense layers see one matrix `[tokens, width]`, and attention runs
//! inside each sequence, so short texts cost what they are.

use crate::kernels::{self, Eights, Head, Scratch, Target, Tiles, View};
use crate::manifest::Pooling;
use crate::rope::Rope;
use std::sync::Arc;

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
    pub(super) fn forward(&self, rows: &[f32], rounded: &mut Eights) -> Vec<f32> {
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
    pub(super) fn apply(&self, rows: &mut [f32]) {
        kernels::layer_norm(rows, &self.gain, &self.bias, self.epsilon);
    }
}

/// Where a layer normalises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// What it has added to the states: BERT.
    After,
    /// What it reads from the states, which stay as they are: ModernBERT.
    Before,
}

/// What lies between the two wide matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    Gelu,
    /// Half of it, after GELU, times the other half.
    GatedGelu,
}

/// One layer; query, key and value are one matrix.
pub(super) struct Layer {
    pub qkv: Dense,
    pub attended: Dense,
    /// None in ModernBERT's first layer, whose states are normalised already.
    pub attention_norm: Option<Norm>,
    pub widen: Dense,
    pub narrow: Dense,
    pub inner_norm: Norm,
    /// How far a token sees.
    pub window: usize,
    pub rope: Option<Arc<Rope>>,
}

/// The whole encoder.
pub(super) struct Encoder {
    pub heads: usize,
    pub words: Vec<f32>,
    /// What is added at each position; empty where positions are turns.
    pub positions: Vec<f32>,
    /// What is added to each token of the first and of the second text; empty for none.
    pub segments: Vec<f32>,
    pub norm: Norm,
    pub layers: Vec<Layer>,
    /// After the last layer.
    pub last_norm: Option<Norm>,
    pub order: Order,
    pub activation: Activation,
}

/// The ids of a text, or of two, the second from `second` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sequence {
    pub ids: Vec<u32>,
    pub second: usize,
}

impl Encoder {
    pub(super) fn width(&self) -> usize {
        self.norm.gain.len()
    }

    /// One vector for each sequence: `[sequences, width]`, on one thread.
    pub(super) fn pooled(&self, sequences: &[&Sequence], pooling: Pooling) -> Vec<Vec<f32>> {
        let mut states = self.embedded(sequences);
        self.norm.apply(&mut states);
        let mut spare = Spare::default();
        for layer in &self.layers {
            match self.order {
                Order::After => self.layer_after(layer, &mut states, sequences, &mut spare),
                Order::Before => self.layer_before(layer, &mut states, sequences, &mut spare),
            }
        }
        if let Some(norm) = &self.last_norm {
            norm.apply(&mut states);
        }
        let width = self.width();
        let mut rows = states.chunks_exact(width);
        sequences
            .iter()
            .map(|sequence| {
                let mut own = rows.by_ref().take(sequence.ids.len());
                match pooling {
                    Pooling::Mean => mean(own, width),
                    Pooling::First => {
                        let first = own.next().map_or_else(Vec::new, <[f32]>::to_vec);
                        own.for_each(drop);
                        first
                    }
                }
            })
            .collect()
    }

    fn embedded(&self, sequences: &[&Sequence]) -> Vec<f32> {
        let width = self.width();
        let total: usize = sequences.iter().map(|sequence| sequence.ids.len()).sum();
        let mut states = Vec::with_capacity(total * width);
        for sequence in sequences {
            for (place, id) in sequence.ids.iter().enumerate() {
                let start = states.len();
                states.resize(start + width, 0.0);
                let segment = usize::from(place >= sequence.second);
                let rows = [
                    (&self.positions, place),
                    (&self.segments, segment),
                    (&self.words, *id as usize),
                ];
                for (table, at) in rows {
                    let row = table.get(at * width..(at + 1) * width);
                    if let (Some(state), Some(row)) = (states.get_mut(start..), row) {
                        kernels::add(state, row);
                    }
                }
            }
        }
        states
    }

    fn layer_after(
        &self,
        layer: &Layer,
        states: &mut [f32],
        sequences: &[&Sequence],
        spare: &mut Spare,
    ) {
        let qkv = layer.qkv.forward(states, &mut spare.rounded);
        let context = self.attend(layer, &qkv, sequences, &mut spare.attention);
        layer.attended.add(&context, &mut spare.rounded, states);
        if let Some(norm) = &layer.attention_norm {
            norm.apply(states);
        }
        for states in states.chunks_mut(WIDE_STEP * self.width()) {
            let inner = self.inner(layer, states, &mut spare.rounded);
            layer.narrow.add(&inner, &mut spare.rounded, states);
            layer.inner_norm.apply(states);
        }
    }

    fn layer_before(
        &self,
        layer: &Layer,
        states: &mut [f32],
        sequences: &[&Sequence],
        spare: &mut Spare,
    ) {
        let mut normed = states.to_vec();
        if let Some(norm) = &layer.attention_norm {
            norm.apply(&mut normed);
        }
        let mut qkv = layer.qkv.forward(&normed, &mut spare.rounded);
        if let Some(rope) = &layer.rope {
            self.turn(rope, &mut qkv, sequences);
        }
        let context = self.attend(layer, &qkv, sequences, &mut spare.attention);
        layer.attended.add(&context, &mut spare.rounded, states);
        for states in states.chunks_mut(WIDE_STEP * self.width()) {
            let mut normed = states.to_vec();
            layer.inner_norm.apply(&mut normed);
            let inner = self.inner(layer, &normed, &mut spare.rounded);
            layer.narrow.add(&inner, &mut spare.rounded, states);
        }
    }

    fn inner(&self, layer: &Layer, rows: &[f32], rounded: &mut Eights) -> Vec<f32> {
        let mut wide = layer.widen.forward(rows, rounded);
        match self.activation {
            Activation::Gelu => {
                kernels::gelu(&mut wide);
                wide
            }
            Activation::GatedGelu => {
                let mut gated = vec![0.0; wide.len() / 2];
                let inner = layer.widen.bias.len() / 2;
                kernels::gated_exact_gelu(&wide, inner, &mut gated);
                gated
            }
        }
    }

    /// Turns queries and keys to their positions.
    fn turn(&self, rope: &Rope, qkv: &mut [f32], sequences: &[&Sequence]) {
        let width = self.width();
        let places = sequences.iter().flat_map(|sequence| 0..sequence.ids.len());
        for (row, place) in qkv.chunks_exact_mut(3 * width).zip(places) {
            let (turned, _) = row.split_at_mut(2 * width);
            rope.turn(turned, place);
        }
    }

    /// Attention of each sequence to itself: `[tokens, 3 · width]` to `[tokens, width]`.
    fn attend(
        &self,
        layer: &Layer,
        qkv: &[f32],
        sequences: &[&Sequence],
        scratch: &mut Scratch,
    ) -> Vec<f32> {
        let width = self.width();
        let size = width / self.heads;
        let mut context = vec![0.0; qkv.len() / 3];
        let (mut qkv, mut out) = (qkv, context.as_mut_slice());
        for sequence in sequences {
            let count = sequence.ids.len();
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
