//! What `config.json` says of an encoder.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The families, by `model_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Bert,
    /// BERT whose positions begin behind that of the padding.
    XlmRoberta,
    ModernBert,
}

/// `config.json`, as far as it matters here.
#[derive(Clone, Deserialize)]
pub(super) struct Config {
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
    /// ModernBERT: tokens that a token sees in most layers, before and behind it together.
    pub local_attention: Option<usize>,
    /// ModernBERT: one layer in so many sees everything.
    pub global_attn_every_n_layers: Option<usize>,
    global_rope_theta: Option<f32>,
    local_rope_theta: Option<f32>,
    rope_parameters: Option<serde_json::Value>,
    /// ModernBERT: which state a head reads, `cls` or `mean`.
    pub classifier_pooling: Option<String>,
    /// What the scores of a head stand for, by their number.
    #[serde(default)]
    id2label: BTreeMap<String, String>,
}

impl Config {
    /// How many scores a head gives.
    pub(super) fn labels(&self) -> usize {
        self.id2label.len()
    }

    /// Which of them says that a text follows from another: `entailment`, in letters of any size. One
    /// that says the contrary, such as `not_entailment`, does not.
    pub(super) fn entailed(&self) -> Option<usize> {
        let says = |(_, label): &(&String, &String)| label.eq_ignore_ascii_case("entailment");
        let (number, _) = self.id2label.iter().find(says)?;
        number.parse().ok()
    }

    pub(super) fn family(&self) -> Result<Family, String> {
        match self.model_type.as_deref() {
            Some("bert") | None => Ok(Family::Bert),
            Some("xlm-roberta" | "roberta") => Ok(Family::XlmRoberta),
            Some("modernbert") => Ok(Family::ModernBert),
            Some(other) => Err(format!(
                "its `model_type` is `{other}`, and known are bert, xlm-roberta and modernbert"
            )),
        }
    }

    /// Rows of positions that come before the first token's.
    pub(super) fn skipped_positions(&self) -> usize {
        match self.family() {
            Ok(Family::XlmRoberta) => self.pad_token_id.unwrap_or(1) + 1,
            Ok(Family::Bert | Family::ModernBert) | Err(_) => 0,
        }
    }

    /// Rows of positions in the file.
    pub(super) fn positions(&self) -> usize {
        self.max_position_embeddings
    }

    /// Tokens that there are positions for.
    pub(super) fn most_tokens(&self) -> usize {
        self.positions().saturating_sub(self.skipped_positions())
    }

    /// ModernBERT's base of the angles, of a layer that sees everything or not.
    pub(super) fn rope_base(&self, everything: bool) -> f32 {
        let (kind, named, usual) = if everything {
            ("full_attention", self.global_rope_theta, 160_000.0)
        } else {
            ("sliding_attention", self.local_rope_theta, 10_000.0)
        };
        let newer = self.rope_parameters.as_ref();
        let newer = newer.and_then(|all| all.get(kind)?.get("rope_theta")?.as_f64());
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float of 32 bits is meant"
        )]
        let newer = newer.map(|base| base as f32);
        newer.or(named).unwrap_or(usual)
    }

    /// What the encoder's kernels cannot do, in words.
    pub(super) fn unsupported(&self) -> Option<String> {
        let (width, heads) = (self.hidden_size, self.num_attention_heads);
        if let Err(reason) = self.family() {
            Some(reason)
        } else if self.hidden_act != "gelu" {
            let activation = &self.hidden_act;
            Some(format!(
                "its activation is `{activation}`, and the encoder knows `gelu`"
            ))
        } else if self
            .position_embedding_type
            .as_deref()
            .is_some_and(|kind| kind != "absolute")
        {
            Some("its positions are relative".into())
        } else if heads == 0 || width == 0 || !width.is_multiple_of(heads * 16) {
            Some(format!(
                "its {heads} heads do not share a width of {width} in multiples of 16"
            ))
        } else if !width.is_multiple_of(32) || !self.intermediate_size.is_multiple_of(32) {
            Some("its matrices are not multiples of 32 wide".into())
        } else {
            None
        }
    }
}
