"""Prints ONNX Runtime's speed as one JSON line: onnx_run.py GRAPH MODEL-FOLDER TEXTS.json THREADS [OUT.npy]."""

import json
import sys
import time

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

BATCH = 32


def main():
    graph, folder, texts, threads = sys.argv[1], sys.argv[2], json.load(open(sys.argv[3])), int(sys.argv[4])
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def vectors(part):
        encoded = tokenizer.encode_batch(part)
        ids = np.array([e.ids for e in encoded], np.int64)
        mask = np.array([e.attention_mask for e in encoded], np.int64)
        (states,) = session.run(None, {"ids": ids, "mask": mask})
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    vectors([texts[i] for i in order[:BATCH]])
    out = np.zeros((len(texts), 384), np.float32)
    began = time.perf_counter()
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        out[part] = vectors([texts[i] for i in part])
    print(json.dumps({"texts_a_second": len(texts) / (time.perf_counter() - began)}))
    if len(sys.argv) > 5:
        np.save(sys.argv[5], out)


if __name__ == "__main__":
    main()
