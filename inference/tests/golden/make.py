"""Writes minilm.json: vectors of all-MiniLM-L6-v2 by a plain float64 BERT in numpy.

Independent of the Rust encoder, so that the two can disagree. Needs numpy, tokenizers, safetensors:
    python make.py MODEL_DIR > minilm.json
"""
import json
import math
import sys

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

TEXTS = [
    "The dose for adults is 5 mg twice daily.",
    "Wie hoch ist die Gebühr nach § 12(3)?",
    "x",
    "E11.9 — type 2 diabetes mellitus, without complications",
    "Transfers above EUR 10,000 need a second signature. " * 40,
    "Visitors are welcome between 14:00 and 18:00.\nWash your hands before and after each visit.",
]

model = sys.argv[1]
weights = {name: value.astype(np.float64) for name, value in load_file(f"{model}/model.safetensors").items()}
config = json.load(open(f"{model}/config.json"))
tokenizer = Tokenizer.from_file(f"{model}/tokenizer.json")
tokenizer.no_padding()
tokenizer.enable_truncation(json.load(open(f"{model}/sentence_bert_config.json"))["max_seq_length"])
heads = config["num_attention_heads"]
erf = np.vectorize(math.erf)


def dense(x, name):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def norm(x, name):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + config["layer_norm_eps"])
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def split(x):
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)


def embed(text):
    ids = tokenizer.encode(text).ids
    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for index in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{index}"
        q, k, v = (split(dense(x, f"{layer}.attention.self.{part}")) for part in ("query", "key", "value"))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        context = (shares @ v).transpose(1, 0, 2).reshape(len(ids), -1)
        x = norm(x + dense(context, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
        inner = dense(x, f"{layer}.intermediate.dense")
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        x = norm(x + dense(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    vector = x.mean(0)
    return vector / np.linalg.norm(vector)


lines = [json.dumps({"text": text, "vector": [round(float(v), 6) for v in embed(text)]}) for text in TEXTS]
print("[\n" + ",\n".join(lines) + "\n]")
