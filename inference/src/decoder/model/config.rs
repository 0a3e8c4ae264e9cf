//! The sizes of a model.

/// The sizes of a model.
#[derive(Clone, Copy, Debug)]
pub(in crate::decoder) struct ModelConfig {
    pub hidden_size: usize,
    pub num_heads: usize,
    pub num_kv_heads: usize,
    pub head_dim: usize,
    pub intermediate_size: usize,
    pub num_layers: usize,
    pub rms_norm_eps: f32,
}

impl ModelConfig {
    /// Floats of the queries of a token.
    pub(in crate::decoder) fn query_width(&self) -> usize {
        self.num_heads * self.head_dim
    }

    /// Floats of the keys of a token, and of its values.
    pub(in crate::decoder) fn kv_width(&self) -> usize {
        self.num_kv_heads * self.head_dim
    }

    /// Query heads per key head.
    pub(in crate::decoder) fn queries_per_kv_head(&self) -> usize {
        self.num_heads / self.num_kv_heads
    }
}
