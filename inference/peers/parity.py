"""Compares greedy tokens of Cloister and llama.cpp on the same file and prompts.

    parity.py PARITY-PROGRAM MODEL-FOLDER FILE.gguf PROMPTS.json [TOKENS] [--f32] [--exact]

Prints on how many prompts the first TOKENS (40) tokens are equal. Where they differ, it prints the
cosine of the two programs' logits at that position, and of each with the logits in 32-bit floats.
With --f32, llama.cpp keeps its KV cache in 32-bit floats and does not use flash attention, which
rounds to half floats. With --exact, the tokens of 32-bit arithmetic replace Cloister's, which shows
how close to llama.cpp a program without its rounding is.
"""

import ctypes
import json
import subprocess
import sys
import tempfile

import llama_cpp as llama
import numpy as np

QUIET = llama.llama_log_callback(lambda level, text, data: None)


class Peer:
    def __init__(self, path, tokens, floats):
        llama.llama_log_set(QUIET, ctypes.c_void_p(0))
        llama.llama_backend_init()
        self.model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
        params = llama.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_threads, params.n_threads_batch = tokens, 512, 1, 1
        if floats:
            params.type_k = params.type_v = llama.GGML_TYPE_F32
            params.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = llama.llama_init_from_model(self.model, params)
        self.vocabulary = llama.llama_model_get_vocab(self.model)
        self.words = llama.llama_vocab_n_tokens(self.vocabulary)

    def forget(self):
        llama.llama_memory_clear(llama.llama_get_memory(self.context), True)

    def scores(self, ids):
        for start in range(0, len(ids), 512):
            part = ids[start : start + 512]
            # Keep a reference: the batch has only a pointer.
            tokens = (llama.llama_token * len(part))(*part)
            batch = llama.llama_batch_get_one(tokens, len(part))
            assert llama.llama_decode(self.context, batch) == 0
        scores = llama.llama_get_logits_ith(self.context, -1)
        return np.ctypeslib.as_array(scores, (self.words,)).copy()

    def greedy(self, prompt, most):
        self.forget()
        written, ids = [], prompt
        while len(written) < most:
            token = int(self.scores(ids).argmax())
            written.append(token)
            if llama.llama_vocab_is_eog(self.vocabulary, token):
                break
            ids = [token]
        return written


def lines(*command):
    out = subprocess.run(command, check=True, capture_output=True)
    return [json.loads(line) for line in out.stdout.splitlines()]


def cosine(a, b):
    a, b = np.array(a, np.float64), np.array(b, np.float64)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def spread(cosines):
    return {
        "least": min(cosines),
        "median": float(np.median(cosines)),
        "at_or_above_0.999": sum(cosine >= 0.999 for cosine in cosines),
    }


def main():
    floats, exactly = "--f32" in sys.argv, "--exact" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    program, folder, path, prompts = arguments[:4]
    most = int(arguments[4]) if len(arguments) > 4 else 40
    own = lines(program, folder, "exact-write" if exactly else "write", prompts, str(most))
    peer = Peer(path, 4096, floats)
    equal, parted = 0, []
    for one in own:
        theirs = peer.greedy(one["prompt"], most)
        if theirs == one["written"]:
            equal += 1
            continue
        pairs = enumerate(zip(theirs, one["written"]))
        place = next((i for i, (a, b) in pairs if a != b), min(len(theirs), len(one["written"])))
        parted.append(one["prompt"] + theirs[:place])
    report = {"prompts": len(own), "tokens": most, "equal": equal, "share": equal / len(own)}
    if parted:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(parted, file)
            file.flush()
            ours = lines(program, folder, "scores", file.name)
            exact = lines(program, folder, "exact-scores", file.name)
        theirs = []
        for ids in parted:
            peer.forget()
            theirs.append(peer.scores(ids))
        report["where_parted"] = {
            "Cloister, llama.cpp": spread([cosine(a, b) for a, b in zip(ours, theirs)]),
            "Cloister, exact": spread([cosine(a, b) for a, b in zip(ours, exact)]),
            "llama.cpp, exact": spread([cosine(a, b) for a, b in zip(theirs, exact)]),
        }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
