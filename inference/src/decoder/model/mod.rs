//! The forward pass of llama (Touvron et al. 2023) and related decoders: RMS norm, rotary positions,
//! grouped-query attention, a gated MLP. What some families add (biases, norms of heads and of
//! residual branches, sliding windows) runs if the file has it.

mod attention;
mod config;
mod forward;
mod layer;
mod linear;
mod mlp;

pub(super) use config::ModelConfig;
pub(super) use forward::Decoder;
pub(super) use layer::{Activation, DecoderLayer, QkNorm};
pub(super) use linear::Linear;
