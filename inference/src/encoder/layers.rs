//! The layers of an encoder.

use super::relative_positions::PositionProjections;
use crate::rope::RotaryEmbedding;
use cloister_kernels::{ActivationsQ8, MatrixTarget, MatrixView, PackedWeights, float, matmul};
use half::f16;
use std::sync::Arc;

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
    pub(super) fn add_forward(&self, rows: &[f32], quantized: &mut ActivationsQ8, out: &mut [f32]) {
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

/// How a vector is normalised.
pub(super) enum EncoderNorm {
    /// Layer normalisation.
    LayerNorm {
        weight: Vec<f32>,
        bias: Vec<f32>,
        epsilon: f32,
    },
    /// Root-mean-square normalisation: T5.
    RmsNorm { weight: Vec<f32>, epsilon: f32 },
}

impl EncoderNorm {
    pub(super) fn apply(&self, rows: &mut [f32]) {
        match self {
            Self::LayerNorm {
                weight,
                bias,
                epsilon,
            } => float::layer_norm(rows, weight, bias, *epsilon),
            Self::RmsNorm { weight, epsilon } => float::rms_norm_in_place(rows, weight, *epsilon),
        }
    }
}

/// The activation of a feed-forward layer or of a classification head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EncoderActivation {
    Gelu,
    /// GELU in its tanh form.
    TanhGelu,
    Relu,
    Tanh,
    /// The activation of the first half, times the second half.
    GatedGelu,
    GatedTanhGelu,
    GatedSilu,
}

impl EncoderActivation {
    /// The activation of a name in `config.json`.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "gelu" => Some(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Some(Self::TanhGelu),
            "relu" => Some(Self::Relu),
            "tanh" => Some(Self::Tanh),
            "gated-gelu" => Some(Self::GatedTanhGelu),
            "swiglu" | "silu" | "gated-silu" => Some(Self::GatedSilu),
            _ => None,
        }
    }

    pub(super) fn is_gated(self) -> bool {
        matches!(
            self,
            Self::GatedGelu | Self::GatedTanhGelu | Self::GatedSilu
        )
    }

    /// The activated rows. Rows of a gated activation are `2 · inner` wide and become `inner` wide.
    pub(super) fn apply(self, mut rows: Vec<f32>, inner: usize) -> Vec<f32> {
        let gated: fn(&[f32], usize, &mut [f32]) = match self {
            Self::Gelu => {
                float::gelu(&mut rows);
                return rows;
            }
            Self::TanhGelu => return mapped(rows, tanh_gelu),
            Self::Relu => return mapped(rows, |x| x.max(0.0)),
            Self::Tanh => return mapped(rows, f32::tanh),
            Self::GatedGelu => float::gated_exact_gelu,
            Self::GatedTanhGelu => float::gated_gelu,
            Self::GatedSilu => float::gated_silu,
        };
        let mut out = vec![0.0; rows.len() / 2];
        gated(&rows, inner, &mut out);
        out
    }
}

fn mapped(mut values: Vec<f32>, function: impl Fn(f32) -> f32) -> Vec<f32> {
    for x in &mut values {
        *x = function(*x);
    }
    values
}

/// GELU in its tanh form (Hendrycks and Gimpel 2016).
fn tanh_gelu(x: f32) -> f32 {
    let inner = 0.797_884_6 * (0.044_715 * x * x).mul_add(x, x);
    0.5 * x * (1.0 + inner.tanh())
}

/// The embeddings of the vocabulary, as the file stores them: those of a multilingual model are most of its
/// weights.
pub(super) enum EmbeddingTable {
    F32(Vec<f32>),
    /// Little-endian half floats.
    F16(Vec<u8>),
}

impl EmbeddingTable {
    /// Adds a row to `state`. A row that does not exist adds nothing.
    pub(super) fn add_row(&self, index: usize, state: &mut [f32]) {
        let width = state.len();
        let range = index * width..(index + 1) * width;
        match self {
            Self::F32(values) => {
                if let Some(row) = values.get(range) {
                    float::add(state, row);
                }
            }
            Self::F16(bytes) => {
                let row = bytes.get(2 * range.start..2 * range.end);
                let halves = row.unwrap_or_default().as_chunks::<2>().0;
                for (x, half) in state.iter_mut().zip(halves) {
                    *x += f16::from_le_bytes(*half).to_f32();
                }
            }
        }
    }
}

/// One transformer layer.
pub(super) struct EncoderLayer {
    /// Query, key and value as one matrix.
    pub qkv_proj: Dense,
    pub o_proj: Dense,
    /// `None` in ModernBERT's first layer, whose input is normalised already.
    pub attention_norm: Option<EncoderNorm>,
    pub up_proj: Dense,
    pub down_proj: Dense,
    pub mlp_norm: EncoderNorm,
    /// How many tokens a token sees on each side.
    pub window: usize,
    pub rope: Option<Arc<RotaryEmbedding>>,
    /// DeBERTa: the projected embeddings of relative positions.
    pub position_projections: Option<PositionProjections>,
}
