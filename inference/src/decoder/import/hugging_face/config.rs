//! `config.json` of a generator, and its translation to GGUF metadata and tensor names.

use super::Conversion;
use crate::decoder::families::{DEFAULT_ROPE_THETA, FAMILIES, ModelFamily};
use crate::rope::RopeLayout;
use candle_core::quantized::gguf_file::Value;
use serde::Deserialize;
use std::collections::HashMap;

/// A result whose error is the reason why the model is not supported.
type Supported<T> = std::result::Result<T, String>;

/// The fields of `config.json` that matter here. `rope_parameters` of newer files replaces `rope_theta`
/// and `rope_scaling`.
#[derive(Debug, Deserialize)]
pub(super) struct HfConfig {
    model_type: String,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    max_position_embeddings: usize,
    rms_norm_eps: f32,
    #[serde(alias = "hidden_activation")]
    hidden_act: Option<String>,
    sliding_window: Option<usize>,
    use_sliding_window: Option<bool>,
    sliding_window_pattern: Option<usize>,
    layer_types: Option<Vec<String>>,
    query_pre_attn_scalar: Option<f32>,
    partial_rotary_factor: Option<f32>,
    original_max_position_embeddings: Option<usize>,
    rope_theta: Option<f32>,
    rope_local_base_freq: Option<f32>,
    rope_scaling: Option<HfRope>,
    rope_parameters: Option<HfRopeParameters>,
    attn_logit_softcapping: Option<f32>,
    final_logit_softcapping: Option<f32>,
}

/// Rotary position parameters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct HfRope {
    #[serde(rename = "rope_type", alias = "type")]
    kind: Option<String>,
    #[serde(rename = "rope_theta")]
    theta: Option<f32>,
    factor: Option<f32>,
    original_max_position_embeddings: Option<usize>,
    low_freq_factor: Option<f32>,
    high_freq_factor: Option<f32>,
    beta_fast: Option<f32>,
    beta_slow: Option<f32>,
    attention_factor: Option<f32>,
    partial_rotary_factor: Option<f32>,
    long_factor: Option<Vec<f32>>,
    short_factor: Option<Vec<f32>>,
}

/// Parameters for all layers, or per kind of layer.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum HfRopeParameters {
    PerLayerKind {
        full_attention: HfRope,
        sliding_attention: HfRope,
    },
    AllLayers(HfRope),
}

const NO_ORIGINAL_CONTEXT: &str = "it has no `original_max_position_embeddings`";

/// The names of tensors in the folder and in GGUF.
const TENSOR_NAMES: [(&str, &str); 18] = [
    ("model.embed_tokens", "token_embd"),
    ("model.norm", "output_norm"),
    ("lm_head", "output"),
    ("input_layernorm", "attn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.qkv_proj", "attn_qkv"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("pre_feedforward_layernorm", "ffn_norm"),
    ("post_feedforward_layernorm", "post_ffw_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.gate_up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

impl HfConfig {
    /// The model family, if all settings are supported.
    pub(super) fn check_family(&self) -> Supported<&'static ModelFamily> {
        let Some(family) = ModelFamily::from_hf_model_type(&self.model_type) else {
            let supported = FAMILIES.iter().flat_map(|family| family.hf_model_types);
            let supported: Vec<&str> = supported.copied().collect();
            return Err(format!(
                "its `model_type` is `{}`; supported are {}",
                self.model_type,
                supported.join(", ")
            ));
        };
        if let Some(activation) = self.hidden_act.as_deref()
            && activation != family.hf_activation
        {
            return Err(format!(
                "its activation is `{activation}`; supported is `{}`",
                family.hf_activation
            ));
        }
        if self.attn_logit_softcapping.is_some() || self.final_logit_softcapping.is_some() {
            return Err("it has logit soft-capping".into());
        }
        Ok(family)
    }

    /// The GGUF name of a tensor and its conversion; `None` if the tensor is not supported.
    pub(super) fn convert_name(
        &self,
        family: &ModelFamily,
        name: &str,
    ) -> Option<(String, Conversion)> {
        let (stem, kind) = name.rsplit_once('.')?;
        let (prefix, stem) = match stem.strip_prefix("model.layers.") {
            Some(rest) => {
                let (index, stem) = rest.split_once('.')?;
                (format!("blk.{}.", index.parse::<usize>().ok()?), stem)
            }
            None => (String::new(), stem),
        };
        let (_, part) = TENSOR_NAMES.iter().find(|(own, _)| *own == stem)?;
        // Families with a norm after each branch have another norm before the MLP.
        let part = match *part {
            "ffn_norm" if family.hf_norms_minus_one && stem == "post_attention_layernorm" => {
                "post_attention_norm"
            }
            part => part,
        };
        let interleaved = family.rope_layout == RopeLayout::Interleaved;
        let conversion = match part {
            _ if family.hf_norms_minus_one && stem.ends_with("norm") => Conversion::PlusOne,
            "attn_q" if interleaved => Conversion::Interleave(self.num_attention_heads),
            "attn_k" if interleaved => Conversion::Interleave(self.kv_heads()),
            _ => Conversion::None,
        };
        Some((format!("{prefix}{part}.{kind}"), conversion))
    }

    /// The GGUF metadata that these settings determine.
    pub(super) fn metadata(&self, family: &ModelFamily) -> Supported<HashMap<String, Value>> {
        let mut pairs = vec![
            ("context_length", number(self.max_position_embeddings)),
            ("embedding_length", number(self.hidden_size)),
            ("block_count", number(self.num_hidden_layers)),
            ("feed_forward_length", number(self.intermediate_size)),
            ("attention.head_count", number(self.num_attention_heads)),
            ("attention.head_count_kv", number(self.kv_heads())),
            ("attention.key_length", number(self.head_dim())),
            ("attention.value_length", number(self.head_dim())),
            (
                "attention.layer_norm_rms_epsilon",
                Value::F32(self.rms_norm_eps),
            ),
            ("rope.dimension_count", number(self.rotary_dim())),
        ];
        if let Some(window) = self.window(family)? {
            pairs.push(("attention.sliding_window", number(window)));
        }
        pairs.extend(self.rope_metadata()?);
        let mut metadata = HashMap::new();
        for (key, value) in pairs {
            metadata.insert(format!("{}.{key}", family.gguf_name), value);
        }
        Ok(metadata)
    }

    /// Tensors of frequency factors that GGUF has and the folder states in its settings.
    pub(super) fn frequency_factors(&self) -> Supported<Vec<(String, Vec<f32>)>> {
        let rope = self.rope()?;
        match rope.kind() {
            "llama3" => {
                let factors = self.llama3_factors(&rope)?;
                Ok(vec![("rope_freqs.weight".into(), factors)])
            }
            "longrope" | "su" => {
                let long = self.check_factors(rope.long_factor)?;
                let short = self.check_factors(rope.short_factor)?;
                Ok(vec![
                    ("rope_factors_long.weight".into(), long),
                    ("rope_factors_short.weight".into(), short),
                ])
            }
            _ => Ok(Vec::new()),
        }
    }

    /// One factor per rotated pair.
    fn check_factors(&self, factors: Option<Vec<f32>>) -> Supported<Vec<f32>> {
        factors
            .filter(|factors| factors.len() == self.rotary_dim() / 2)
            .ok_or_else(|| "its frequency factors are not complete".to_owned())
    }

    fn kv_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    fn head_dim(&self) -> usize {
        let default = self.hidden_size / self.num_attention_heads.max(1);
        self.head_dim.unwrap_or(default)
    }

    /// Elements of a head that are rotated.
    fn rotary_dim(&self) -> usize {
        let rope = self.rope().ok();
        let factor = rope
            .and_then(|rope| rope.partial_rotary_factor)
            .or(self.partial_rotary_factor);
        let share = factor.unwrap_or(1.0).clamp(0.0, 1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a fraction of an integer, rounded down as in transformers"
        )]
        let rotary_dim = (self.head_dim() as f32 * share) as usize;
        rotary_dim
    }

    /// The sliding window of the layers that have one.
    fn window(&self, family: &ModelFamily) -> Supported<Option<usize>> {
        if self.use_sliding_window == Some(true) {
            return Err(
                "some of its layers have a sliding window, which GGUF cannot state for this family"
                    .into(),
            );
        }
        if self.use_sliding_window == Some(false) {
            return Ok(None);
        }
        if let Some(interval) = family.global_attention_interval {
            self.check_window_pattern(family, interval)?;
        }
        Ok(self.sliding_window)
    }

    /// Refuses windows that differ from what the family's GGUF files imply.
    fn check_window_pattern(&self, family: &ModelFamily, interval: usize) -> Supported<()> {
        let same_interval = self.sliding_window_pattern.unwrap_or(interval) == interval;
        let mut layers = self.layer_types.iter().flatten().enumerate();
        let same_layers =
            layers.all(|(index, kind)| (kind == "sliding_attention") == family.is_sliding(index));
        if !same_interval || !same_layers {
            return Err("its layers with a sliding window are not those of its family".into());
        }
        let local_theta = match &self.rope_parameters {
            Some(HfRopeParameters::PerLayerKind {
                sliding_attention, ..
            }) => sliding_attention.theta,
            _ => self.rope_local_base_freq,
        };
        if local_theta.is_some_and(|theta| theta != DEFAULT_ROPE_THETA) {
            return Err(format!(
                "its layers with a sliding window have a `rope_theta` of {local_theta:?}, not of \
                 {DEFAULT_ROPE_THETA}"
            ));
        }
        let scale = self.query_pre_attn_scalar;
        if scale.is_some_and(|scale| (scale - self.head_dim() as f32).abs() > 1e-3) {
            return Err("it scales its queries by another number than the head dimension".into());
        }
        Ok(())
    }

    /// The position parameters of layers with global attention.
    fn rope(&self) -> Supported<HfRope> {
        let parameters = self.rope_parameters.as_ref().map(|all| match all {
            HfRopeParameters::AllLayers(rope) => rope,
            HfRopeParameters::PerLayerKind { full_attention, .. } => full_attention,
        });
        let mut rope = parameters
            .or(self.rope_scaling.as_ref())
            .cloned()
            .unwrap_or_default();
        rope.theta = rope.theta.or(self.rope_theta);
        rope.original_max_position_embeddings = rope
            .original_max_position_embeddings
            .or(self.original_max_position_embeddings);
        match rope.kind() {
            "default" | "linear" | "yarn" | "llama3" | "longrope" | "su" => Ok(rope),
            other => Err(format!(
                "its `rope_type` is `{other}`, which is not supported"
            )),
        }
    }

    fn rope_metadata(&self) -> Supported<Vec<(&'static str, Value)>> {
        let rope = self.rope()?;
        let theta = rope.theta.unwrap_or(DEFAULT_ROPE_THETA);
        let mut pairs = vec![("rope.freq_base", Value::F32(theta))];
        let original_context = rope.original_max_position_embeddings;
        match rope.kind() {
            "linear" => {
                pairs.push(("rope.scaling.type", Value::String("linear".into())));
                pairs.push(("rope.scaling.factor", Value::F32(rope.factor()?)));
            }
            "yarn" => {
                let context = original_context.unwrap_or(self.max_position_embeddings);
                pairs.push(("rope.scaling.type", Value::String("yarn".into())));
                pairs.push(("rope.scaling.factor", Value::F32(rope.factor()?)));
                pairs.push(("rope.scaling.original_context_length", number(context)));
                for (key, value) in [
                    ("rope.scaling.yarn_beta_fast", rope.beta_fast),
                    ("rope.scaling.yarn_beta_slow", rope.beta_slow),
                ] {
                    pairs.extend(value.map(|value| (key, Value::F32(value))));
                }
                if rope.attention_factor.is_some() {
                    return Err("it has an `attention_factor` for yarn".into());
                }
            }
            "longrope" | "su" => {
                let context = original_context.ok_or(NO_ORIGINAL_CONTEXT)?;
                let factor = rope
                    .attention_factor
                    .unwrap_or_else(|| self.longrope_attention_factor(context));
                pairs.push(("rope.scaling.type", Value::String("longrope".into())));
                pairs.push(("rope.scaling.original_context_length", number(context)));
                pairs.push(("rope.scaling.attn_factor", Value::F32(factor)));
            }
            _ => {}
        }
        Ok(pairs)
    }

    /// The factor of cosines and sines in a context longer than the original one.
    fn longrope_attention_factor(&self, original_context: usize) -> f32 {
        let scale = self.max_position_embeddings as f32 / original_context as f32;
        if scale <= 1.0 {
            return 1.0;
        }
        (1.0 + scale.ln() / (original_context as f32).ln()).sqrt()
    }

    /// The divisor of each frequency: 1 for high frequencies, the factor for low ones, and a mean
    /// between them (Llama 3.1).
    fn llama3_factors(&self, rope: &HfRope) -> Supported<Vec<f32>> {
        let low = rope.low_freq_factor.ok_or("it has no `low_freq_factor`")?;
        let high = rope
            .high_freq_factor
            .ok_or("it has no `high_freq_factor`")?;
        let factor = rope.factor()?;
        let context = rope
            .original_max_position_embeddings
            .ok_or(NO_ORIGINAL_CONTEXT)? as f32;
        let rotary_dim = self.rotary_dim();
        let theta = rope.theta.unwrap_or(DEFAULT_ROPE_THETA);
        let mut divisors = Vec::with_capacity(rotary_dim / 2);
        for index in (0..rotary_dim).step_by(2) {
            let wavelength = std::f32::consts::TAU * theta.powf(index as f32 / rotary_dim as f32);
            divisors.push(if wavelength < context / high {
                1.0
            } else if wavelength > context / low {
                factor
            } else {
                let smooth = (context / wavelength - low) / (high - low);
                1.0 / ((1.0 - smooth) / factor + smooth)
            });
        }
        Ok(divisors)
    }
}

impl HfRope {
    fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or("default")
    }

    fn factor(&self) -> Supported<f32> {
        self.factor
            .ok_or_else(|| "it scales its positions without a `factor`".into())
    }
}

fn number(n: usize) -> Value {
    Value::U32(u32::try_from(n).unwrap_or(u32::MAX))
}
