"""Makes tiny encoders of random weights with transformers, one for each family and head, and what
they say.

    pip install torch transformers safetensors tokenizers
    make_encoders.py FOLDER        writes FOLDER/NAME/: a model's folder, and golden.json. Existing folders stay
"""

import hashlib
import json
import pathlib
import sys

import torch
import transformers as t
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"] + [f"w{i}" for i in range(92)]
TEXTS = [
    "w1",
    "w5 w6 w7 w8",
    " ".join(f"w{i * 7 % 90}" for i in range(30)),
    " ".join(f"w{i * 11 % 90}" for i in range(60)),
]
# More tokens than the models hold, so that the cut is compared too.
LONG = " ".join(f"w{i * 13 % 90}" for i in range(150))
QUESTION = "w3 w9 w27"
HELD = 72

COMMON = dict(
    vocab_size=len(WORDS),
    hidden_size=32,
    num_attention_heads=2,
    intermediate_size=64,
    initializer_range=0.3,
    pad_token_id=0,
    num_labels=1,
)
BERT = t.BertConfig(**COMMON, num_hidden_layers=2, max_position_embeddings=HELD)
XLM = t.XLMRobertaConfig(**COMMON, num_hidden_layers=2, max_position_embeddings=HELD + 1, type_vocab_size=1)
ENTAILMENT = dict(num_labels=3, id2label={0: "contradiction", 1: "entailment", 2: "neutral"})
BERT_ENTAILMENT = t.BertConfig(**{**COMMON, **ENTAILMENT}, num_hidden_layers=2, max_position_embeddings=HELD)
XLM_ENTAILMENT = t.XLMRobertaConfig(
    **{**COMMON, **ENTAILMENT}, num_hidden_layers=2, max_position_embeddings=HELD + 1, type_vocab_size=1
)
MODERN = t.ModernBertConfig(
    **COMMON,
    num_hidden_layers=5,
    max_position_embeddings=HELD,
    local_attention=16,
    global_attn_every_n_layers=3,
    classifier_pooling="mean",
    cls_token_id=1,
    sep_token_id=2,
)
DISTIL = t.DistilBertConfig(
    vocab_size=len(WORDS), dim=32, n_heads=2, n_layers=2, hidden_dim=64, max_position_embeddings=HELD,
    initializer_range=0.3, pad_token_id=0, num_labels=1,
)
MPNET = t.MPNetConfig(**COMMON, num_hidden_layers=2, max_position_embeddings=HELD + 1)
# As in version 3: logarithmic buckets, shared projections, and no absolute positions.
DEBERTA = dict(
    **{**COMMON, "num_labels": 1}, num_hidden_layers=2, max_position_embeddings=HELD, relative_attention=True,
    pos_att_type=["p2c", "c2p"], position_buckets=8, share_att_key=True, norm_rel_ebd="layer_norm",
    position_biased_input=False, type_vocab_size=0,
)
DEBERTA_V3 = t.DebertaV2Config(**DEBERTA)
DEBERTA_ENTAILMENT = t.DebertaV2Config(**{**DEBERTA, **ENTAILMENT})
# Exact distances, own projections, and absolute positions.
DEBERTA_V2 = t.DebertaV2Config(
    **{
        **DEBERTA, "position_buckets": -1, "share_att_key": False, "norm_rel_ebd": "none",
        "position_biased_input": True, "type_vocab_size": 2, "max_relative_positions": -1,
    }
)
NOMIC = t.NomicBertConfig(**COMMON, num_hidden_layers=2, max_position_embeddings=HELD)
# What nomic-embed-text states in its own names.
NOMIC_NAMES = dict(
    model_type="nomic_bert", n_embd=32, n_head=2, n_layer=2, n_inner=64, n_positions=HELD, type_vocab_size=2,
    layer_norm_epsilon=1e-12, activation_function="swiglu", rotary_emb_base=1000, rotary_emb_fraction=1.0,
    rotary_emb_interleaved=False, prenorm=False, qkv_proj_bias=False, pad_token_id=0,
)
T5 = dict(
    vocab_size=len(WORDS), d_model=32, d_kv=16, num_heads=4, d_ff=64, num_layers=2, n_positions=HELD,
    relative_attention_num_buckets=8, relative_attention_max_distance=32, initializer_factor=1.0, pad_token_id=0,
)
TAGGER = t.BertConfig(
    **{**COMMON, "num_labels": 5}, num_hidden_layers=2, max_position_embeddings=HELD + 128,
    id2label={0: "O", 1: "B-NAME", 2: "I-NAME", 3: "B-CITY", 4: "I-CITY"},
)
MODELS = [
    ("distilbert", "distilbert", DISTIL, t.AutoModel, "mean"),
    ("distilbert-pairs", "distilbert", DISTIL, t.AutoModelForSequenceClassification, None),
    ("mpnet", "mpnet", MPNET, t.AutoModel, "mean"),
    ("mpnet-pairs", "mpnet", MPNET, t.AutoModelForSequenceClassification, None),
    ("deberta-v2", "deberta-v2", DEBERTA_V2, t.AutoModel, "mean"),
    ("deberta-v3", "deberta-v2", DEBERTA_V3, t.AutoModel, "first"),
    ("deberta-v3-pairs", "deberta-v2", DEBERTA_V3, t.AutoModelForSequenceClassification, None),
    ("deberta-v3-entailment", "deberta-v2", DEBERTA_ENTAILMENT, t.AutoModelForSequenceClassification, None),
    ("nomic-bert", "nomic_bert", NOMIC, t.AutoModel, "mean"),
    ("t5", "t5", t.T5Config(**T5, feed_forward_proj="relu"), t.T5EncoderModel, "mean"),
    ("t5-gated", "t5", t.T5Config(**T5, feed_forward_proj="gated-gelu"), t.T5EncoderModel, "mean"),
    ("bert-tokens", "bert", TAGGER, t.AutoModelForTokenClassification, "tokens"),
    ("bert", "bert", BERT, t.AutoModel, "mean"),
    ("bert-first", "bert", BERT, t.AutoModel, "first"),
    ("xlm-roberta", "xlm-roberta", XLM, t.AutoModel, "mean"),
    ("modernbert", "modernbert", MODERN, t.AutoModel, "first"),
    ("bert-pairs", "bert", BERT, t.AutoModelForSequenceClassification, None),
    ("xlm-roberta-pairs", "xlm-roberta", XLM, t.AutoModelForSequenceClassification, None),
    ("modernbert-pairs", "modernbert", MODERN, t.AutoModelForSequenceClassification, None),
    ("bert-entailment", "bert", BERT_ENTAILMENT, t.AutoModelForSequenceClassification, None),
    ("xlm-roberta-entailment", "xlm-roberta", XLM_ENTAILMENT, t.AutoModelForSequenceClassification, None),
]


def kind_of(config, pooling):
    if pooling == "tokens":
        return "token-classifier"
    if pooling is not None:
        return "embedder"
    return "reranker" if config.num_labels == 1 else "entailment"


def tokenizer_of(family):
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    between = "[SEP] [SEP]" if family == "xlm-roberta" else "[SEP]"
    second = 0 if family != "bert" else 1
    pair = f"[CLS]:0 $A:0 {' '.join(f'{s}:0' for s in between.split())} $B:{second} [SEP]:{second}"
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair=pair, special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return tokenizer


def model_of(config, kind):
    torch.manual_seed(5)
    if kind is t.T5EncoderModel:
        model = kind(config).float().eval()
    else:
        model = kind.from_config(config, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if "norm" in name.lower():
                tensor.add_(torch.randn_like(tensor) * 0.2)
            elif name.endswith("bias"):
                tensor.copy_(torch.randn_like(tensor) * 0.2)
            tensor.copy_(tensor.half().float())
        if kind is t.AutoModelForTokenClassification:
            # Otherwise all tokens have the same label.
            states = model.bert(torch.arange(len(WORDS)).unsqueeze(0)).last_hidden_state[0]
            model.classifier.bias.copy_(-(model.classifier.weight @ states.mean(0)).half().float())
    return model


def original_names(weights):
    """The tensors of NomicBERT as nomic-embed-text stores them."""
    found = {}
    for name, tensor in weights.items():
        if ".q_proj." in name:
            parts = [weights[name.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")]
            name, tensor = name.replace("self_attn.q_proj", "attn.Wqkv"), torch.cat(parts)
        elif ".k_proj." in name or ".v_proj." in name:
            continue
        for new, old in (
            ("embeddings.LayerNorm", "emb_ln"), ("self_attn.o_proj", "attn.out_proj"), ("up_proj", "fc11"),
            ("gate_proj", "fc12"), ("down_proj", "fc2"), ("post_attention_layernorm", "norm1"),
            ("post_mlp_layernorm", "norm2"),
        ):
            name = name.replace(new, old)
        found["encoder." + name if name.startswith("layers.") else name] = tensor
    return found


def spans(text, model, tokenizer):
    """The labeled parts of a text: start, end, label, mean probability."""
    tokenizer.no_truncation()
    encoding = tokenizer.encode(text)
    with torch.no_grad():
        shares = model(**fed(encoding)[0]).logits[0].softmax(-1)
    found, open_span = [], False
    for row, (start, end) in list(zip(shares, encoding.offsets))[1:-1]:
        label = model.config.id2label[int(row.argmax())]
        if label == "O":
            open_span = False
            continue
        begins, name = label.startswith("B-"), label[2:]
        if open_span and found[-1][2] == name and (not begins or found[-1][1] == start):
            found[-1][1] = end
            found[-1][3].append(float(row.max()))
        else:
            found.append([start, end, name, [float(row.max())]])
        open_span = True
    return [[start, end, name, round(sum(shares) / len(shares), 5)] for start, end, name, shares in found]


def fed(encoding):
    inputs = {"input_ids": torch.tensor([encoding.ids])}
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    return inputs, torch.tensor([encoding.type_ids])


def said(name, family, model, pooling, tokenizer):
    with torch.no_grad():
        if pooling is None:
            tokenizer.enable_truncation(HELD, strategy="longest_first")
            found = []
            for passage in [*TEXTS, LONG]:
                inputs, types = fed(tokenizer.encode(QUESTION, passage))
                if family == "bert" or family == "deberta-v2" and model.config.type_vocab_size > 0:
                    inputs["token_type_ids"] = types
                logits = model(**inputs).logits[0]
                # Of three labels the probability of the second, entailment.
                found.append(logits.tolist() if len(logits) == 1 else [logits.softmax(0)[1].item()])
            return {"question": QUESTION, "texts": [*TEXTS, LONG], "values": found}
        tokenizer.enable_truncation(HELD)
        found = []
        for text in [*TEXTS, LONG]:
            states = model(**fed(tokenizer.encode(text))[0]).last_hidden_state[0]
            vector = states.mean(0) if pooling == "mean" else states[0]
            found.append((vector / vector.norm()).tolist())
        return {"question": "", "texts": [*TEXTS, LONG], "values": found}


def make_jina_bert(folder):
    """JinaBERT is not in transformers. The test compares it with candle-transformers."""
    torch.manual_seed(5)
    width, inner = 32, 64
    shapes = {"embeddings.word_embeddings": [len(WORDS), width], "embeddings.token_type_embeddings": [2, width]}
    for layer in range(2):
        at = f"encoder.layer.{layer}."
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes[at + part] = [width, width]
        shapes[at + "mlp.gated_layers"], shapes[at + "mlp.wo"] = [2 * inner, width], [width, inner]
        for part in ("attention.output.LayerNorm", "mlp.layernorm"):
            shapes[at + part] = [width]
    shapes["embeddings.LayerNorm"] = [width]
    weights = {}
    for name, shape in shapes.items():
        is_norm = len(shape) == 1
        weights[name + ".weight"] = (torch.randn(shape) * 0.3 + float(is_norm)).half()
        if "_embeddings" not in name and "gated_layers" not in name:
            weights[name + ".bias"] = (torch.randn(shape[0]) * 0.2).half()
    folder.mkdir(parents=True)
    save_file(weights, folder / "model.safetensors")
    tokenizer_of("bert").save(str(folder / "tokenizer.json"), pretty=False)
    config = dict(
        model_type="bert", vocab_size=len(WORDS), hidden_size=width, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=inner, hidden_act="gelu", max_position_embeddings=HELD, type_vocab_size=2,
        initializer_range=0.02, layer_norm_eps=1e-12, pad_token_id=0, position_embedding_type="alibi",
        feed_forward_type="geglu",
    )
    (folder / "config.json").write_text(json.dumps(config))
    sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    (folder / "model.toml").write_text(
        f'kind = "embedder"\nname = "jina-bert"\nfile = "model.safetensors"\nsha256 = "{sha256}"\n'
        f'licence = "Apache-2.0"\narchitecture = "bert"\ncontext = {HELD}\nparameters = 1\n'
        'fitness = "random weights, for tests"\n'
    )


def main():
    if not (pathlib.Path(sys.argv[1]) / "jina-bert").exists():
        make_jina_bert(pathlib.Path(sys.argv[1]) / "jina-bert")
    for name, family, config, kind, pooling in MODELS:
        folder = pathlib.Path(sys.argv[1]) / name
        if folder.exists():
            continue
        folder.mkdir(parents=True)
        model, tokenizer = model_of(config, kind), tokenizer_of(family)
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        weights = {key: tensor.half().contiguous() for key, tensor in model.state_dict().items() if tensor.is_floating_point()}
        described = model.config.to_json_string()
        if family == "nomic_bert":
            weights, described = original_names(weights), json.dumps(NOMIC_NAMES)
        if family == "t5":
            weights.pop("encoder.embed_tokens.weight", None)
        save_file(weights, folder / "model.safetensors")
        (folder / "config.json").write_text(described)
        if pooling == "tokens":
            golden = {"texts": TEXTS, "spans": [spans(text, model, tokenizer) for text in TEXTS]}
        else:
            golden = said(name, family, model, pooling, tokenizer)
            golden["values"] = [[round(x, 6) for x in values] for values in golden["values"]]
        (folder / "golden.json").write_text(json.dumps(golden))
        sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        lines = [
            f'kind = "{kind_of(config, pooling)}"',
            f'name = "{name}"',
            'file = "model.safetensors"',
            f'sha256 = "{sha256}"',
            'licence = "Apache-2.0"',
            f'architecture = "{family}"',
            f"context = {HELD + 128 if pooling == 'tokens' else HELD}",
            f"parameters = {sum(tensor.numel() for tensor in model.parameters())}",
            'fitness = "random weights, for tests"',
        ]
        if pooling in ("mean", "first"):
            lines.append(f'pooling = "{pooling}"')
        (folder / "model.toml").write_text("\n".join(lines) + "\n")
        print(name)


if __name__ == "__main__":
    main()
