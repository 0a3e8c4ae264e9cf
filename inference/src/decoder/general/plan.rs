//! The sizes of a model, and the memory that it takes with candle-transformers.

use super::GeneralArchitecture;
use crate::decoder::import::GgufTensors;
use crate::decoder::runtime::{
    DEFAULT_MAX_CONTEXT, LoadOptions, MIN_CONTEXT, MemoryPlan, available_memory,
};
use crate::error::{InferenceError, Result};

/// Limits on sizes, so that a file cannot make this program allocate or count without bounds.
const MAX_LAYERS: usize = 1 << 10;
const MAX_WIDTH: usize = 1 << 20;
const MAX_CONTEXT: usize = 1 << 20;

/// The longest context of Phi-2 and of llama in candle-transformers.
const MAX_SHORT_CONTEXT: usize = 4096;

const MAX_EXPERTS: usize = 1 << 8;

/// Bytes per token of the vocabulary, merges included, in the tokenizer.
const BYTES_PER_VOCABULARY_TOKEN: u64 = 700;

/// The sizes of a model.
#[derive(Clone, Copy, Debug)]
pub(in crate::decoder) struct GeneralSizes {
    pub layers: usize,
    /// The longest context that the model runs with.
    pub context: usize,
    /// Floats of keys and values per token.
    kv_floats_per_token: usize,
}

/// Reads the sizes of a file, and refuses those that no model has.
pub(in crate::decoder) fn read_sizes(
    tensors: &GgufTensors<'_>,
    architecture: GeneralArchitecture,
) -> Result<GeneralSizes> {
    let metadata = tensors.metadata;
    let name = architecture.key_prefix();
    let integer = |key: &str| metadata.integer(&format!("{name}.{key}"));
    let layers = integer("block_count")?;
    let hidden_size = integer("embedding_length")?;
    let heads = integer("attention.head_count")?;
    let kv_heads = integer("attention.head_count_kv")?;
    let context = integer("context_length")?;
    let rope_dimensions = match architecture {
        GeneralArchitecture::Phi2 | GeneralArchitecture::Mixtral => {
            integer("rope.dimension_count")?
        }
        // Half of it is rotated.
        GeneralArchitecture::Glm4 => integer("attention.key_length")? / 2,
    };
    let head_dimensions = match architecture {
        GeneralArchitecture::Phi2 | GeneralArchitecture::Mixtral => {
            hidden_size.checked_div(heads).unwrap_or(0)
        }
        GeneralArchitecture::Glm4 => integer("attention.key_length")?,
    };
    let is_possible = (1..=MAX_LAYERS.min(tensors.count())).contains(&layers)
        && (1..=MAX_WIDTH).contains(&hidden_size)
        && (1..=hidden_size).contains(&heads)
        && (1..=heads).contains(&kv_heads)
        && heads % kv_heads == 0
        && (1..=MAX_WIDTH).contains(&head_dimensions)
        && (2..=head_dimensions).contains(&rope_dimensions)
        && rope_dimensions % 2 == 0
        && (1..=MAX_CONTEXT).contains(&context);
    if !is_possible {
        return Err(metadata.damaged("no model has its sizes".into()));
    }
    match architecture {
        GeneralArchitecture::Phi2 => check_phi2(tensors, kv_heads == heads)?,
        GeneralArchitecture::Mixtral => {
            check_experts(tensors, head_dimensions == rope_dimensions)?;
        }
        GeneralArchitecture::Glm4 => {}
    }
    let longest = match architecture {
        GeneralArchitecture::Phi2 | GeneralArchitecture::Mixtral => MAX_SHORT_CONTEXT,
        GeneralArchitecture::Glm4 => MAX_CONTEXT,
    };
    Ok(GeneralSizes {
        layers,
        context: context.min(longest),
        kv_floats_per_token: 2 * layers * kv_heads * head_dimensions,
    })
}

fn check_phi2(tensors: &GgufTensors<'_>, has_own_keys: bool) -> Result<()> {
    if !has_own_keys {
        let reason = "it has fewer key heads than query heads";
        return Err(tensors.metadata.unsupported(reason.into()));
    }
    if !tensors.contains("blk.0.attn_qkv.weight") {
        let reason = "its queries, keys and values are separate tensors. Use a file in which they are \
                      one tensor, `attn_qkv`";
        return Err(tensors.metadata.unsupported(reason.into()));
    }
    Ok(())
}

/// Refuses experts and positions that the llama of candle-transformers does not have.
fn check_experts(tensors: &GgufTensors<'_>, rotates_all: bool) -> Result<()> {
    let metadata = tensors.metadata;
    let experts = metadata.integer("llama.expert_count")?;
    let used = metadata.integer("llama.expert_used_count")?;
    if !(1..=MAX_EXPERTS).contains(&experts) || !(1..=experts).contains(&used) {
        return Err(metadata.damaged("no model has its numbers of experts".into()));
    }
    if tensors.contains("blk.0.ffn_gate_exps.weight") {
        let reason = "its experts are one tensor. `cloister models add` divides them";
        return Err(metadata.unsupported(reason.into()));
    }
    let scaling = metadata.optional_text("llama.rope.scaling.type");
    let is_scaled = scaling.is_some_and(|kind| kind != "none");
    if is_scaled || tensors.contains("rope_freqs.weight") || !rotates_all {
        return Err(metadata.unsupported("its positions are scaled".into()));
    }
    if metadata
        .optional_integer("llama.attention.sliding_window")
        .unwrap_or(0)
        > 0
    {
        return Err(metadata.unsupported("it has a sliding window".into()));
    }
    Ok(())
}

/// Plans the memory of a model in main memory: candle keeps a matrix as stored and as it multiplies with it,
/// embeddings in floats, and keys and values twice while it appends to them.
pub(in crate::decoder) fn plan(
    tensors: &GgufTensors<'_>,
    architecture: GeneralArchitecture,
    max_context: usize,
    options: &LoadOptions,
) -> Result<MemoryPlan> {
    let sizes = read_sizes(tensors, architecture)?;
    let trained_context = sizes.context.min(max_context);
    let wanted = options
        .context
        .unwrap_or(DEFAULT_MAX_CONTEXT)
        .min(trained_context);
    let vocabulary = tensors.metadata.array_length("tokenizer.ggml.tokens") as u64;
    let kv_bytes_per_token = 2 * 4 * sizes.kv_floats_per_token as u64;
    let mut plan = MemoryPlan {
        device: "processor",
        layers: sizes.layers,
        gpu_layers: 0,
        gpu_weights: 0,
        gpu_kv_cache: 0,
        gpu_available: None,
        weights: weight_bytes(tensors),
        peak_scratch_bytes: 0,
        tables: vocabulary * BYTES_PER_VOCABULARY_TOKEN,
        kv_bytes_per_token,
        context: wanted,
        trained_context,
        max_batch: 1,
        kv_cache: 0,
        total: 0,
        available: available_memory(options),
        warnings: vec![backend_note(architecture)],
    };
    set_context(&mut plan, wanted);
    while plan.total > plan.available && plan.context > MIN_CONTEXT {
        let shorter = (plan.context / 2).max(MIN_CONTEXT).min(wanted);
        set_context(&mut plan, shorter);
    }
    if plan.total > plan.available {
        let other = plan.total - plan.weights;
        return Err(InferenceError::TooLarge {
            path: tensors.metadata.path.to_owned(),
            needed_mb: plan.total.div_ceil(1 << 20),
            free_mb: plan.available >> 20,
            context: plan.context,
            weights_mb: plan.available.saturating_sub(other) >> 21,
        });
    }
    if plan.context < wanted {
        plan.warnings.push(format!(
            "the context is {} tokens instead of {wanted}, because {} MB are free",
            plan.context,
            plan.available >> 20
        ));
    }
    Ok(plan)
}

fn weight_bytes(tensors: &GgufTensors<'_>) -> u64 {
    let bytes = tensors.infos().map(|(name, info)| {
        let count = info.shape.elem_count() as u64;
        let blocks = count / info.ggml_dtype.block_size() as u64;
        match name {
            "token_embd.weight" => count * 4,
            _ => 2 * blocks * info.ggml_dtype.type_size() as u64,
        }
    });
    bytes.sum()
}

/// What to know of a model on this backend; `None` if `architecture` is not one of its architectures.
pub fn general_backend_note(architecture: &str) -> Option<String> {
    GeneralArchitecture::from_name(architecture).map(backend_note)
}

fn backend_note(architecture: GeneralArchitecture) -> String {
    format!(
        "models of the architecture `{}` run on the general backend: several times slower, and one \
         request at a time",
        architecture.name()
    )
}

fn set_context(plan: &mut MemoryPlan, context: usize) {
    plan.context = context;
    plan.kv_cache = plan.kv_bytes_per_token * context as u64;
    plan.total = plan.weights + plan.tables + plan.kv_cache;
}
