#!/usr/bin/env bash
# Checks and measures generation on an NVIDIA GPU, in under ten minutes after the build. It prints one
# table, and fails if the GPU's tokens differ too much from the CPU's.
#
#   deploy/gpu-check.sh MODEL.gguf [TARGET]
#
# TARGET is a folder with the programs that were built with the feature `cuda`: `release/cloister` and
# `release/examples/parity`. Without it, `target` is used. What is missing is built, which takes longer.
# It changes no setting of the GPU. Exit status: 0 passed, 1 failed, 2 not run.
set -euo pipefail

model=${1:?"usage: gpu-check.sh MODEL.gguf [TARGET]"}
target=${2:-${CARGO_TARGET_DIR:-target}}
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader; then
    echo "there is no NVIDIA GPU, or its driver is not loaded" >&2
    exit 2
fi
[ -f "$model" ] || { echo "there is no file \`$model\`" >&2; exit 2; }

cloister=$target/release/cloister
parity=$target/release/examples/parity
if [ ! -x "$cloister" ] || [ ! -x "$parity" ]; then
    echo "building with CUDA into $target" >&2
    build=(cargo build --release --locked --features cuda --target-dir "$target" --manifest-path "$root/Cargo.toml")
    "${build[@]}" --package cloister-server --bin cloister
    "${build[@]}" --package cloister-inference --example parity
fi

# Each measurement has a limit, so that a hanging driver ends the check.
limited() { timeout --signal=KILL "$@"; }

# The tokens that greedy decoding writes: on the GPU, and without it.
mkdir "$work/model"
ln -s "$(realpath "$model")" "$work/model/model.gguf"
cat > "$work/model/model.toml" <<MANIFEST
kind = "generator"
name = "checked"
file = "model.gguf"
sha256 = "$(sha256sum "$model" | cut -d' ' -f1)"
licence = "LicenseRef-unknown"
architecture = "unknown"
context = 4096
parameters = 0
fitness = "unknown"
MANIFEST
echo '["When may visitors come?", "List three fruits.", "What is 12 times 12?", "Write one sentence about rain.",
       "Wie lange dauert ein Tag?", "Name the capital of Italy.", "Explain a loan in one sentence.", "Say hello."]' \
    > "$work/prompts.json"
echo "comparing the tokens of 8 prompts" >&2
limited 120 "$parity" "$work/model" write "$work/prompts.json" 32 > "$work/gpu.jsonl"
CUDA_VISIBLE_DEVICES="" limited 180 "$parity" "$work/model" write "$work/prompts.json" 32 > "$work/cpu.jsonl"

bench() { # NAME [ARGUMENT ...]
    local name=$1
    shift
    echo "measuring: $name" >&2
    limited 90 "$cloister" models bench --model "$model" --json --rounds 2 --prompt-tokens 512 \
        --generate-tokens 64 "$@" > "$work/$name.json" || echo '{}' > "$work/$name.json"
}
limited 30 "$cloister" models plan "$model" --json > "$work/plan.json"
half=$(python3 -c "import json; p = json.load(open('$work/plan.json')); \
    print(max(1, (p['gpu_weights'] + p['gpu_kv_cache']) // 2 >> 20))")
bench gpu
bench gpu-batch-8 --parallel 8
bench gpu-half-of-the-layers --gpu-memory-mb "$half"
CUDA_VISIBLE_DEVICES="" bench cpu
# llama.cpp, if this Python has it with CUDA.
if python3 -c "import llama_cpp, sys; sys.exit(not llama_cpp.llama_supports_gpu_offload())" 2> /dev/null; then
    limited 90 python3 "$root/inference/peers/llama.py" "$model" 512 64 4 > "$work/llama.json" || true
fi

python3 - "$work" <<'TABLE'
import json, pathlib, sys

work = pathlib.Path(sys.argv[1])

def rows(name):
    return [json.loads(line)["written"] for line in (work / name).read_text().splitlines()]

def load(name):
    path = work / f"{name}.json"
    text = path.read_text().strip() if path.exists() else ""
    return json.loads(text.splitlines()[-1]) if text else {}

gpu, cpu = rows("gpu.jsonl"), rows("cpu.jsonl")
equal = sum(a[:8] == b[:8] for a, b in zip(gpu, cpu))
plan = load("plan")
print(f"\n{plan.get('gpu_layers')} of {plan.get('layers')} layers on the GPU")
print(f"first 8 tokens as on the CPU: {equal} of {len(cpu)} prompts\n")
print("| | prefill 512, tokens/s | decode, tokens/s | first token, s | load, s |\n|---|---|---|---|---|")
for name in ("gpu", "gpu-batch-8", "gpu-half-of-the-layers", "cpu"):
    found = load(name)
    cells = [found.get(key) for key in ("prefill_tokens_per_s", "decode_tokens_per_s", "first_token_s", "load_s")]
    print(f"| {name} | " + " | ".join("failed" if cell is None else f"{cell:.2f}" for cell in cells) + " |")
llama = load("llama")
if llama:
    print(f"| llama.cpp | {llama['prefill']:.2f} | {llama['decode']:.2f} | | |")
else:
    print("\nllama.cpp with CUDA is not installed, so it was not measured")
# Rounding differs between the devices, and a text that differs once stays different.
sys.exit(0 if gpu and equal * 4 >= len(cpu) * 3 and load("gpu") else 1)
TABLE
