"""Converts a BERT that was exported to ONNX to safetensors in f16: weights in floats, int8 or 4 bits.

    onnx_to_safetensors.py MODEL.onnx model.safetensors

Only the standard library is used, so that the first set-up needs nothing else. Names become those of
Hugging Face's BERT, which the product reads. An ONNX file is a protocol buffer; only the fields that
are needed here are read: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

import array
import struct
import sys

import safetensors_file

GRAPH, NODE, INITIALIZER = 7, 1, 5
FLOAT, UINT8, INT8 = 1, 2, 3
WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def fields(data):
    """Yields the number and the value of each field of a message."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, at = varint(data, at)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
            value, at = data[at:at + size], at + size
        elif wire_type == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            raise ValueError(f"unknown wire type {wire_type}")
        yield number, value


class Tensor:
    def __init__(self, message):
        self.shape, self.type, self.name, self.raw = [], None, "", b""
        for number, value in fields(message):
            if number == 1:
                self.shape += [value] if isinstance(value, int) else list(self.varints(value))
            elif number == 2:
                self.type = value
            elif number == 8:
                self.name = bytes(value).decode()
            elif number in (4, 9):  # float_data and raw_data
                self.raw = bytes(value)
            elif number == 5 and not isinstance(value, int):  # int32_data holds small integers
                self.raw = bytes(each & 255 for each in self.varints(value))

    @staticmethod
    def varints(data):
        at = 0
        while at < len(data):
            value, at = varint(data, at)
            yield value

    def floats(self):
        return struct.unpack(f"<{len(self.raw) // 4}f", self.raw)

    def integers(self):
        return array.array("b" if self.type == INT8 else "B", self.raw)


class Node:
    def __init__(self, message):
        self.inputs, self.name, self.operator = [], "", ""
        for number, value in fields(message):
            if number == 1:
                self.inputs.append(bytes(value).decode())
            elif number == 3:
                self.name = bytes(value).decode()
            elif number == 4:
                self.operator = bytes(value).decode()


def read(path):
    """The tensors by name, and the nodes."""
    with open(path, "rb") as file:
        model = memoryview(file.read())
    graph = next(value for number, value in fields(model) if number == GRAPH)
    tensors, nodes = {}, []
    for number, value in fields(graph):
        if number == INITIALIZER:
            tensor = Tensor(value)
            tensors[tensor.name] = tensor
        elif number == NODE:
            nodes.append(Node(value))
    return tensors, nodes


def weight_name(node):
    """`bert.encoder.layer.0.output.dense.weight` for the node `/bert/encoder/layer.0/output/dense/MatMul_quant`."""
    path = node.name.strip("/").split("/")[:-1]
    return ".".join(path) + ".weight"


def half_table(scale, zero_point, signed):
    """The f16 value of each byte of a quantised tensor."""
    values = (byte - 256 if signed and byte > 127 else byte for byte in range(256))
    return [struct.pack("<e", (value - zero_point) * scale) for value in values]


def dequantize(tensors, name, transpose):
    """Shape and f16 bytes of a quantised matrix, transposed if it multiplies from the right."""
    matrix = tensors[name + "_quantized"]
    scales, zeros = tensors[name + "_scale"].floats(), tensors[name + "_zero_point"].integers()
    rows, columns = matrix.shape
    signed = matrix.type == INT8
    if not transpose:
        table = half_table(scales[0], zeros[0], signed)
        return [rows, columns], b"".join([table[byte] for byte in matrix.raw])
    parts = []
    for column in range(columns):
        at = column if len(scales) > 1 else 0
        table = half_table(scales[at], zeros[at], signed)
        parts += [table[byte] for byte in matrix.raw[column::columns]]
    return [columns, rows], b"".join(parts)


def dequantize_4_bits(matrix, scales):
    """Shape and f16 bytes of a matrix of `MatMulNBits`: blocks of 32 values, the low four bits of a byte first."""
    rows, blocks, block_bytes = matrix.shape
    if block_bytes != 16:
        raise ValueError(f"blocks of {2 * block_bytes} values of 4 bits are not supported")
    parts = []
    for number, scale in enumerate(scales.floats()):
        halves = [struct.pack("<e", (nibble - 8) * scale) for nibble in range(16)]
        for byte in matrix.raw[16 * number:16 * (number + 1)]:
            parts += (halves[byte & 15], halves[byte >> 4])
    return [rows, blocks * 32], b"".join(parts)


def transposed(tensor):
    """Shape and f16 bytes of a matrix of floats that multiplies from the right."""
    rows, columns = tensor.shape
    values = tensor.floats()
    halves = [struct.pack(f"<{rows}e", *values[column::columns]) for column in range(columns)]
    return [columns, rows], b"".join(halves)


def collect(tensors, nodes):
    """Each tensor of the model: name, shape, type and bytes."""
    found = {}
    for tensor in tensors.values():
        if tensor.type == FLOAT and tensor.name.endswith((".weight", ".bias")):
            halves = struct.pack(f"<{len(tensor.raw) // 4}e", *tensor.floats())
            found[tensor.name] = (tensor.shape, halves)
    for node in nodes:
        if node.operator == "MatMulNBits":
            if len(node.inputs) > 3:
                raise ValueError("zero points of 4 bits are not supported")
            _, matrix, scales = node.inputs
            found[weight_name(node)] = dequantize_4_bits(tensors[matrix], tensors[scales])
            continue
        if node.operator == "MatMul" and node.inputs[1] in tensors:
            found[weight_name(node)] = transposed(tensors[node.inputs[1]])
            continue
        base = next((i.removesuffix("_quantized") for i in node.inputs if i.endswith("_quantized") and i in tensors), None)
        if base is None:
            continue
        if node.operator == "Gather":
            found[base] = dequantize(tensors, base, transpose=False)
        elif node.operator == "MatMulInteger":
            name = base if base.endswith(".weight") else weight_name(node)
            found[name] = dequantize(tensors, base, transpose=True)
    return found


def convert(source, target):
    """Converts the ONNX file `source` to the safetensors file `target`."""
    found = collect(*read(source))
    if not any(name.endswith(WORD_EMBEDDINGS) for name in found):
        raise ValueError(f"{source} is not a BERT")
    safetensors_file.write(found, target)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    convert(sys.argv[1], sys.argv[2])
