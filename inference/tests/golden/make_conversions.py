"""Writes files that must be converted, made from the golden file of qwen3 with the Python package gguf.

    pip install gguf numpy
    make_conversions.py families/qwen3.gguf conversions

split-0000N-of-00002.gguf   the same tensors in two pieces
iq4_nl.gguf                 some matrices in IQ4_NL
"""

import json
import pathlib
import sys

import gguf
import numpy as np

LEVELS = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)
TYPES = gguf.GGUFValueType


def add_metadata(writer, reader):
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        kind = field.types[0]
        sub = field.types[-1] if kind == TYPES.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=sub)


def write(path, reader, tensors, pieces=None):
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(path, architecture)
    if pieces is None or pieces[0] == 0:
        add_metadata(writer, reader)
    if pieces is not None:
        writer.add_uint16("split.no", pieces[0])
        writer.add_uint16("split.count", pieces[1])
        writer.add_int32("split.tensors.count", len(reader.tensors))
    for name, data, kind in tensors:
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def to_iq4_nl(values):
    """Blocks of 32 values with the nearest of the sixteen levels."""
    blocks = values.astype(np.float32).reshape(-1, 32)
    scales = (np.abs(blocks).max(1, keepdims=True) / 113).astype(np.float16)
    safe = np.where(scales == 0, 1, scales).astype(np.float32)
    nearest = np.abs(blocks[:, :, None] / safe[:, :, None] - LEVELS).argmin(-1).astype(np.uint8)
    packed = nearest[:, :16] | nearest[:, 16:] << 4
    data = np.concatenate([scales.view(np.uint8), packed], 1)
    return data.reshape(*values.shape[:-1], values.shape[-1] // 32 * 18)


def main():
    source, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    reader = gguf.GGUFReader(source)
    tensors = [(tensor.name, tensor.data, tensor.tensor_type) for tensor in reader.tensors]
    half = len(tensors) // 2
    write(folder / "split-00001-of-00002.gguf", reader, tensors[:half], (0, 2))
    write(folder / "split-00002-of-00002.gguf", reader, tensors[half:], (1, 2))
    kind, changed = gguf.GGMLQuantizationType.IQ4_NL, []
    for tensor, (name, data, stored) in zip(reader.tensors, tensors):
        if "ffn_" in name and data.ndim == 2:
            changed.append((name, to_iq4_nl(gguf.quants.dequantize(data, stored)), kind))
        else:
            changed.append((name, data, stored))
    write(folder / "iq4_nl.gguf", reader, changed)
    print(json.dumps([name for name, _, stored in changed if stored == kind]))


main()
