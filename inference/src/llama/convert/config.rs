//! `config.json` of a generator, and the names and changes that its family asks for.

use super::Change;
use candle_core::quantized::gguf_file::Value;
use serde::Deserialize;
use std::collections::HashMap;

/// A reason why a folder cannot be taken.
type Refused<T> = std::result::Result<T, String>;

/// `config.json`, as far as it matters here. Newer files say in `rope_parameters` what older ones
/// say in `rope_theta` and `rope_scaling`.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
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
    rope_scaling: Option<Rope>,
    rope_parameters: Option<Ropes>,
    attn_logit_softcapping: Option<f32>,
    final_logit_softcapping: Option<f32>,
}

/// How positions turn.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Rope {
    #[serde(rename = "rope_type", alias = "type")]
    kind: Option<String>,
    #[serde(rename = "rope_theta")]
    base: Option<f32>,
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

/// One way for all layers, or one for each kind of layer.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Ropes {
    Apart {
        full_attention: Rope,
        sliding_attention: Rope,
    },
    One(Rope),
}

/// What the base of the positions is where a file does not say it.
const USUAL_BASE: f32 = 10_000.0;

/// Names of tensors, there and in GGUF.
const NAMES: [(&str, &str); 18] = [
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

impl Config {
    /// The architecture's name in GGUF.
    pub(super) fn architecture(&self) -> Refused<&'static str> {
        let (name, activation) = match self.model_type.as_str() {
            "llama" | "mistral" => ("llama", "silu"),
            "qwen2" => ("qwen2", "silu"),
            "qwen3" => ("qwen3", "silu"),
            "phi3" => ("phi3", "silu"),
            "gemma3_text" => ("gemma3", "gelu_pytorch_tanh"),
            other => {
                return Err(format!(
                    "its `model_type` is `{other}`; known are llama, mistral, qwen2, qwen3, phi3 \
                     and gemma3_text"
                ));
            }
        };
        if let Some(own) = self.hidden_act.as_deref().filter(|own| *own != activation) {
            return Err(format!("it activates with `{own}`, not `{activation}`"));
        }
        if self.attn_logit_softcapping.is_some() || self.final_logit_softcapping.is_some() {
            return Err("it caps its scores".into());
        }
        Ok(name)
    }

    /// Where a tensor of the folder goes, and how it changes; none for one that is not known.
    pub(super) fn place(&self, name: &str) -> Option<(String, Change)> {
        let gemma = self.model_type == "gemma3_text";
        let (stem, kind) = name.rsplit_once('.')?;
        let (prefix, stem) = match stem.strip_prefix("model.layers.") {
            Some(rest) => {
                let (index, stem) = rest.split_once('.')?;
                (format!("blk.{}.", index.parse::<usize>().ok()?), stem)
            }
            None => (String::new(), stem),
        };
        let (_, part) = NAMES.iter().find(|(known, _)| *known == stem)?;
        let part = match *part {
            "ffn_norm" if gemma && stem == "post_attention_layernorm" => "post_attention_norm",
            part => part,
        };
        let change = match part {
            _ if gemma && stem.ends_with("norm") => Change::PlusOne,
            "attn_q" if self.turns_neighbours() => Change::Neighbours(self.num_attention_heads),
            "attn_k" if self.turns_neighbours() => Change::Neighbours(self.kv_heads()),
            _ => Change::None,
        };
        Some((format!("{prefix}{part}.{kind}"), change))
    }

    /// The pairs of a GGUF head that these settings decide.
    pub(super) fn metadata(&self) -> Refused<HashMap<String, Value>> {
        let architecture = self.architecture()?;
        let number = |n: usize| Value::U32(u32::try_from(n).unwrap_or(u32::MAX));
        let mut pairs = vec![
            ("context_length", number(self.max_position_embeddings)),
            ("embedding_length", number(self.hidden_size)),
            ("block_count", number(self.num_hidden_layers)),
            ("feed_forward_length", number(self.intermediate_size)),
            ("attention.head_count", number(self.num_attention_heads)),
            ("attention.head_count_kv", number(self.kv_heads())),
            ("attention.key_length", number(self.head_size())),
            ("attention.value_length", number(self.head_size())),
            (
                "attention.layer_norm_rms_epsilon",
                Value::F32(self.rms_norm_eps),
            ),
            ("rope.dimension_count", number(self.turned())),
        ];
        if let Some(window) = self.window()? {
            pairs.push(("attention.sliding_window", number(window)));
        }
        pairs.extend(self.rope_pairs()?);
        let named = pairs.into_iter();
        Ok(named
            .map(|(key, value)| (format!("{architecture}.{key}"), value))
            .collect())
    }

    /// Tensors that hold what the settings say of the positions.
    pub(super) fn factors(&self) -> Refused<Vec<(String, Vec<f32>)>> {
        let rope = self.rope()?;
        Ok(match rope.kind() {
            "llama3" => vec![("rope_freqs.weight".into(), self.llama3_factors(&rope)?)],
            "longrope" | "su" => {
                let half = self.turned() / 2;
                let list = |values: Option<Vec<f32>>| {
                    values
                        .filter(|values| values.len() == half)
                        .ok_or_else(|| "its factors of positions are not complete".to_owned())
                };
                vec![
                    ("rope_factors_long.weight".into(), list(rope.long_factor)?),
                    ("rope_factors_short.weight".into(), list(rope.short_factor)?),
                ]
            }
            _ => Vec::new(),
        })
    }

    fn kv_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    fn head_size(&self) -> usize {
        let usual = self.hidden_size / self.num_attention_heads.max(1);
        self.head_dim.unwrap_or(usual)
    }

    /// Dimensions of a head that turn with the position.
    fn turned(&self) -> usize {
        let own = self
            .rope()
            .ok()
            .and_then(|rope| rope.partial_rotary_factor)
            .or(self.partial_rotary_factor);
        let share = own.unwrap_or(1.0).clamp(0.0, 1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a whole number, rounded down as transformers does"
        )]
        let turned = (self.head_size() as f32 * share) as usize;
        turned
    }

    /// Whether GGUF keeps queries and keys in another order than this family's files do.
    fn turns_neighbours(&self) -> bool {
        matches!(self.model_type.as_str(), "llama" | "mistral")
    }

    /// The tokens that a layer sees, where not all.
    fn window(&self) -> Refused<Option<usize>> {
        if self.use_sliding_window == Some(true) {
            return Err(
                "some of its layers see a window, which this family's files cannot say".into(),
            );
        }
        if self.use_sliding_window == Some(false) {
            return Ok(None);
        }
        if self.model_type == "gemma3_text" {
            self.check_gemma()?;
        }
        Ok(self.sliding_window)
    }

    /// Gemma's layers are known as five with a window and one without, and so on.
    fn check_gemma(&self) -> Refused<()> {
        let each = self.sliding_window_pattern.unwrap_or(6) == 6;
        let sliding = |index: usize| !(index + 1).is_multiple_of(6);
        let listed = self.layer_types.iter().flatten().enumerate();
        let alike = listed
            .into_iter()
            .all(|(index, kind)| (kind == "sliding_attention") == sliding(index));
        if !each || !alike {
            return Err("its layers with a window come in another order than Gemma 3's".into());
        }
        let local = match &self.rope_parameters {
            Some(Ropes::Apart {
                sliding_attention, ..
            }) => sliding_attention.base,
            _ => self.rope_local_base_freq,
        };
        if local.is_some_and(|base| base != USUAL_BASE) {
            return Err(format!(
                "its windowed layers turn by {local:?}, not by 10000"
            ));
        }
        let scale = self.query_pre_attn_scalar;
        if scale.is_some_and(|scale| (scale - self.head_size() as f32).abs() > 1e-3) {
            return Err("it scales its queries by something else than the size of a head".into());
        }
        Ok(())
    }

    /// How positions turn in the layers that see everything.
    fn rope(&self) -> Refused<Rope> {
        let newer = self.rope_parameters.as_ref().map(|ropes| match ropes {
            Ropes::One(rope) => rope,
            Ropes::Apart { full_attention, .. } => full_attention,
        });
        let mut rope = newer
            .or(self.rope_scaling.as_ref())
            .cloned()
            .unwrap_or_default();
        rope.base = rope.base.or(self.rope_theta);
        rope.original_max_position_embeddings = rope
            .original_max_position_embeddings
            .or(self.original_max_position_embeddings);
        match rope.kind() {
            "default" | "linear" | "yarn" | "llama3" | "longrope" | "su" => Ok(rope),
            other => Err(format!(
                "its positions turn by `{other}`, which is not known"
            )),
        }
    }

    fn rope_pairs(&self) -> Refused<Vec<(&'static str, Value)>> {
        let rope = self.rope()?;
        let number = |n: usize| Value::U32(u32::try_from(n).unwrap_or(u32::MAX));
        let text = |text: &str| Value::String(text.into());
        let base = rope.base.unwrap_or(USUAL_BASE);
        let mut pairs = vec![("rope.freq_base", Value::F32(base))];
        let learnt = rope.original_max_position_embeddings;
        match rope.kind() {
            "linear" => {
                pairs.push(("rope.scaling.type", text("linear")));
                pairs.push(("rope.scaling.factor", Value::F32(rope.factor()?)));
            }
            "yarn" => {
                let learnt = learnt.unwrap_or(self.max_position_embeddings);
                pairs.push(("rope.scaling.type", text("yarn")));
                pairs.push(("rope.scaling.factor", Value::F32(rope.factor()?)));
                pairs.push(("rope.scaling.original_context_length", number(learnt)));
                for (key, value) in [
                    ("rope.scaling.yarn_beta_fast", rope.beta_fast),
                    ("rope.scaling.yarn_beta_slow", rope.beta_slow),
                ] {
                    pairs.extend(value.map(|value| (key, Value::F32(value))));
                }
                if rope.attention_factor.is_some() {
                    return Err("it states an `attention_factor` for yarn".into());
                }
            }
            "longrope" | "su" => {
                let learnt = learnt.ok_or("it does not say which context it learnt first")?;
                let magnitude = rope
                    .attention_factor
                    .unwrap_or_else(|| self.long_magnitude(learnt));
                pairs.push(("rope.scaling.type", text("longrope")));
                pairs.push(("rope.scaling.original_context_length", number(learnt)));
                pairs.push(("rope.scaling.attn_factor", Value::F32(magnitude)));
            }
            _ => {}
        }
        Ok(pairs)
    }

    /// What cosines and sines are multiplied with in a context longer than the learnt one.
    fn long_magnitude(&self, learnt: usize) -> f32 {
        let scale = self.max_position_embeddings as f32 / learnt as f32;
        if scale <= 1.0 {
            return 1.0;
        }
        (1.0 + scale.ln() / (learnt as f32).ln()).sqrt()
    }

    /// What each frequency is divided by: nothing for the fast ones, the factor for the slow ones,
    /// and between them a mean (Llama 3.1).
    fn llama3_factors(&self, rope: &Rope) -> Refused<Vec<f32>> {
        let named = |value: Option<f32>, name: &str| value.ok_or(format!("it states no `{name}`"));
        let low = named(rope.low_freq_factor, "low_freq_factor")?;
        let high = named(rope.high_freq_factor, "high_freq_factor")?;
        let factor = rope.factor()?;
        let learnt = rope
            .original_max_position_embeddings
            .ok_or("it does not say which context it learnt first")? as f32;
        let turned = self.turned();
        let base = rope.base.unwrap_or(USUAL_BASE);
        let divisor = |index: usize| {
            let length = std::f32::consts::TAU * base.powf(index as f32 / turned as f32);
            if length < learnt / high {
                1.0
            } else if length > learnt / low {
                factor
            } else {
                let smooth = (learnt / length - low) / (high - low);
                1.0 / ((1.0 - smooth) / factor + smooth)
            }
        };
        Ok((0..turned).step_by(2).map(divisor).collect())
    }
}

impl Rope {
    fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or("default")
    }

    fn factor(&self) -> Refused<f32> {
        self.factor
            .ok_or_else(|| "it stretches its positions and does not say how far".into())
    }
}
