"""Writes MiniLM as ONNX graphs, without torch: onnx_graphs.py MODEL-FOLDER OUT-FOLDER.

`fp32.onnx` has ONNX Runtime's fused operators (Attention, SkipLayerNormalization, BiasGelu), its
fastest form; `int8.onnx` is the plain graph after `quantize_dynamic`, per channel.
"""

import json
import pathlib
import struct
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic


def safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            start, end = entry["data_offsets"]
            values = np.frombuffer(data[8 + length + start : 8 + length + end], np.float32)
            yield name, values.reshape(entry["shape"])


class Graph:
    def __init__(self):
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, values):
        self.count += 1
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), f"c{self.count}"))
        return f"c{self.count}"

    def __call__(self, kind, *inputs, domain="", outputs=1, **attributes):
        self.count += 1
        names = [f"n{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, **attributes))
        return names[0]

    def save(self, path, result):
        ids, mask = (helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "s"]) for n in ("ids", "mask"))
        self.nodes.append(helper.make_node("Identity", [result], ["states"]))
        out = helper.make_tensor_value_info("states", TensorProto.FLOAT, ["b", "s", 384])
        graph = helper.make_graph(self.nodes, "bert", [ids, mask], [out], self.constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def build(tensors, config, fused, path):
    g, width, heads = Graph(), config["hidden_size"], config["num_attention_heads"]
    size, microsoft = width // heads, "com.microsoft"
    embedding = lambda kind: tensors[f"embeddings.{kind}_embeddings.weight"]
    words = g("Gather", g.constant(embedding("word")), "ids")
    length = g("Slice", g("Shape", "ids"), *(g.constant(np.array([i])) for i in (1, 2)))
    positions = embedding("position") + embedding("token_type")[0]
    place = g("Slice", g.constant(positions), g.constant(np.array([0])), length)
    states = g("Add", words, place)

    def norm(states, name, added=None):
        gain, bias = (g.constant(tensors[f"{name}.{part}"]) for part in ("weight", "bias"))
        epsilon = config["layer_norm_eps"]
        if added is not None and fused:
            return g("SkipLayerNormalization", states, added, gain, bias, domain=microsoft, epsilon=epsilon)
        summed = states if added is None else g("Add", states, added)
        return g("LayerNormalization", summed, gain, bias, axis=-1, epsilon=epsilon)

    def product(states, name):
        return g("MatMul", states, g.constant(tensors[f"{name}.weight"].T))

    def dense(states, name):
        return g("Add", product(states, name), g.constant(tensors[f"{name}.bias"]))

    def attention(states, name):
        parts = [f"{name}.self.{part}" for part in ("query", "key", "value")]
        if fused:
            weight = g.constant(np.concatenate([tensors[f"{p}.weight"].T for p in parts], axis=1))
            bias = g.constant(np.concatenate([tensors[f"{p}.bias"] for p in parts]))
            seen = g("Cast", g("ReduceSum", "mask", g.constant(np.array([1])), keepdims=0), to=TensorProto.INT32)
            return g("Attention", states, weight, bias, seen, domain=microsoft, num_heads=heads)
        split = g.constant(np.array([0, 0, heads, size]))
        turned = lambda part, order: g("Transpose", g("Reshape", dense(states, part), split), perm=order)
        query, key, value = (turned(p, [0, 2, 3, 1] if i == 1 else [0, 2, 1, 3]) for i, p in enumerate(parts))
        scores = g("Mul", g("MatMul", query, key), g.constant(np.float32(size**-0.5)))
        missing = g("Sub", g.constant(np.float32(1)), g("Cast", "mask", to=TensorProto.FLOAT))
        missing = g("Mul", missing, g.constant(np.float32(-1e9)))
        missing = g("Unsqueeze", missing, g.constant(np.array([1, 2])))
        weights = g("Softmax", g("Add", scores, missing), axis=-1)
        context = g("Transpose", g("MatMul", weights, value), perm=[0, 2, 1, 3])
        return g("Reshape", context, g.constant(np.array([0, 0, width])))

    def gelu(states, name):
        if fused:
            bias = g.constant(tensors[f"{name}.bias"])
            return g("BiasGelu", product(states, name), bias, domain=microsoft)
        wide = dense(states, name)
        scaled = g("Erf", g("Mul", wide, g.constant(np.float32(0.5**0.5))))
        half = g("Mul", wide, g.constant(np.float32(0.5)))
        return g("Mul", half, g("Add", scaled, g.constant(np.float32(1))))

    states = norm(states, "embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}"
        attended = dense(attention(states, f"{name}.attention"), f"{name}.attention.output.dense")
        states = norm(states, f"{name}.attention.output.LayerNorm", attended)
        narrowed = dense(gelu(states, f"{name}.intermediate.dense"), f"{name}.output.dense")
        states = norm(states, f"{name}.output.LayerNorm", narrowed)
    g.save(path, states)


def main():
    folder, out = map(pathlib.Path, sys.argv[1:3])
    out.mkdir(parents=True, exist_ok=True)
    tensors = dict(safetensors(folder / "model.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    build(tensors, config, True, out / "fp32.onnx")
    build(tensors, config, False, out / "plain.onnx")
    quantize_dynamic(out / "plain.onnx", out / "int8.onnx", weight_type=QuantType.QInt8, per_channel=True)


if __name__ == "__main__":
    main()
