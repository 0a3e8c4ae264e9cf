"""Prints llama.cpp's speed as one JSON line: llama.py FILE.gguf PROMPT GENERATE THREADS."""

import ctypes
import json
import random
import sys
import time

import llama_cpp as llama

QUIET = llama.llama_log_callback(lambda level, text, data: None)


def main():
    path, prompt, generate, threads = sys.argv[1], *map(int, sys.argv[2:5])
    llama.llama_log_set(QUIET, ctypes.c_void_p(0))
    llama.llama_backend_init()
    model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
    params = llama.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_ubatch = max(prompt, generate) + 64, 512, 512
    params.n_threads = params.n_threads_batch = threads
    context = llama.llama_init_from_model(model, params)
    words = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    random.seed(1)

    def pace(count, step):
        llama.llama_memory_clear(llama.llama_get_memory(context), True)
        began, left = time.perf_counter(), count
        while left > 0:
            length = min(step, left)
            tokens = (llama.llama_token * length)(*(random.randrange(words) for _ in range(length)))
            assert llama.llama_decode(context, llama.llama_batch_get_one(tokens, length)) == 0
            llama.llama_synchronize(context)
            left -= length
        return count / (time.perf_counter() - began)

    pace(32, 32)
    print(json.dumps({"prefill": pace(prompt, 512), "decode": pace(generate, 1)}))


if __name__ == "__main__":
    main()
