"""Makes tiny models of random weights with transformers, one for each family, and what they say.

    pip install torch transformers gguf numpy
    make_families.py FOLDER [NAME ...]
                                   writes FOLDER/NAME.gguf and FOLDER/NAME.json, and for some
                                   the folder FOLDER/NAME as transformers saves it

The files follow llama.cpp's conversion: llama's queries and keys are reordered so that neighbours
turn together, Gemma's norms have 1 added, and so on. Weights are half floats in the file and the
same numbers in transformers, so what is compared is arithmetic and not rounding.
"""

import json
import pathlib
import sys

import gguf
import numpy as np
import torch
import transformers as t
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

WORDS, WIDTH, HEADS, KV_HEADS, SIZE, INNER, LAYERS = 288, 64, 4, 2, 16, 96, 2
IDS = [(i * 37 + i * i * 11) % 256 for i in range(70)]
# Places whose scores are kept: at the beginning, in the middle, past a page, at the end.
PLACES = [0, 20, 66, 69]

# Saved as folders too: one for each way in which a folder differs from its GGUF file.
FOLDERS = ["llama3", "qwen2-yarn", "phi3-longrope", "gemma3"]

COMMON = dict(
    vocab_size=WORDS,
    hidden_size=WIDTH,
    intermediate_size=INNER,
    num_hidden_layers=LAYERS,
    num_attention_heads=HEADS,
    num_key_value_heads=KV_HEADS,
    max_position_embeddings=512,
    initializer_range=0.25,
    tie_word_embeddings=False,
    bos_token_id=0,
    eos_token_id=1,
    pad_token_id=1,
)
LLAMA3 = dict(
    rope_type="llama3",
    rope_theta=10000.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=64,
)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=64)
LINEAR = dict(rope_type="linear", rope_theta=10000.0, factor=2.0)
LONG = [1.0 + 0.5 * i for i in range(SIZE // 2)]
SHORT = [1.0 + 0.1 * i for i in range(SIZE // 2)]
LONGROPE = dict(
    rope_type="longrope",
    rope_theta=10000.0,
    long_factor=LONG,
    short_factor=SHORT,
    original_max_position_embeddings=64,
    factor=8.0,
)


def families():
    plain = dict(rope_type="default", rope_theta=10000.0)
    yield "llama", "llama", t.LlamaConfig(**COMMON, rope_parameters=plain)
    yield "llama3", "llama", t.LlamaConfig(**COMMON, rope_parameters=LLAMA3)
    yield "llama-linear", "llama", t.LlamaConfig(**COMMON, rope_parameters=LINEAR)
    wide = dict(rope_type="default", rope_theta=1000000.0)
    yield "mistral", "llama", t.MistralConfig(**COMMON, rope_parameters=wide, head_dim=32, sliding_window=None)
    yield "qwen2", "qwen2", t.Qwen2Config(**COMMON, rope_parameters=plain)
    yield "qwen2-yarn", "qwen2", t.Qwen2Config(**COMMON, rope_parameters=YARN)
    yield "qwen3", "qwen3", t.Qwen3Config(**COMMON, rope_parameters=plain, head_dim=32)
    yield "phi3", "phi3", t.Phi3Config(**COMMON, rope_parameters=plain, sliding_window=24)
    yield "phi3-longrope", "phi3", t.Phi3Config(
        **COMMON, rope_parameters=LONGROPE, sliding_window=None, original_max_position_embeddings=64
    )
    gemma = COMMON | dict(
        hidden_size=32, intermediate_size=64, num_hidden_layers=7, tie_word_embeddings=True, num_attention_heads=2,
        num_key_value_heads=1,
    )
    yield "gemma3", "gemma3", t.Gemma3TextConfig(
        **gemma,
        head_dim=SIZE,
        query_pre_attn_scalar=SIZE,
        sliding_window=24,
        rope_parameters={
            "sliding_attention": dict(rope_type="default", rope_theta=10000.0),
            "full_attention": dict(rope_type="linear", rope_theta=1000000.0, factor=8.0),
        },
    )


    # These run on the general backend.
    half = dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5)
    yield "phi2", "phi2", t.PhiConfig(
        **COMMON | dict(num_key_value_heads=HEADS), rope_parameters=half, hidden_act="gelu_new"
    )
    yield "glm4", "glm4", t.Glm4Config(**COMMON, rope_parameters=half, head_dim=SIZE, attention_bias=True)
    # Each expert has its own tensors, as in the first files of llama.cpp, and all experts are one tensor.
    experts = t.MixtralConfig(
        **COMMON, rope_parameters=plain, sliding_window=None, num_local_experts=4, num_experts_per_tok=2
    )
    yield "mixtral", "llama", experts
    yield "mixtral-merged", "llama", experts


def model_of(config):
    torch.manual_seed(7)
    model = t.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if "norm" in name:
                tensor.add_(torch.randn_like(tensor) * 0.2)
            if name.endswith("bias"):
                tensor.copy_(torch.randn_like(tensor) * 0.2)
            tensor.copy_(tensor.half().float())
    return model


NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "model.final_layernorm": "output_norm",
    "self_attn.dense": "attn_output",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
    "post_self_attn_layernorm": "post_attention_norm",
    "post_mlp_layernorm": "post_ffw_norm",
    "mlp.gate": "ffn_gate_inp",
}


def stored(name, values, architecture, config):
    """The name and values of a tensor as GGUF has them."""
    stem, kind = name.rsplit(".", 1)
    prefix = ""
    if stem.startswith("model.layers."):
        index, stem = stem.removeprefix("model.layers.").split(".", 1)
        prefix = f"blk.{index}."
    part = NAMES[stem]
    if architecture == "gemma3" and stem == "post_attention_layernorm":
        part = "post_attention_norm"
    if architecture == "gemma3" and "norm" in stem:
        values = values + 1
    if architecture == "llama" and part in ("attn_q", "attn_k"):
        heads = config.num_attention_heads if part == "attn_q" else config.num_key_value_heads
        rows = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
        values = rows.swapaxes(1, 2).reshape(values.shape)
    return f"{prefix}{part}.{kind}", values


def fused(tensors):
    """The queries, keys and values of Phi-2 as one tensor, as candle reads them."""
    for key in [key for key in tensors if ".q_proj." in key]:
        parts = [tensors.pop(key.replace(".q_proj.", f".{part}_proj.")) for part in "qkv"]
        tensors[key.replace(".q_proj.", ".qkv_proj.")] = torch.cat(parts)
    return tensors


def experts_of(tensors, merged):
    """The experts of Mixtral, one by one or merged, by the names of GGUF."""
    found = {}
    for key, values in tensors.items():
        if ".mlp.experts." not in key:
            continue
        layer = key.split(".")[2]
        parts = {"ffn_down": values}
        if key.endswith("gate_up_proj"):
            gate, up = values.chunk(2, dim=1)
            parts = {"ffn_gate": gate, "ffn_up": up}
        for part, matrices in parts.items():
            if merged:
                found[f"blk.{layer}.{part}_exps.weight"] = matrices
            else:
                found |= {f"blk.{layer}.{part}.{number}.weight": matrix for number, matrix in enumerate(matrices)}
    return found


def write_head(writer, config, scaling):
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_context_length(512)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(size)
    writer.add_value_length(size)
    if hasattr(config, "layer_norm_eps"):
        writer.add_layer_norm_eps(config.layer_norm_eps)
    else:
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(int(size * scaling.get("partial_rotary_factor", 1)))
    writer.add_vocab_size(WORDS)
    if hasattr(config, "num_local_experts"):
        writer.add_expert_count(config.num_local_experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
    if getattr(config, "sliding_window", None):
        writer.add_sliding_window(config.sliding_window)
    scaling = scaling.get("full_attention", scaling)
    writer.add_rope_freq_base(scaling["rope_theta"])
    kind = scaling["rope_type"]
    if kind in ("linear", "yarn", "longrope"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
    if kind in ("linear", "yarn"):
        writer.add_rope_scaling_factor(scaling["factor"])
    if kind in ("yarn", "longrope"):
        writer.add_rope_scaling_orig_ctx_len(64)
    if kind == "longrope":
        # 512 positions instead of 64.
        factor = float(np.sqrt(1 + np.log(512 / 64) / np.log(64)))
        writer.add_rope_scaling_attn_factors(factor)
        writer.add_tensor("rope_factors_long.weight", np.array(LONG, np.float32))
        writer.add_tensor("rope_factors_short.weight", np.array(SHORT, np.float32))
    if kind == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(size))


def llama3_factors(size):
    """What each frequency is divided by, as llama.cpp's conversion computes it."""
    base = 10000.0 ** (np.arange(0, size, 2) / size)
    length = 2 * np.pi * base
    low, high = 64 / LLAMA3["low_freq_factor"], 64 / LLAMA3["high_freq_factor"]
    smooth = (64 / length - 1.0) / (4.0 - 1.0)
    between = 1 / ((1 - smooth) / LLAMA3["factor"] + smooth)
    return np.where(length < high, 1.0, np.where(length > low, 8.0, between)).astype(np.float32)


def words():
    """A byte-level vocabulary with one merge: its tokens, and the merge."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = {byte: chr(byte) for byte in plain} | {byte: chr(256 + i) for i, byte in enumerate(others)}
    pair = (letters[ord(" ")], letters[ord("a")])
    tokens = [letters[byte] for byte in range(256)] + ["".join(pair)]
    return tokens + [f"<|special{i}|>" for i in range(WORDS - 257)], pair


TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"


def write_words(writer):
    tokens, pair = words()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 257 + [3] * (WORDS - 257))
    writer.add_token_merges([" ".join(pair)])
    writer.add_bos_token_id(257)
    writer.add_eos_token_id(258)
    writer.add_chat_template(TEMPLATE)


def save_folder(model, folder):
    """What transformers writes: settings, tokenizer, weights in half floats."""
    tokens, pair = words()
    vocabulary = {token: i for i, token in enumerate(tokens[:257])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [pair]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(tokens[257:])
    fast = t.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=tokens[257], eos_token=tokens[258])
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    model.half().save_pretrained(folder)


def main():
    folder = pathlib.Path(sys.argv[1])
    wanted = sys.argv[2:]
    for name, architecture, config in families():
        if wanted and name not in wanted:
            continue
        model = model_of(config)
        with torch.no_grad():
            scores = model(torch.tensor([IDS])).logits[0]
        writer = gguf.GGUFWriter(folder / f"{name}.gguf", architecture)
        write_head(writer, config, config.rope_parameters)
        write_words(writer)
        tensors = model.state_dict()
        if architecture == "phi2":
            tensors = fused(dict(tensors))
        for key, tensor in experts_of(tensors, name == "mixtral-merged").items():
            writer.add_tensor(key, tensor.contiguous().numpy().astype(np.float16))
        for key, tensor in tensors.items():
            if ".mlp.experts." in key:
                continue
            if key == "lm_head.weight" and config.tie_word_embeddings:
                continue
            key, values = stored(key, tensor.numpy(), architecture, config)
            values = values.astype(np.float32 if values.ndim == 1 else np.float16)
            writer.add_tensor(key, values)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        kept = {str(place): [round(float(x), 4) for x in scores[place]] for place in PLACES}
        (folder / f"{name}.json").write_text(json.dumps({"ids": IDS, "scores": kept}))
        if name in FOLDERS:
            save_folder(model, folder / name)
        print(name, sum(p.numel() for p in model.parameters()))


if __name__ == "__main__":
    main()
