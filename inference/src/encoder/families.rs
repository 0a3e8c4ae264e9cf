//! The table of encoder families: where each keeps its tensors, and how it differs from BERT.
//!
//! To add a family, add a row and its `model_type`. If it does something that the row cannot say, refuse
//! it by name in `config.rs` until the network supports it.

/// How a family knows where a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PositionKind {
    /// One embedding per position.
    Absolute,
    /// Rotated queries and keys.
    Rotary,
    /// Rotated queries and keys, and layers with global attention between layers with a window: ModernBERT.
    RotaryWithWindows,
    /// Scores by distance, the same for each model: ALiBi.
    Alibi,
    /// Learned scores for buckets of distances, in this tensor.
    Buckets(&'static str),
    /// DeBERTa's embeddings of buckets of distances.
    Disentangled,
}

/// A family of encoders. Names of layers are relative to `layer` and an index.
#[derive(Debug)]
pub(super) struct EncoderFamily {
    /// The family's name, which is its `model_type` in `config.json`, except for JinaBERT.
    pub name: &'static str,
    /// Other values of `model_type`.
    pub aliases: &'static [&'static str],
    /// What the names of the encoder's tensors may start with in the file.
    pub prefixes: &'static [&'static str],
    /// The first of these that the file has.
    pub embed_tokens: &'static [&'static str],
    pub position_embeddings: Option<&'static str>,
    pub segment_embeddings: Option<&'static str>,
    pub embedding_norm: Option<&'static str>,
    pub final_norm: Option<&'static str>,
    pub layer: &'static str,
    /// Query, key and value, or all in one.
    pub qkv: &'static [&'static str],
    pub output: &'static str,
    pub attention_norm: &'static str,
    pub up: &'static [&'static str],
    /// The gate and the rest of a gated feed-forward layer, if they are not in `up`.
    pub gated_up: &'static [&'static str],
    pub down: &'static str,
    pub mlp_norm: &'static str,
    pub positions: PositionKind,
    /// Whether the embeddings of positions start after that of the padding token.
    pub skips_padding_position: bool,
    /// Whether a layer normalises before it computes.
    pub norms_first: bool,
    /// Root-mean-square normalisation instead of layer normalisation.
    pub rms_norm: bool,
    /// The layers of a classification head: the dense layer, its norm, and the layer of the labels.
    pub head: Option<HeadNames>,
}

/// The layers of a classification head.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadNames {
    /// Whether `dense` is a part of the encoder, and so has its prefix.
    pub dense_in_encoder: bool,
    pub dense: &'static str,
    pub norm: Option<&'static str>,
    pub score: &'static str,
    /// The activation after the dense layer, by its name in `config.json`.
    pub activation: &'static str,
}

const BERT: EncoderFamily = EncoderFamily {
    name: "bert",
    aliases: &[],
    prefixes: &["bert.", ""],
    embed_tokens: &["embeddings.word_embeddings"],
    position_embeddings: Some("embeddings.position_embeddings"),
    segment_embeddings: Some("embeddings.token_type_embeddings"),
    embedding_norm: Some("embeddings.LayerNorm"),
    final_norm: None,
    layer: "encoder.layer.",
    qkv: &[
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
    ],
    output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: &["intermediate.dense"],
    gated_up: &[],
    down: "output.dense",
    mlp_norm: "output.LayerNorm",
    positions: PositionKind::Absolute,
    skips_padding_position: false,
    norms_first: false,
    rms_norm: false,
    head: Some(HeadNames {
        dense_in_encoder: true,
        dense: "pooler.dense",
        norm: None,
        score: "classifier",
        activation: "tanh",
    }),
};

/// BERT with ALiBi and a gated feed-forward layer, jina-embeddings-v2. Its `model_type` is `bert`.
pub(super) const JINA_BERT: EncoderFamily = EncoderFamily {
    name: "jina-bert",
    position_embeddings: None,
    up: &["mlp.gated_layers"],
    gated_up: &["mlp.gated_layers"],
    down: "mlp.wo",
    mlp_norm: "mlp.layernorm",
    positions: PositionKind::Alibi,
    ..BERT
};

/// All families that are selected by `model_type`.
pub(super) const FAMILIES: [EncoderFamily; 8] = [
    BERT,
    EncoderFamily {
        name: "xlm-roberta",
        aliases: &["roberta", "camembert"],
        prefixes: &["roberta.", ""],
        skips_padding_position: true,
        head: Some(HeadNames {
            dense_in_encoder: false,
            dense: "classifier.dense",
            norm: None,
            score: "classifier.out_proj",
            activation: "tanh",
        }),
        ..BERT
    },
    EncoderFamily {
        name: "mpnet",
        prefixes: &["mpnet.", ""],
        segment_embeddings: None,
        qkv: &["attention.attn.q", "attention.attn.k", "attention.attn.v"],
        output: "attention.attn.o",
        attention_norm: "attention.LayerNorm",
        positions: PositionKind::Buckets("encoder.relative_attention_bias"),
        skips_padding_position: true,
        head: Some(HeadNames {
            dense_in_encoder: false,
            dense: "classifier.dense",
            norm: None,
            score: "classifier.out_proj",
            activation: "tanh",
        }),
        ..BERT
    },
    EncoderFamily {
        name: "distilbert",
        prefixes: &["distilbert.", ""],
        segment_embeddings: None,
        layer: "transformer.layer.",
        qkv: &["attention.q_lin", "attention.k_lin", "attention.v_lin"],
        output: "attention.out_lin",
        attention_norm: "sa_layer_norm",
        up: &["ffn.lin1"],
        down: "ffn.lin2",
        mlp_norm: "output_layer_norm",
        head: Some(HeadNames {
            dense_in_encoder: false,
            dense: "pre_classifier",
            norm: None,
            score: "classifier",
            activation: "relu",
        }),
        ..BERT
    },
    EncoderFamily {
        name: "deberta-v2",
        prefixes: &["deberta.", ""],
        qkv: &[
            "attention.self.query_proj",
            "attention.self.key_proj",
            "attention.self.value_proj",
        ],
        positions: PositionKind::Disentangled,
        head: Some(HeadNames {
            dense_in_encoder: false,
            dense: "pooler.dense",
            norm: None,
            score: "classifier",
            activation: "gelu",
        }),
        ..BERT
    },
    EncoderFamily {
        name: "nomic_bert",
        prefixes: &["bert.", ""],
        position_embeddings: None,
        embedding_norm: Some("emb_ln"),
        layer: "encoder.layers.",
        qkv: &["attn.Wqkv"],
        output: "attn.out_proj",
        attention_norm: "norm1",
        up: &[],
        gated_up: &["mlp.fc12", "mlp.fc11"],
        down: "mlp.fc2",
        mlp_norm: "norm2",
        positions: PositionKind::Rotary,
        head: None,
        ..BERT
    },
    EncoderFamily {
        name: "modernbert",
        prefixes: &["model.", ""],
        embed_tokens: &["embeddings.tok_embeddings"],
        position_embeddings: None,
        segment_embeddings: None,
        embedding_norm: Some("embeddings.norm"),
        final_norm: Some("final_norm"),
        layer: "layers.",
        qkv: &["attn.Wqkv"],
        output: "attn.Wo",
        attention_norm: "attn_norm",
        up: &[],
        gated_up: &["mlp.Wi"],
        down: "mlp.Wo",
        mlp_norm: "mlp_norm",
        positions: PositionKind::RotaryWithWindows,
        norms_first: true,
        head: Some(HeadNames {
            dense_in_encoder: false,
            dense: "head.dense",
            norm: Some("head.norm"),
            score: "classifier",
            activation: "gelu",
        }),
        ..BERT
    },
    EncoderFamily {
        name: "t5",
        aliases: &["t5encoder"],
        prefixes: &["transformer.", ""],
        embed_tokens: &["shared", "encoder.embed_tokens"],
        position_embeddings: None,
        segment_embeddings: None,
        embedding_norm: None,
        final_norm: Some("encoder.final_layer_norm"),
        layer: "encoder.block.",
        qkv: &[
            "layer.0.SelfAttention.q",
            "layer.0.SelfAttention.k",
            "layer.0.SelfAttention.v",
        ],
        output: "layer.0.SelfAttention.o",
        attention_norm: "layer.0.layer_norm",
        up: &["layer.1.DenseReluDense.wi"],
        gated_up: &["layer.1.DenseReluDense.wi_0", "layer.1.DenseReluDense.wi_1"],
        down: "layer.1.DenseReluDense.wo",
        mlp_norm: "layer.1.layer_norm",
        positions: PositionKind::Buckets(
            "encoder.block.0.layer.0.SelfAttention.relative_attention_bias",
        ),
        norms_first: true,
        rms_norm: true,
        head: None,
        ..BERT
    },
];

impl EncoderFamily {
    /// The family of a `model_type`.
    pub(super) fn from_model_type(name: &str) -> Option<&'static Self> {
        FAMILIES
            .iter()
            .find(|family| family.name == name || family.aliases.contains(&name))
    }
}
