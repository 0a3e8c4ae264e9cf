//! The gated MLP of a layer.

use super::forward::{Decoder, DecoderScratch, reset};
use super::layer::{Activation, DecoderLayer};
use super::linear::{Input, add_products};
use crate::error::Result;
use cloister_kernels::float;

impl Decoder {
    /// Adds the output of a layer's MLP to the states.
    pub(super) fn add_mlp(
        &self,
        layer: &DecoderLayer,
        states: &mut [f32],
        scratch: &mut DecoderScratch,
    ) -> Result<()> {
        let (hidden_size, inner) = (self.config.hidden_size, self.config.intermediate_size);
        let count = states.len() / hidden_size;
        self.normalize(states, &layer.mlp_norm, scratch);
        reset(&mut scratch.wide, count * 2 * inner);
        let input = Input::new(&scratch.normed, hidden_size, &scratch.quantized);
        add_products(&layer.gate_up_proj, &input, &mut scratch.wide, &self.pool)?;
        scratch.context.resize(count * inner, 0.0);
        match self.activation {
            Activation::Silu => float::gated_silu(&scratch.wide, inner, &mut scratch.context),
            Activation::Gelu => float::gated_gelu(&scratch.wide, inner, &mut scratch.context),
        }
        scratch.quantized.quantize(&scratch.context, inner);
        let input = Input::new(&scratch.context, inner, &scratch.quantized);
        self.add_branch(
            &layer.down_proj,
            &input,
            layer.mlp_post_norm.as_deref(),
            states,
        )
    }
}
