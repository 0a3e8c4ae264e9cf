//! From a GGUF file to a decoder.

use super::decoder::{Decoder, Layer, Shape};
use super::metadata::Metadata;
use super::rope::Rope;
use super::tensors::Tensors;
use crate::error::Result;
use crate::kernels::Pool;
use rayon::prelude::*;

/// Positions kept ready at most, whatever the file promises: the memory of a long context is the
/// administrator's to spend, not the file's.
const MOST_CONTEXT: usize = 32_768;

/// Builds the decoder; the second value is its context in tokens.
pub(super) fn decoder(tensors: &Tensors<'_>) -> Result<(Decoder, usize)> {
    let head = tensors.head;
    refuse_what_is_not_llama(head)?;
    let shape = shape(head)?;
    let context = head.integer("llama.context_length")?.min(MOST_CONTEXT);
    let layers = (0..shape.layers)
        .into_par_iter()
        .map(|index| layer(tensors, index, shape))
        .collect::<Result<Vec<_>>>()?;
    let words = tensors.linear("token_embd.weight", shape.width)?;
    let output = if tensors.has("output.weight") {
        tensors.linear("output.weight", shape.width)?
    } else {
        words.clone()
    };
    let decoder = Decoder {
        rope: rope(tensors, shape, context)?,
        norm: tensors.floats("output_norm.weight", shape.width)?,
        shape,
        words,
        layers,
        head: output,
        pool: Pool::new(rayon::current_num_threads()),
    };
    Ok((decoder, context))
}

fn refuse_what_is_not_llama(head: Metadata<'_>) -> Result<()> {
    let architecture = head.text("general.architecture")?;
    if architecture != "llama" {
        return Err(head.unsupported(format!(
            "its architecture is `{architecture}`, and this build runs `llama`"
        )));
    }
    if head.optional_integer("llama.expert_count").unwrap_or(0) > 0 {
        return Err(head.unsupported("it is a mixture of experts".into()));
    }
    let scaling = head
        .optional_text("llama.rope.scaling.type")
        .unwrap_or("none");
    if scaling != "none" {
        return Err(head.unsupported(format!("it scales its positions by `{scaling}`")));
    }
    Ok(())
}

fn shape(head: Metadata<'_>) -> Result<Shape> {
    let width = head.integer("llama.embedding_length")?;
    let heads = head.integer("llama.attention.head_count")?;
    let kv_heads = head
        .optional_integer("llama.attention.head_count_kv")
        .unwrap_or(heads);
    if heads == 0 || kv_heads == 0 || heads % kv_heads != 0 || width == 0 {
        return Err(head.damaged("its attention heads do not divide".into()));
    }
    let head_size = head
        .optional_integer("llama.attention.key_length")
        .unwrap_or(width / heads);
    if head_size == 0 || !head_size.is_multiple_of(16) || !width.is_multiple_of(32) {
        return Err(head.unsupported(format!(
            "its heads are {head_size} wide and its states {width}, and the kernels take \
             multiples of 16 and 32"
        )));
    }
    Ok(Shape {
        width,
        heads,
        kv_heads,
        head_size,
        inner: head.integer("llama.feed_forward_length")?,
        layers: head.integer("llama.block_count")?,
        epsilon: head.float("llama.attention.layer_norm_rms_epsilon")?,
    })
}

fn rope(tensors: &Tensors<'_>, shape: Shape, context: usize) -> Result<Rope> {
    let head = tensors.head;
    let turned = head
        .optional_integer("llama.rope.dimension_count")
        .unwrap_or(shape.head_size)
        .min(shape.head_size);
    let base = head.float("llama.rope.freq_base").unwrap_or(10_000.0);
    let factors = if tensors.has("rope_freqs.weight") {
        Some(tensors.floats("rope_freqs.weight", turned / 2)?)
    } else {
        None
    };
    Ok(Rope::new(
        shape.head_size,
        turned,
        base,
        factors.as_deref(),
        context,
    ))
}

fn layer(tensors: &Tensors<'_>, index: usize, shape: Shape) -> Result<Layer> {
    let name = |part: &str| format!("blk.{index}.{part}.weight");
    let names = |parts: &[&str]| parts.iter().map(|part| name(part)).collect::<Vec<_>>();
    let context = shape.heads * shape.head_size;
    let layer = Layer {
        attention_norm: tensors.floats(&name("attn_norm"), shape.width)?,
        qkv: tensors.fused(&names(&["attn_q", "attn_k", "attn_v"]), shape.width)?,
        attended: tensors.linear(&name("attn_output"), context)?,
        inner_norm: tensors.floats(&name("ffn_norm"), shape.width)?,
        gate_up: tensors.fused(&names(&["ffn_gate", "ffn_up"]), shape.width)?,
        down: tensors.linear(&name("ffn_down"), shape.inner)?,
    };
    let outputs =
        |parts: &[super::linear::Linear]| parts.iter().map(super::linear::Linear::outputs).sum();
    let expected: [(usize, usize); 4] = [
        (
            outputs(&layer.qkv),
            (shape.heads + 2 * shape.kv_heads) * shape.head_size,
        ),
        (layer.attended.outputs(), shape.width),
        (outputs(&layer.gate_up), 2 * shape.inner),
        (layer.down.outputs(), shape.width),
    ];
    if expected.iter().any(|(found, wanted)| found != wanted) {
        return Err(tensors
            .head
            .damaged(format!("the matrices of layer {index} do not fit together")));
    }
    Ok(layer)
}
