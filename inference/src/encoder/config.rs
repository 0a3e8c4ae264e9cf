//! `config.json` of an encoder.

use super::families::{EncoderFamily, FAMILIES, JINA_BERT, PositionKind};
use super::layers::EncoderActivation;
use super::relative_positions::DistanceBuckets;
use crate::error::InferenceError;
use crate::json_file::read_json;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Limits on sizes, so that a file cannot make this program allocate without bounds.
const MAX_WIDTH: usize = 1 << 16;
const MAX_LAYERS: usize = 1 << 10;
const MAX_HEAD: usize = 1 << 10;
const MAX_POSITIONS: usize = 1 << 17;

/// Fields with different names in different families. Some files have several of them.
const OTHER_NAMES: [(&str, &[&str]); 7] = [
    ("hidden_size", &["dim", "n_embd", "d_model"]),
    ("num_attention_heads", &["n_heads", "n_head", "num_heads"]),
    ("num_hidden_layers", &["n_layers", "n_layer", "num_layers"]),
    ("intermediate_size", &["hidden_dim", "n_inner", "d_ff"]),
    ("max_position_embeddings", &["n_positions"]),
    ("layer_norm_eps", &["norm_eps", "layer_norm_epsilon"]),
    (
        "hidden_act",
        &[
            "hidden_activation",
            "activation",
            "activation_function",
            "feed_forward_proj",
        ],
    ),
];

/// The fields of `config.json` that the encoder uses.
#[derive(Clone, Deserialize)]
pub(super) struct EncoderConfig {
    model_type: Option<String>,
    pub hidden_size: usize,
    pub num_attention_heads: usize,
    pub num_hidden_layers: usize,
    pub intermediate_size: usize,
    #[serde(default = "default_positions")]
    max_position_embeddings: usize,
    #[serde(default = "default_epsilon")]
    pub layer_norm_eps: f32,
    hidden_act: String,
    pad_token_id: Option<usize>,
    position_embedding_type: Option<String>,
    /// ModernBERT: tokens that a token sees in a layer with a window, both sides together.
    pub local_attention: Option<usize>,
    /// ModernBERT: every *n*-th layer has global attention.
    pub global_attn_every_n_layers: Option<usize>,
    global_rope_theta: Option<f32>,
    local_rope_theta: Option<f32>,
    rope_parameters: Option<Value>,
    /// ModernBERT: the pooling of the classification head, `cls` or `mean`.
    pub classifier_pooling: Option<String>,
    /// The labels of the classification head, by index.
    #[serde(default)]
    id2label: BTreeMap<String, String>,
    /// T5: floats of a head.
    d_kv: Option<usize>,
    /// T5 and MPNet.
    relative_attention_max_distance: Option<usize>,
    /// JinaBERT: `geglu`.
    feed_forward_type: Option<String>,
    /// NomicBERT.
    rotary_emb_base: Option<f32>,
    rotary_emb_fraction: Option<f32>,
    rotary_emb_interleaved: Option<bool>,
    prenorm: Option<bool>,
    max_trained_positions: Option<usize>,
    /// DeBERTa.
    relative_attention: Option<bool>,
    pos_att_type: Option<Value>,
    share_att_key: Option<bool>,
    max_relative_positions: Option<i64>,
    position_buckets: Option<i64>,
    norm_rel_ebd: Option<String>,
    position_biased_input: Option<bool>,
    type_vocab_size: Option<usize>,
    embedding_size: Option<usize>,
    conv_kernel_size: Option<usize>,
    pooler_hidden_act: Option<String>,
}

fn default_positions() -> usize {
    512
}

fn default_epsilon() -> f32 {
    1e-12
}

impl EncoderConfig {
    /// Reads `config.json` in the folder `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self, InferenceError> {
        let path = dir.join("config.json");
        let mut fields: Map<String, Value> = read_json(&path)?;
        for (name, others) in OTHER_NAMES {
            let own = fields.remove(name);
            let other = others.iter().find_map(|other| fields.remove(*other));
            if let Some(value) = own.or(other) {
                fields.insert(name.to_owned(), value);
            }
        }
        serde_json::from_value(Value::Object(fields)).map_err(|error| InferenceError::Damaged {
            path,
            reason: error.to_string(),
        })
    }

    /// The labels of the classification head, in order.
    pub(super) fn labels(&self) -> Vec<String> {
        let mut labels: Vec<(usize, &String)> = self
            .id2label
            .iter()
            .filter_map(|(index, label)| Some((index.parse().ok()?, label)))
            .collect();
        labels.sort_unstable();
        labels.into_iter().map(|(_, label)| label.clone()).collect()
    }

    /// The index of the label `entailment`, in upper or lower case. A label such as `not_entailment`
    /// does not match.
    pub(super) fn entailment_label(&self) -> Option<usize> {
        let mut labels = self.id2label.iter();
        let (index, _) = labels.find(|(_, label)| label.eq_ignore_ascii_case("entailment"))?;
        index.parse().ok()
    }

    pub(super) fn family(&self) -> Result<&'static EncoderFamily, String> {
        let name = self.model_type.as_deref().unwrap_or("bert");
        if name == "bert" && self.position_embedding_type.as_deref() == Some("alibi") {
            return Ok(&JINA_BERT);
        }
        EncoderFamily::from_model_type(name).ok_or_else(|| {
            let supported = FAMILIES.map(|family| family.name).join(", ");
            format!("its `model_type` is `{name}`; supported are {supported} and jina-bert")
        })
    }

    /// The activation of the feed-forward layer. Some families state the activation of their gate.
    pub(super) fn activation(&self) -> Result<EncoderActivation, String> {
        let family = self.family()?;
        let stated = EncoderActivation::from_name(&self.hidden_act);
        let is_always_gated = family.up.is_empty() || family.up == family.gated_up;
        let activation = match stated {
            Some(EncoderActivation::Gelu) if is_always_gated => Some(EncoderActivation::GatedGelu),
            other => other,
        };
        activation
            .filter(|activation| activation.is_gated() || !is_always_gated)
            .filter(|activation| !activation.is_gated() || !family.gated_up.is_empty())
            .ok_or_else(|| format!("its activation is `{}`", self.hidden_act))
    }

    /// The activation of the classification head.
    pub(super) fn head_activation(&self, default: &str) -> Result<EncoderActivation, String> {
        let name = self.pooler_hidden_act.as_deref().unwrap_or(default);
        EncoderActivation::from_name(name)
            .filter(|activation| !activation.is_gated())
            .ok_or_else(|| format!("the activation of its classification head is `{name}`"))
    }

    /// Floats of a head.
    pub(super) fn head_size(&self) -> usize {
        let divided = self.hidden_size.checked_div(self.num_attention_heads);
        self.d_kv.or(divided).unwrap_or(0)
    }

    /// What the products of queries and keys are multiplied by.
    pub(super) fn attention_scale(&self) -> f32 {
        let size = self.head_size() as f32;
        if self.d_kv.is_some() {
            // T5 has the scale in its weights.
            return 1.0;
        }
        match self.disentangled() {
            Some((_, kinds)) => 1.0 / (size * (1 + kinds) as f32).sqrt(),
            None => 1.0 / size.sqrt(),
        }
    }

    /// DeBERTa's buckets, and how many kinds of scores with positions it has.
    fn disentangled(&self) -> Option<(DistanceBuckets, usize)> {
        self.relative_attention.filter(|relative| *relative)?;
        let max_distance = match self.max_relative_positions {
            Some(most @ 1..) => usize::try_from(most).ok()?,
            Some(_) | None => self.max_position_embeddings,
        };
        let buckets = self.position_buckets.filter(|buckets| *buckets > 0);
        let span = match buckets {
            Some(buckets) => usize::try_from(buckets).ok()?,
            None => max_distance,
        };
        let distances = DistanceBuckets {
            span,
            max_distance,
            is_logarithmic: buckets.is_some(),
        };
        let kinds = ["c2p", "p2c"]
            .iter()
            .filter(|kind| self.has_position_scores(kind));
        Some((distances, kinds.count()))
    }

    /// DeBERTa's buckets of distances.
    pub(super) fn distance_buckets(&self) -> Option<DistanceBuckets> {
        self.disentangled().map(|(buckets, _)| buckets)
    }

    /// Whether DeBERTa has scores of this kind: `c2p`, `p2c`. The setting is a list, or text with `|`.
    pub(super) fn has_position_scores(&self, kind: &str) -> bool {
        match &self.pos_att_type {
            Some(Value::String(kinds)) => kinds.split('|').any(|own| own == kind),
            Some(Value::Array(kinds)) => kinds.iter().any(|own| own.as_str() == Some(kind)),
            Some(_) | None => false,
        }
    }

    /// Whether DeBERTa projects positions with the weights of the tokens.
    pub(super) fn shares_position_projections(&self) -> bool {
        self.share_att_key.unwrap_or(false)
    }

    /// Whether DeBERTa normalises its embeddings of distances.
    pub(super) fn normalizes_distances(&self) -> bool {
        let norms = self.norm_rel_ebd.as_deref().unwrap_or_default();
        norms.contains("layer_norm")
    }

    /// The longest distance of T5's and MPNet's buckets.
    pub(super) fn bucket_distance(&self) -> usize {
        self.relative_attention_max_distance.unwrap_or(128)
    }

    /// Whether embeddings of positions are added to the tokens.
    pub(super) fn has_position_embeddings(&self, family: &EncoderFamily) -> bool {
        family.position_embeddings.is_some() && self.position_biased_input.unwrap_or(true)
    }

    /// Whether embeddings of the first and the second text are added to the tokens.
    pub(super) fn has_segment_embeddings(&self, family: &EncoderFamily) -> bool {
        family.segment_embeddings.is_some() && self.type_vocab_size.unwrap_or(1) > 0
    }

    /// Position embeddings before that of the first token.
    pub(super) fn skipped_positions(&self) -> usize {
        match self.family() {
            Ok(family) if family.skips_padding_position => self.pad_token_id.unwrap_or(1) + 1,
            Ok(_) | Err(_) => 0,
        }
    }

    /// Position embeddings in the file.
    pub(super) fn positions(&self) -> usize {
        self.max_position_embeddings
    }

    /// The most tokens that have a position.
    pub(super) fn max_tokens(&self) -> usize {
        let trained = self.max_trained_positions.unwrap_or(usize::MAX);
        let positions = self.positions().min(trained);
        positions.saturating_sub(self.skipped_positions())
    }

    /// The `rope_theta` of layers with global attention, or of those with a window.
    pub(super) fn rope_theta(&self, global: bool) -> f32 {
        let (kind, own_field, default) = if global {
            ("full_attention", self.global_rope_theta, 160_000.0)
        } else {
            ("sliding_attention", self.local_rope_theta, 10_000.0)
        };
        let parameters = self.rope_parameters.as_ref();
        let theta = parameters.and_then(|all| all.get(kind)?.get("rope_theta")?.as_f64());
        theta.map(to_f32).or(own_field).unwrap_or(default)
    }

    /// NomicBERT's `rope_theta`.
    pub(super) fn rotary_base(&self) -> f32 {
        let parameters = self.rope_parameters.as_ref();
        let theta = parameters.and_then(|all| all.get("rope_theta")?.as_f64());
        self.rotary_emb_base.or(theta.map(to_f32)).unwrap_or(1000.0)
    }

    /// Why the encoder cannot run this model, if it cannot.
    pub(super) fn unsupported_reason(&self) -> Option<String> {
        let family = match self.family() {
            Ok(family) => family,
            Err(reason) => return Some(reason),
        };
        self.activation()
            .err()
            .or_else(|| self.impossible_sizes())
            .or_else(|| self.unsupported_positions(family))
            .or_else(|| self.unsupported_variant())
    }

    fn impossible_sizes(&self) -> Option<String> {
        let (width, heads, size) = (self.hidden_size, self.num_attention_heads, self.head_size());
        let is_possible = (1..=MAX_WIDTH).contains(&width)
            && (1..=MAX_WIDTH).contains(&self.intermediate_size)
            && (1..=width).contains(&heads)
            && (1..=MAX_HEAD).contains(&size)
            && (1..=MAX_LAYERS).contains(&self.num_hidden_layers)
            && (1..=MAX_POSITIONS).contains(&self.max_position_embeddings);
        if !is_possible {
            return Some("no model has its sizes".into());
        }
        if self.d_kv.is_none() && !width.is_multiple_of(heads) || !size.is_multiple_of(16) {
            return Some(format!(
                "its {heads} heads do not divide a hidden size of {width} into multiples of 16"
            ));
        }
        let inputs = [width, self.intermediate_size, heads * size];
        if inputs.iter().any(|inputs| !inputs.is_multiple_of(32)) {
            return Some("its matrices do not have multiples of 32 columns".into());
        }
        None
    }

    fn unsupported_positions(&self, family: &EncoderFamily) -> Option<String> {
        let kind = self.position_embedding_type.as_deref();
        let kind = kind.unwrap_or("absolute");
        let is_known =
            kind == "absolute" || kind == "alibi" && family.positions == PositionKind::Alibi;
        if !is_known {
            return Some(format!("its positions are `{kind}`"));
        }
        if family.positions == PositionKind::Disentangled && self.disentangled().is_none() {
            return Some("it has no relative attention".into());
        }
        let span = self.distance_buckets().map_or(1, |buckets| buckets.span);
        let has_span = (1..=MAX_POSITIONS / 2).contains(&span) && span != 1
            || family.positions != PositionKind::Disentangled;
        (!has_span).then(|| "no model has its number of position buckets".into())
    }

    /// Variants of a family that the network does not have.
    fn unsupported_variant(&self) -> Option<String> {
        let feed_forward = self.feed_forward_type.as_deref().unwrap_or("geglu");
        if self.conv_kernel_size.unwrap_or(0) > 0 {
            Some("it has a convolution beside its first layer".into())
        } else if self
            .embedding_size
            .is_some_and(|size| size != self.hidden_size)
        {
            Some("its embeddings do not have the hidden size".into())
        } else if feed_forward != "geglu" {
            Some(format!("its feed-forward layer is `{feed_forward}`"))
        } else if self.prenorm == Some(true) {
            Some("it normalises before its layers".into())
        } else if self.rotary_emb_fraction.is_some_and(|share| share < 1.0)
            || self.rotary_emb_interleaved == Some(true)
        {
            Some("it rotates a part of each head, or pairs of neighbours".into())
        } else {
            None
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float of 32 bits is meant"
)]
fn to_f32(value: f64) -> f32 {
    value as f32
}
