"""Writes formats.json: random blocks of ggml's formats and their values by the Python package gguf.

    pip install gguf numpy
    make_formats.py > formats.json
"""

import json

import gguf
import numpy as np

random = np.random.default_rng(3)
found = []
for format in (gguf.GGMLQuantizationType.IQ4_NL, gguf.GGMLQuantizationType.IQ4_XS, gguf.GGMLQuantizationType.MXFP4):
    values, size = gguf.GGML_QUANT_SIZES[format]
    blocks = random.integers(0, 256, (2, size), dtype=np.uint8)
    if format == gguf.GGMLQuantizationType.MXFP4:
        blocks[:, 0] = [0, 120]
    else:
        blocks[:, :2] = np.array([0.0123, -1.5], dtype=np.float16).view(np.uint8).reshape(2, 2)
    floats = gguf.quants.dequantize(blocks, format)
    found.append({"format": int(format), "bytes": blocks.tobytes().hex(), "values": [float(x) for x in floats.flatten()]})
print(json.dumps(found))
