//! The weights of one layer.

use super::linear::Linear;
use crate::rope::RotaryEmbedding;
use std::sync::Arc;

/// The weights of the norms of each query head and of each key head.
pub(in crate::decoder) struct QkNorm {
    pub query_weight: Vec<f32>,
    pub key_weight: Vec<f32>,
}

/// One layer. Matrices with the same input are one matrix if their formats allow it.
pub(in crate::decoder) struct DecoderLayer {
    pub attention_norm: Vec<f32>,
    pub qkv_proj: Vec<Linear>,
    pub qkv_bias: Option<Vec<f32>>,
    pub qk_norm: Option<QkNorm>,
    pub o_proj: Linear,
    /// Norm of the attention output, before it is added to the states.
    pub attention_post_norm: Option<Vec<f32>>,
    pub mlp_norm: Vec<f32>,
    pub gate_up_proj: Vec<Linear>,
    pub down_proj: Linear,
    /// Norm of the MLP output, before it is added to the states.
    pub mlp_post_norm: Option<Vec<f32>>,
    /// Keys that a query sees, its own included.
    pub window: usize,
    pub rope: Arc<RotaryEmbedding>,
}

/// The activation of the MLP's gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decoder) enum Activation {
    Silu,
    Gelu,
}
