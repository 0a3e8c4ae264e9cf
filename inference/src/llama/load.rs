//! From a GGUF file to a decoder.

use super::decoder::{Activation, Decoder, Layer, Shape};
use super::gpu::{GpuLayers, Placement};
use super::linear::Linear;
use super::metadata::Metadata;
use super::tensors::Tensors;
use crate::error::Result;
use crate::kernels::Pool;
use crate::rope::{Pairs, Rope, Stretch, Turning};
use rayon::prelude::*;
use std::sync::Arc;

/// Layers, and elements of a row, at most: what a file may make this program count to.
const MOST_LAYERS: usize = 1 << 10;
const MOST_WIDTH: usize = 1 << 20;

/// What the file does not say about a family of models.
struct Family {
    /// `general.architecture`.
    name: &'static str,
    pairs: Pairs,
    activation: Activation,
    /// Whether embeddings are multiplied by the root of their width.
    scales_words: bool,
    /// Of so many layers all but the last see a window only, and turn by a base of their own.
    windowed: Option<usize>,
}

/// A family like most: what differs is said below.
const LIKE_LLAMA: Family = Family {
    name: "llama",
    pairs: Pairs::Neighbours,
    activation: Activation::Silu,
    scales_words: false,
    windowed: None,
};

const LIKE_QWEN: Family = Family {
    pairs: Pairs::Halves,
    ..LIKE_LLAMA
};

const FAMILIES: [Family; 5] = [
    LIKE_LLAMA,
    Family {
        name: "qwen2",
        ..LIKE_QWEN
    },
    Family {
        name: "qwen3",
        ..LIKE_QWEN
    },
    Family {
        name: "phi3",
        ..LIKE_QWEN
    },
    Family {
        name: "gemma3",
        activation: Activation::Gelu,
        scales_words: true,
        windowed: Some(6),
        ..LIKE_QWEN
    },
];

/// Gemma 3's base for the layers with a window, which no file states.
const WINDOWED_BASE: f32 = 10_000.0;

/// The head's values of one architecture: `rope.freq_base` is `qwen2.rope.freq_base`.
pub(super) struct Head<'a> {
    pub of: Metadata<'a>,
    name: &'static str,
}

impl<'a> Head<'a> {
    pub(super) fn integer(&self, key: &str) -> Result<usize> {
        self.of.integer(&self.key(key))
    }

    pub(super) fn optional_integer(&self, key: &str) -> Option<usize> {
        self.of.optional_integer(&self.key(key))
    }

    pub(super) fn float(&self, key: &str) -> Result<f32> {
        self.of.float(&self.key(key))
    }

    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.of.optional_text(&self.key(key))
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }
}

/// What a layer is read with.
struct Source<'a> {
    tensors: &'a Tensors<'a>,
    family: &'static Family,
    head: Head<'a>,
    shape: Shape,
    everywhere: Arc<Rope>,
    windowed: Arc<Rope>,
    window: usize,
    placement: &'a Placement,
}

/// The decoder's sizes and its context in tokens, without reading a matrix.
pub(super) fn sizes(tensors: &Tensors<'_>) -> Result<(Shape, usize)> {
    let (_, head) = family(tensors)?;
    let context = head.integer("context_length")?;
    if context == 0 {
        return Err(head.of.damaged("its context holds no token".into()));
    }
    Ok((shape(tensors, &head)?, context))
}

/// Builds the decoder for a context of so many tokens, to run on so many threads and where
/// `placement` says.
pub(super) fn decoder(
    tensors: &Tensors<'_>,
    context: usize,
    threads: Option<usize>,
    placement: &Placement,
) -> Result<Decoder> {
    let (family, head) = family(tensors)?;
    let shape = shape(tensors, &head)?;
    let everywhere = Arc::new(Rope::new(
        &turning(tensors, family, &head, context)?,
        context,
    ));
    let windowed = if family.windowed.is_some() {
        let turning = Turning {
            base: WINDOWED_BASE,
            stretch: Stretch::None,
            factors: Vec::new(),
            ..turning(tensors, family, &head, context)?
        };
        Arc::new(Rope::new(&turning, context))
    } else {
        Arc::clone(&everywhere)
    };
    let source = Source {
        window: head
            .optional_integer("attention.sliding_window")
            .unwrap_or(0),
        tensors,
        family,
        head,
        shape,
        everywhere,
        windowed,
        placement,
    };
    let mut layers = (0..shape.layers)
        .into_par_iter()
        .map(|index| source.layer(index))
        .collect::<Result<Vec<_>>>()?;
    let beside = layers.split_off(placement.gpu_layers());
    let gpu = placement
        .layer(0)
        .map(|device| GpuLayers::new(layers, shape, family.activation, device));
    let words = tensors.linear("token_embd.weight", shape.width, None)?;
    let output = if tensors.has("output.weight") {
        tensors.linear("output.weight", shape.width, placement.head())?
    } else if placement.head().is_none() {
        words.clone()
    } else {
        tensors.linear("token_embd.weight", shape.width, placement.head())?
    };
    Ok(Decoder {
        norm: tensors.floats("output_norm.weight", shape.width)?,
        activation: family.activation,
        words_scale: if family.scales_words {
            (shape.width as f32).sqrt()
        } else {
            1.0
        },
        shape,
        words,
        gpu: gpu.transpose()?,
        layers: beside,
        head: output,
        pool: Pool::new(threads.unwrap_or_else(rayon::current_num_threads)),
    })
}

fn family<'a>(tensors: &Tensors<'a>) -> Result<(&'static Family, Head<'a>)> {
    let head = tensors.head;
    let name = head.text("general.architecture")?;
    let family = FAMILIES.iter().find(|family| family.name == name);
    let family = family.ok_or_else(|| {
        let known: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
        let known = known.join(", ");
        head.unsupported(format!(
            "its architecture is `{name}`, and this build runs {known}"
        ))
    })?;
    let head = Head {
        of: head,
        name: family.name,
    };
    if head.optional_integer("expert_count").unwrap_or(0) > 0 {
        return Err(head.of.unsupported("it is a mixture of experts".into()));
    }
    if family.windowed.is_some() && head.optional_integer("block_count") == Some(62) {
        let reason = "it is Gemma 3 27B, which scales its queries in a way no other does";
        return Err(head.of.unsupported(reason.into()));
    }
    for key in ["attn_logit_softcapping", "final_logit_softcapping"] {
        if head.float(key).is_ok_and(|cap| cap > 0.0) {
            return Err(head.of.unsupported(format!("it has `{key}`")));
        }
    }
    Ok((family, head))
}

fn shape(tensors: &Tensors<'_>, head: &Head<'_>) -> Result<Shape> {
    let width = head.integer("embedding_length")?;
    let heads = head.integer("attention.head_count")?;
    let kv_heads = head
        .optional_integer("attention.head_count_kv")
        .unwrap_or(heads);
    if heads == 0 || kv_heads == 0 || heads % kv_heads != 0 || width == 0 {
        return Err(head.of.damaged("its attention heads do not divide".into()));
    }
    let head_size = head
        .optional_integer("attention.key_length")
        .unwrap_or(width / heads);
    if head
        .optional_integer("attention.value_length")
        .is_some_and(|size| size != head_size)
    {
        return Err(head
            .of
            .unsupported("its keys and values are not of one size".into()));
    }
    let shape = Shape {
        width,
        heads,
        kv_heads,
        head_size,
        inner: head.integer("feed_forward_length")?,
        layers: head.integer("block_count")?,
        epsilon: head.float("attention.layer_norm_rms_epsilon")?,
    };
    let widest = heads
        .max(1)
        .saturating_mul(head_size)
        .max(width)
        .max(shape.inner);
    if shape.layers == 0
        || shape.inner == 0
        || widest > MOST_WIDTH
        || shape.layers > MOST_LAYERS.min(tensors.count())
    {
        return Err(head
            .of
            .damaged("its sizes are not those of any model".into()));
    }
    if head_size == 0
        || !head_size.is_multiple_of(16)
        || !width.is_multiple_of(32)
        || !shape.inner.is_multiple_of(32)
    {
        return Err(head.of.unsupported(format!(
            "its heads are {head_size} wide, its states {width} and {}, and the kernels take \
             multiples of 16 and 32",
            shape.inner
        )));
    }
    Ok(shape)
}

fn turning(
    tensors: &Tensors<'_>,
    family: &Family,
    head: &Head<'_>,
    context: usize,
) -> Result<Turning> {
    let head_size = shape(tensors, head)?.head_size;
    let turned = head
        .optional_integer("rope.dimension_count")
        .unwrap_or(head_size)
        .min(head_size);
    let (stretch, magnitude) = stretch(head)?;
    let learnt = head.optional_integer("rope.scaling.original_context_length");
    // Phi 3 has factors for contexts up to the one that was learnt, and others beyond it.
    let names = if learnt.is_some_and(|learnt| context <= learnt) {
        ["rope_freqs.weight", "rope_factors_short.weight"]
    } else {
        ["rope_freqs.weight", "rope_factors_long.weight"]
    };
    let factors = names.into_iter().find(|name| tensors.has(name));
    let factors = factors.map(|name| tensors.floats(name, turned / 2));
    Ok(Turning {
        head_size,
        turned,
        base: head.float("rope.freq_base").unwrap_or(10_000.0),
        pairs: family.pairs,
        stretch,
        factors: factors.transpose()?.unwrap_or_default(),
        magnitude,
    })
}

/// Reads how the file stretches its positions; the second value multiplies cosines and sines.
fn stretch(head: &Head<'_>) -> Result<(Stretch, f32)> {
    let name = head.text("rope.scaling.type").unwrap_or("none");
    let factor = head.float("rope.scaling.factor").unwrap_or(1.0);
    let own = head.float("rope.scaling.attn_factor").unwrap_or(1.0);
    let usable = factor.is_finite() && factor >= 1.0 && own.is_finite();
    match name {
        "none" => Ok((Stretch::None, 1.0)),
        "linear" if usable => Ok((Stretch::Linear(factor), 1.0)),
        // Phi 3: the factors of the pairs do it all, and `attn_factor` is the magnitude.
        "longrope" => Ok((Stretch::None, own)),
        "yarn" if usable => {
            let learnt = head.integer("rope.scaling.original_context_length")?;
            let stretch = Stretch::Yarn {
                factor,
                learnt: learnt as f32,
                fast: head.float("rope.scaling.yarn_beta_fast").unwrap_or(32.0),
                slow: head.float("rope.scaling.yarn_beta_slow").unwrap_or(1.0),
            };
            Ok((stretch, own * 0.1_f32.mul_add(factor.ln(), 1.0)))
        }
        other => Err(head.of.unsupported(format!(
            "it stretches its positions by `{other}` times {factor}, and known are linear, yarn \
             and longrope, from 1 on"
        ))),
    }
}

impl Source<'_> {
    fn layer(&self, index: usize) -> Result<Layer> {
        let shape = self.shape;
        let name = |part: &str| format!("blk.{index}.{part}.weight");
        let context = shape.heads * shape.head_size;
        let gpu = self.placement.layer(index);
        let sizes = [shape.heads, shape.kv_heads, shape.kv_heads].map(|h| h * shape.head_size);
        let apart = self
            .family
            .windowed
            .is_some_and(|each| !(index + 1).is_multiple_of(each));
        let layer = Layer {
            attention_norm: self.norm(&name("attn_norm"), shape.width)?,
            qkv: self.together(index, "attn_qkv", &["attn_q", "attn_k", "attn_v"])?,
            bias: self.bias(index, sizes)?,
            head_norms: self.head_norms(index)?,
            attended: self.tensors.linear(&name("attn_output"), context, gpu)?,
            attended_norm: self.optional_norm(&name("post_attention_norm"), shape.width)?,
            inner_norm: self.norm(&name("ffn_norm"), shape.width)?,
            gate_up: self.together(index, "ffn_up", &["ffn_gate", "ffn_up"])?,
            down: self.tensors.linear(&name("ffn_down"), shape.inner, gpu)?,
            down_norm: self.optional_norm(&name("post_ffw_norm"), shape.width)?,
            window: match (self.family.windowed, self.window) {
                (Some(_), window) if apart && window > 0 => window,
                (None, window) if window > 0 => window,
                _ => usize::MAX,
            },
            rope: Arc::clone(if apart {
                &self.windowed
            } else {
                &self.everywhere
            }),
        };
        let outputs = |parts: &[Linear]| parts.iter().map(Linear::outputs).sum::<usize>();
        let fit = outputs(&layer.qkv) == sizes.iter().sum::<usize>()
            && layer.attended.outputs() == shape.width
            && outputs(&layer.gate_up) == 2 * shape.inner
            && layer.down.outputs() == shape.width;
        if !fit {
            let reason = format!("the matrices of layer {index} do not fit together");
            return Err(self.head.of.damaged(reason));
        }
        self.refuse_the_unknown(index)?;
        Ok(layer)
    }

    /// Matrices over the same input: one in the file (`whole`), or each by itself.
    fn together(&self, index: usize, whole: &str, parts: &[&str]) -> Result<Vec<Linear>> {
        let name = |part: &&str| format!("blk.{index}.{part}.weight");
        let apart = parts.iter().all(|part| self.tensors.has(&name(part)));
        let names: Vec<String> = if apart {
            parts.iter().map(name).collect()
        } else {
            vec![name(&whole)]
        };
        let gpu = self.placement.layer(index);
        self.tensors.fused(&names, self.shape.width, gpu)
    }

    fn bias(&self, index: usize, sizes: [usize; 3]) -> Result<Option<Vec<f32>>> {
        let name = |part: &str| format!("blk.{index}.{part}.bias");
        if !self.tensors.has(&name("attn_q")) {
            return Ok(None);
        }
        let mut bias = Vec::new();
        for (part, size) in ["attn_q", "attn_k", "attn_v"].iter().zip(sizes) {
            bias.extend(self.tensors.floats(&name(part), size)?);
        }
        Ok(Some(bias))
    }

    fn head_norms(&self, index: usize) -> Result<Option<[Vec<f32>; 2]>> {
        let gain = |part| {
            let name = format!("blk.{index}.attn_{part}_norm.weight");
            self.optional_norm(&name, self.shape.head_size)
        };
        let (queries, keys) = (gain("q")?, gain("k")?);
        Ok(queries.zip(keys).map(|(queries, keys)| [queries, keys]))
    }

    fn norm(&self, name: &str, width: usize) -> Result<Vec<f32>> {
        self.tensors.floats(name, width)
    }

    fn optional_norm(&self, name: &str, width: usize) -> Result<Option<Vec<f32>>> {
        let there = self.tensors.has(name);
        there.then(|| self.norm(name, width)).transpose()
    }

    /// A tensor that is not used would change what the model says, so there may be none.
    fn refuse_the_unknown(&self, index: usize) -> Result<()> {
        const KNOWN: [&str; 17] = [
            "attn_norm.weight",
            "attn_q.weight",
            "attn_k.weight",
            "attn_v.weight",
            "attn_qkv.weight",
            "attn_q.bias",
            "attn_k.bias",
            "attn_v.bias",
            "attn_q_norm.weight",
            "attn_k_norm.weight",
            "attn_output.weight",
            "post_attention_norm.weight",
            "ffn_norm.weight",
            "ffn_gate.weight",
            "ffn_up.weight",
            "ffn_down.weight",
            "post_ffw_norm.weight",
        ];
        let prefix = format!("blk.{index}.");
        let strangers = self
            .tensors
            .names()
            .filter_map(|name| name.strip_prefix(&prefix));
        match strangers.into_iter().find(|name| !KNOWN.contains(name)) {
            None => Ok(()),
            Some(name) => {
                let reason = format!("its layer {index} has `{name}`, which is not known here");
                Err(self.head.of.unsupported(reason))
            }
        }
    }
}
