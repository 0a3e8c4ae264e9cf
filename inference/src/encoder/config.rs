//! `config.json` of an encoder.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The model families, by `model_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EncoderFamily {
    Bert,
    /// BERT whose positions start after the padding position.
    XlmRoberta,
    ModernBert,
}

/// The fields of `config.json` that the encoder uses.
#[derive(Clone, Deserialize)]
pub(super) struct EncoderConfig {
    model_type: Option<String>,
    pub hidden_size: usize,
    pub num_attention_heads: usize,
    pub num_hidden_layers: usize,
    pub intermediate_size: usize,
    max_position_embeddings: usize,
    #[serde(alias = "norm_eps")]
    pub layer_norm_eps: f32,
    #[serde(alias = "hidden_activation")]
    hidden_act: String,
    pad_token_id: Option<usize>,
    position_embedding_type: Option<String>,
    /// ModernBERT: tokens that a token sees in a layer with a window, both sides together.
    pub local_attention: Option<usize>,
    /// ModernBERT: every *n*-th layer has global attention.
    pub global_attn_every_n_layers: Option<usize>,
    global_rope_theta: Option<f32>,
    local_rope_theta: Option<f32>,
    rope_parameters: Option<serde_json::Value>,
    /// ModernBERT: the pooling of the classification head, `cls` or `mean`.
    pub classifier_pooling: Option<String>,
    /// The labels of the classification head, by index.
    #[serde(default)]
    id2label: BTreeMap<String, String>,
}

impl EncoderConfig {
    /// The number of labels of the classification head.
    pub(super) fn labels(&self) -> usize {
        self.id2label.len()
    }

    /// The index of the label `entailment`, in upper or lower case. A label such as `not_entailment`
    /// does not match.
    pub(super) fn entailment_label(&self) -> Option<usize> {
        let mut labels = self.id2label.iter();
        let (index, _) = labels.find(|(_, label)| label.eq_ignore_ascii_case("entailment"))?;
        index.parse().ok()
    }

    pub(super) fn family(&self) -> Result<EncoderFamily, String> {
        match self.model_type.as_deref() {
            Some("bert") | None => Ok(EncoderFamily::Bert),
            Some("xlm-roberta" | "roberta") => Ok(EncoderFamily::XlmRoberta),
            Some("modernbert") => Ok(EncoderFamily::ModernBert),
            Some(other) => Err(format!(
                "its `model_type` is `{other}`; supported are bert, xlm-roberta and modernbert"
            )),
        }
    }

    /// Position embeddings before that of the first token.
    pub(super) fn skipped_positions(&self) -> usize {
        match self.family() {
            Ok(EncoderFamily::XlmRoberta) => self.pad_token_id.unwrap_or(1) + 1,
            Ok(EncoderFamily::Bert | EncoderFamily::ModernBert) | Err(_) => 0,
        }
    }

    /// Position embeddings in the file.
    pub(super) fn positions(&self) -> usize {
        self.max_position_embeddings
    }

    /// The most tokens that have a position.
    pub(super) fn max_tokens(&self) -> usize {
        self.positions().saturating_sub(self.skipped_positions())
    }

    /// ModernBERT's `rope_theta` for layers with global attention, or for those with a window.
    pub(super) fn rope_theta(&self, global: bool) -> f32 {
        let (kind, own_field, default) = if global {
            ("full_attention", self.global_rope_theta, 160_000.0)
        } else {
            ("sliding_attention", self.local_rope_theta, 10_000.0)
        };
        let parameters = self.rope_parameters.as_ref();
        let theta = parameters.and_then(|all| all.get(kind)?.get("rope_theta")?.as_f64());
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float of 32 bits is meant"
        )]
        let theta = theta.map(|theta| theta as f32);
        theta.or(own_field).unwrap_or(default)
    }

    /// Why the encoder cannot run this model, if it cannot.
    pub(super) fn unsupported_reason(&self) -> Option<String> {
        let (width, heads) = (self.hidden_size, self.num_attention_heads);
        if let Err(reason) = self.family() {
            Some(reason)
        } else if self.hidden_act != "gelu" {
            let activation = &self.hidden_act;
            Some(format!(
                "its activation is `{activation}`; supported is `gelu`"
            ))
        } else if self
            .position_embedding_type
            .as_deref()
            .is_some_and(|kind| kind != "absolute")
        {
            Some("it has relative positions".into())
        } else if heads == 0 || width == 0 || !width.is_multiple_of(heads * 16) {
            Some(format!(
                "its {heads} heads do not divide a hidden size of {width} into multiples of 16"
            ))
        } else if !width.is_multiple_of(32) || !self.intermediate_size.is_multiple_of(32) {
            Some("its matrices do not have multiples of 32 columns".into())
        } else {
            None
        }
    }
}
