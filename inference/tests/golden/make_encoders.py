"""Makes tiny encoders of random weights with transformers, one for each family and head, and what
they say.

    pip install torch transformers safetensors tokenizers
    make_encoders.py FOLDER        writes FOLDER/NAME/: a model's folder, and golden.json
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
MODELS = [
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
    model = kind.from_config(config, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if "norm" in name.lower():
                tensor.add_(torch.randn_like(tensor) * 0.2)
            elif name.endswith("bias"):
                tensor.copy_(torch.randn_like(tensor) * 0.2)
            tensor.copy_(tensor.half().float())
    return model


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
                if family == "bert":
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


def main():
    for name, family, config, kind, pooling in MODELS:
        folder = pathlib.Path(sys.argv[1]) / name
        folder.mkdir(parents=True, exist_ok=True)
        model, tokenizer = model_of(config, kind), tokenizer_of(family)
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        weights = {key: tensor.half().contiguous() for key, tensor in model.state_dict().items() if tensor.is_floating_point()}
        save_file(weights, folder / "model.safetensors")
        (folder / "config.json").write_text(model.config.to_json_string())
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
            f"context = {HELD}",
            f"parameters = {sum(tensor.numel() for tensor in model.parameters())}",
            'fitness = "random weights, for tests"',
        ]
        if pooling:
            lines.append(f'pooling = "{pooling}"')
        (folder / "model.toml").write_text("\n".join(lines) + "\n")
        print(name)


if __name__ == "__main__":
    main()
