//! The table of model families: what neither GGUF files nor Hugging Face folders say.
//!
//! To add a family, add a row. The pre-tokenizer is not in this table, because each file names its own
//! (`tokenizer/pretokenize.rs`).

use super::model::Activation;
use crate::rope::RopeLayout;

/// `rope_theta` if a file does not state it. It also is Gemma 3's value for layers with a sliding
/// window, which GGUF files do not state.
pub(super) const DEFAULT_ROPE_THETA: f32 = 10_000.0;

/// A family of models with one architecture.
#[derive(Debug)]
pub(super) struct ModelFamily {
    /// `general.architecture` in GGUF.
    pub gguf_name: &'static str,
    /// `model_type` in `config.json`.
    pub hf_model_types: &'static [&'static str],
    pub rope_layout: RopeLayout,
    pub activation: Activation,
    /// `hidden_act` in `config.json`.
    pub hf_activation: &'static str,
    /// Whether embeddings are multiplied by the square root of the hidden size.
    pub scales_embeddings: bool,
    /// Every *n*-th layer has global attention; the others have a sliding window and their own
    /// `rope_theta`.
    pub global_attention_interval: Option<usize>,
    /// Whether the Hugging Face checkpoint stores the weights of norms minus one.
    pub hf_norms_minus_one: bool,
}

const LLAMA: ModelFamily = ModelFamily {
    gguf_name: "llama",
    hf_model_types: &["llama", "mistral"],
    rope_layout: RopeLayout::Interleaved,
    activation: Activation::Silu,
    hf_activation: "silu",
    scales_embeddings: false,
    global_attention_interval: None,
    hf_norms_minus_one: false,
};

/// All supported families.
pub(super) const FAMILIES: [ModelFamily; 5] = [
    LLAMA,
    ModelFamily {
        gguf_name: "qwen2",
        hf_model_types: &["qwen2"],
        rope_layout: RopeLayout::HalfSplit,
        ..LLAMA
    },
    ModelFamily {
        gguf_name: "qwen3",
        hf_model_types: &["qwen3"],
        rope_layout: RopeLayout::HalfSplit,
        ..LLAMA
    },
    ModelFamily {
        gguf_name: "phi3",
        hf_model_types: &["phi3"],
        rope_layout: RopeLayout::HalfSplit,
        ..LLAMA
    },
    ModelFamily {
        gguf_name: "gemma3",
        hf_model_types: &["gemma3_text"],
        rope_layout: RopeLayout::HalfSplit,
        activation: Activation::Gelu,
        hf_activation: "gelu_pytorch_tanh",
        scales_embeddings: true,
        global_attention_interval: Some(6),
        hf_norms_minus_one: true,
    },
];

impl ModelFamily {
    /// The family of a `general.architecture`.
    pub(super) fn from_gguf_name(name: &str) -> Option<&'static Self> {
        FAMILIES.iter().find(|family| family.gguf_name == name)
    }

    /// The family of a `model_type`.
    pub(super) fn from_hf_model_type(name: &str) -> Option<&'static Self> {
        FAMILIES
            .iter()
            .find(|family| family.hf_model_types.contains(&name))
    }

    /// Whether a layer has a sliding window.
    pub(super) fn is_sliding(&self, layer: usize) -> bool {
        let interval = self.global_attention_interval;
        interval.is_some_and(|interval| !(layer + 1).is_multiple_of(interval))
    }
}
