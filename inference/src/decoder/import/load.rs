//! Builds a decoder from a GGUF file.

use super::metadata::Metadata;
use super::tensors::GgufTensors;
use crate::decoder::families::{DEFAULT_ROPE_THETA, FAMILIES, ModelFamily};
use crate::decoder::general;
use crate::decoder::gpu::{GpuLayers, Placement};
use crate::decoder::model::{Decoder, DecoderLayer, Linear, ModelConfig, QkNorm};
use crate::error::Result;
use crate::rope::{RopeParameters, RopeScaling, RotaryEmbedding};
use cloister_kernels::ThreadPool;
use rayon::prelude::*;
use std::sync::Arc;

/// Limits on sizes, so that a file cannot make this program allocate or count without bounds.
const MAX_LAYERS: usize = 1 << 10;
const MAX_WIDTH: usize = 1 << 20;

/// The metadata of one architecture: `rope.freq_base` stands for `qwen2.rope.freq_base`.
struct ArchitectureMetadata<'a> {
    file: Metadata<'a>,
    name: &'static str,
}

impl<'a> ArchitectureMetadata<'a> {
    fn integer(&self, key: &str) -> Result<usize> {
        self.file.integer(&self.key(key))
    }

    fn optional_integer(&self, key: &str) -> Option<usize> {
        self.file.optional_integer(&self.key(key))
    }

    fn float(&self, key: &str) -> Result<f32> {
        self.file.float(&self.key(key))
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.file.optional_text(&self.key(key))
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }
}

/// Loads layers.
struct LayerLoader<'a> {
    tensors: &'a GgufTensors<'a>,
    family: &'static ModelFamily,
    metadata: ArchitectureMetadata<'a>,
    config: ModelConfig,
    global_rope: Arc<RotaryEmbedding>,
    /// For layers with a sliding window, if the family has both kinds.
    sliding_rope: Arc<RotaryEmbedding>,
    window: usize,
    placement: &'a Placement,
}

/// The model's sizes and its context in tokens, without reading a matrix.
pub(in crate::decoder) fn read_config(tensors: &GgufTensors<'_>) -> Result<(ModelConfig, usize)> {
    let (_, metadata) = read_family(tensors)?;
    let context = metadata.integer("context_length")?;
    if context == 0 {
        return Err(metadata.file.damaged("its context is 0".into()));
    }
    Ok((read_sizes(tensors, &metadata)?, context))
}

/// Builds the decoder for a context of this many tokens, with its layers where `placement` says.
/// `threads` is the number of threads; if absent, one per CPU.
pub(in crate::decoder) fn read_decoder(
    tensors: &GgufTensors<'_>,
    context: usize,
    threads: Option<usize>,
    placement: &Placement,
) -> Result<Decoder> {
    let loader = LayerLoader::new(tensors, context, placement)?;
    let (config, family) = (loader.config, loader.family);
    let mut layers = (0..config.num_layers)
        .into_par_iter()
        .map(|index| loader.load(index))
        .collect::<Result<Vec<_>>>()?;
    let cpu_layers = layers.split_off(placement.gpu_layers());
    let gpu = match placement.device_of_layer(0) {
        Some(device) => Some(GpuLayers::new(layers, config, family.activation, device)?),
        None => None,
    };
    let hidden_size = config.hidden_size;
    let embed_tokens = tensors.linear("token_embd.weight", hidden_size, None)?;
    let lm_head_device = placement.device_of_lm_head();
    let lm_head = if tensors.contains("output.weight") {
        tensors.linear("output.weight", hidden_size, lm_head_device)?
    } else if lm_head_device.is_none() {
        embed_tokens.clone()
    } else {
        tensors.linear("token_embd.weight", hidden_size, lm_head_device)?
    };
    Ok(Decoder {
        norm: tensors.floats("output_norm.weight", hidden_size)?,
        activation: family.activation,
        embedding_scale: if family.scales_embeddings {
            (hidden_size as f32).sqrt()
        } else {
            1.0
        },
        config,
        embed_tokens,
        gpu,
        layers: cpu_layers,
        lm_head,
        pool: ThreadPool::new(threads.unwrap_or_else(rayon::current_num_threads)),
    })
}

/// The family of the file, if everything that its metadata states is supported.
fn read_family<'a>(
    tensors: &GgufTensors<'a>,
) -> Result<(&'static ModelFamily, ArchitectureMetadata<'a>)> {
    let file = tensors.metadata;
    let name = file.text("general.architecture")?;
    let Some(family) = ModelFamily::from_gguf_name(name) else {
        let supported = FAMILIES.map(|family| family.gguf_name).join(", ");
        let general = general::ARCHITECTURES.join(", ");
        return Err(file.unsupported(format!(
            "its architecture is `{name}`; supported are {supported}, and with less speed {general}. Use a \
             model of one of these"
        )));
    };
    let metadata = ArchitectureMetadata {
        file,
        name: family.gguf_name,
    };
    if metadata.optional_integer("expert_count").unwrap_or(0) > 0 {
        return Err(file.unsupported("it is a mixture of experts".into()));
    }
    let is_gemma = family.global_attention_interval.is_some();
    if is_gemma && metadata.optional_integer("block_count") == Some(62) {
        let reason = "it is Gemma 3 27B, which scales its queries unlike the other sizes";
        return Err(file.unsupported(reason.into()));
    }
    for key in ["attn_logit_softcapping", "final_logit_softcapping"] {
        if metadata.float(key).is_ok_and(|cap| cap > 0.0) {
            return Err(file.unsupported(format!("it has `{key}`")));
        }
    }
    Ok((family, metadata))
}

fn read_sizes(
    tensors: &GgufTensors<'_>,
    metadata: &ArchitectureMetadata<'_>,
) -> Result<ModelConfig> {
    let hidden_size = metadata.integer("embedding_length")?;
    let num_heads = metadata.integer("attention.head_count")?;
    let num_kv_heads = metadata.optional_integer("attention.head_count_kv");
    let num_kv_heads = num_kv_heads.unwrap_or(num_heads);
    if num_heads == 0 || num_kv_heads == 0 || num_heads % num_kv_heads != 0 || hidden_size == 0 {
        let reason = "its query heads are not a multiple of its key heads";
        return Err(metadata.file.damaged(reason.into()));
    }
    let head_dim = metadata.optional_integer("attention.key_length");
    let head_dim = head_dim.unwrap_or(hidden_size / num_heads);
    let value_dim = metadata.optional_integer("attention.value_length");
    if value_dim.is_some_and(|size| size != head_dim) {
        let reason = "its keys and values have different sizes";
        return Err(metadata.file.unsupported(reason.into()));
    }
    let config = ModelConfig {
        hidden_size,
        num_heads,
        num_kv_heads,
        head_dim,
        intermediate_size: metadata.integer("feed_forward_length")?,
        num_layers: metadata.integer("block_count")?,
        rms_norm_eps: metadata.float("attention.layer_norm_rms_epsilon")?,
    };
    check_sizes(config, tensors, metadata)?;
    Ok(config)
}

fn check_sizes(
    config: ModelConfig,
    tensors: &GgufTensors<'_>,
    metadata: &ArchitectureMetadata<'_>,
) -> Result<()> {
    let widest = config
        .num_heads
        .saturating_mul(config.head_dim)
        .max(config.hidden_size)
        .max(config.intermediate_size);
    if config.num_layers == 0
        || config.intermediate_size == 0
        || widest > MAX_WIDTH
        || config.num_layers > MAX_LAYERS.min(tensors.count())
    {
        let reason = "no model has its sizes";
        return Err(metadata.file.damaged(reason.into()));
    }
    if config.head_dim == 0
        || !config.head_dim.is_multiple_of(16)
        || !config.hidden_size.is_multiple_of(32)
        || !config.intermediate_size.is_multiple_of(32)
    {
        return Err(metadata.file.unsupported(format!(
            "its head dimension is {}, its hidden size {} and its intermediate size {}; supported are \
             multiples of 16 and of 32",
            config.head_dim, config.hidden_size, config.intermediate_size
        )));
    }
    Ok(())
}

fn read_rope(
    tensors: &GgufTensors<'_>,
    family: &ModelFamily,
    metadata: &ArchitectureMetadata<'_>,
    (head_dim, context): (usize, usize),
) -> Result<RopeParameters> {
    let rotary_dim = metadata.optional_integer("rope.dimension_count");
    let rotary_dim = rotary_dim.unwrap_or(head_dim).min(head_dim);
    let (scaling, attention_factor) = read_rope_scaling(metadata)?;
    // Phi 3 has one set of factors for contexts up to the original one, and another beyond it.
    let original = metadata.optional_integer("rope.scaling.original_context_length");
    let phi3_factors = if original.is_some_and(|original| context <= original) {
        "rope_factors_short.weight"
    } else {
        "rope_factors_long.weight"
    };
    let mut frequency_factors = Vec::new();
    for name in ["rope_freqs.weight", phi3_factors] {
        if frequency_factors.is_empty() && tensors.contains(name) {
            frequency_factors = tensors.floats(name, rotary_dim / 2)?;
        }
    }
    Ok(RopeParameters {
        head_dim,
        rotary_dim,
        theta: metadata
            .float("rope.freq_base")
            .unwrap_or(DEFAULT_ROPE_THETA),
        layout: family.rope_layout,
        scaling,
        frequency_factors,
        attention_factor,
    })
}

/// The scaling of the positions; the second value multiplies cosines and sines.
fn read_rope_scaling(metadata: &ArchitectureMetadata<'_>) -> Result<(RopeScaling, f32)> {
    let name = metadata.text("rope.scaling.type").unwrap_or("none");
    let factor = metadata.float("rope.scaling.factor").unwrap_or(1.0);
    let attention_factor = metadata.float("rope.scaling.attn_factor").unwrap_or(1.0);
    let is_valid = factor.is_finite() && factor >= 1.0 && attention_factor.is_finite();
    match name {
        "none" => Ok((RopeScaling::None, 1.0)),
        "linear" if is_valid => Ok((RopeScaling::Linear(factor), 1.0)),
        // Phi 3: the frequency factors contain the scaling.
        "longrope" => Ok((RopeScaling::None, attention_factor)),
        "yarn" if is_valid => {
            let original = metadata.integer("rope.scaling.original_context_length")?;
            let beta_fast = metadata.float("rope.scaling.yarn_beta_fast");
            let beta_slow = metadata.float("rope.scaling.yarn_beta_slow");
            let scaling = RopeScaling::Yarn {
                factor,
                original_context: original as f32,
                beta_fast: beta_fast.unwrap_or(32.0),
                beta_slow: beta_slow.unwrap_or(1.0),
            };
            let yarn_factor = 0.1_f32.mul_add(factor.ln(), 1.0);
            Ok((scaling, attention_factor * yarn_factor))
        }
        other => Err(metadata.file.unsupported(format!(
            "its positions are scaled by `{other}` with factor {factor}; supported are linear, yarn \
             and longrope with a factor of at least 1"
        ))),
    }
}

impl<'a> LayerLoader<'a> {
    fn new(tensors: &'a GgufTensors<'a>, context: usize, placement: &'a Placement) -> Result<Self> {
        let (family, metadata) = read_family(tensors)?;
        let config = read_sizes(tensors, &metadata)?;
        let parameters = read_rope(tensors, family, &metadata, (config.head_dim, context))?;
        let global_rope = Arc::new(RotaryEmbedding::new(&parameters, context));
        let sliding_rope = if family.global_attention_interval.is_some() {
            let parameters = RopeParameters {
                theta: DEFAULT_ROPE_THETA,
                scaling: RopeScaling::None,
                frequency_factors: Vec::new(),
                ..parameters
            };
            Arc::new(RotaryEmbedding::new(&parameters, context))
        } else {
            Arc::clone(&global_rope)
        };
        let window = metadata.optional_integer("attention.sliding_window");
        Ok(Self {
            window: window.unwrap_or(0),
            tensors,
            family,
            metadata,
            config,
            global_rope,
            sliding_rope,
            placement,
        })
    }

    fn load(&self, index: usize) -> Result<DecoderLayer> {
        let hidden_size = self.config.hidden_size;
        let (query_width, kv_width) = (self.config.query_width(), self.config.kv_width());
        let gpu = self.placement.device_of_layer(index);
        let is_sliding = self.family.is_sliding(index);
        let rope = if is_sliding {
            &self.sliding_rope
        } else {
            &self.global_rope
        };
        let layer = DecoderLayer {
            attention_norm: self
                .tensors
                .floats(&weight_name(index, "attn_norm"), hidden_size)?,
            qkv_proj: self.load_fused(index, "attn_qkv", &["attn_q", "attn_k", "attn_v"])?,
            qkv_bias: self.load_bias(index, [query_width, kv_width, kv_width])?,
            qk_norm: self.load_qk_norm(index)?,
            o_proj: self
                .tensors
                .linear(&weight_name(index, "attn_output"), query_width, gpu)?,
            attention_post_norm: self
                .load_optional(&weight_name(index, "post_attention_norm"), hidden_size)?,
            mlp_norm: self
                .tensors
                .floats(&weight_name(index, "ffn_norm"), hidden_size)?,
            gate_up_proj: self.load_fused(index, "ffn_up", &["ffn_gate", "ffn_up"])?,
            down_proj: self.tensors.linear(
                &weight_name(index, "ffn_down"),
                self.config.intermediate_size,
                gpu,
            )?,
            mlp_post_norm: self.load_optional(&weight_name(index, "post_ffw_norm"), hidden_size)?,
            window: match (self.family.global_attention_interval, self.window) {
                (Some(_), window) if is_sliding && window > 0 => window,
                (None, window) if window > 0 => window,
                _ => usize::MAX,
            },
            rope: Arc::clone(rope),
        };
        self.check_shapes(index, &layer)?;
        self.refuse_unsupported_tensors(index)?;
        Ok(layer)
    }

    fn check_shapes(&self, index: usize, layer: &DecoderLayer) -> Result<()> {
        let config = self.config;
        let qkv: usize = layer.qkv_proj.iter().map(Linear::outputs).sum();
        let gate_up: usize = layer.gate_up_proj.iter().map(Linear::outputs).sum();
        let fit = qkv == config.query_width() + 2 * config.kv_width()
            && layer.o_proj.outputs() == config.hidden_size
            && gate_up == 2 * config.intermediate_size
            && layer.down_proj.outputs() == config.hidden_size;
        if !fit {
            let reason = format!("the shapes of the matrices of layer {index} do not match");
            return Err(self.metadata.file.damaged(reason));
        }
        Ok(())
    }

    /// Matrices with the same input: the file has them one by one (`parts`), or as one (`fused`).
    fn load_fused(&self, index: usize, fused: &str, parts: &[&str]) -> Result<Vec<Linear>> {
        let mut names: Vec<String> = parts.iter().map(|part| weight_name(index, part)).collect();
        if names.iter().any(|name| !self.tensors.contains(name)) {
            names = vec![weight_name(index, fused)];
        }
        let gpu = self.placement.device_of_layer(index);
        self.tensors
            .fused_linear(&names, self.config.hidden_size, gpu)
    }

    fn load_bias(&self, index: usize, widths: [usize; 3]) -> Result<Option<Vec<f32>>> {
        if !self.tensors.contains(&bias_name(index, "attn_q")) {
            return Ok(None);
        }
        let mut bias = Vec::new();
        for (part, width) in ["attn_q", "attn_k", "attn_v"].iter().zip(widths) {
            bias.extend(self.tensors.floats(&bias_name(index, part), width)?);
        }
        Ok(Some(bias))
    }

    fn load_qk_norm(&self, index: usize) -> Result<Option<QkNorm>> {
        let head_dim = self.config.head_dim;
        let query = self.load_optional(&format!("blk.{index}.attn_q_norm.weight"), head_dim)?;
        let key = self.load_optional(&format!("blk.{index}.attn_k_norm.weight"), head_dim)?;
        Ok(query.zip(key).map(|(query_weight, key_weight)| QkNorm {
            query_weight,
            key_weight,
        }))
    }

    fn load_optional(&self, name: &str, width: usize) -> Result<Option<Vec<f32>>> {
        if !self.tensors.contains(name) {
            return Ok(None);
        }
        self.tensors.floats(name, width).map(Some)
    }

    /// Refuses a layer with other tensors: ignoring one would change the model's output.
    fn refuse_unsupported_tensors(&self, index: usize) -> Result<()> {
        const SUPPORTED: [&str; 17] = [
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
        for name in self.tensors.names() {
            if let Some(name) = name.strip_prefix(&prefix)
                && !SUPPORTED.contains(&name)
            {
                let reason = format!("its layer {index} has `{name}`, which is not supported");
                return Err(self.metadata.file.unsupported(reason));
            }
        }
        Ok(())
    }
}

fn weight_name(layer: usize, part: &str) -> String {
    format!("blk.{layer}.{part}.weight")
}

fn bias_name(layer: usize, part: &str) -> String {
    format!("blk.{layer}.{part}.bias")
}
