"""Compares Cloister with llama.cpp and ONNX Runtime on the same files and threads, interleaved.

    bench.py PROGRAMS MODELS WORK [ROUNDS [TEXTS]]

PROGRAMS has the built examples `embedding`, `generating` and `answering`, MODELS the folders `minilm`
and `smollm2`. WORK is a folder for intermediate files. Each round runs every program once. The output
is medians and ratios. On a busy machine only the ratios are meaningful, so the load is printed.
"""

import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def passages(work, count):
    """Passages of 40 to 256 tokens from the text of this repository."""
    path = work / f"passages-{count}.json"
    if not path.exists():
        words = []
        for file in sorted(HERE.parent.parent.glob("**/*.md")):
            if not {"node_modules", "target", ".git"} & set(file.parts):
                words += re.findall(r"[A-Za-z][a-z'-]*[.,]?", file.read_text(errors="ignore"))
        random.seed(2)
        texts = []
        for _ in range(count):
            start, length = random.randrange(len(words) - 256), round(random.gauss(130, 45))
            texts.append(" ".join(words[start : start + max(30, min(240, length))]))
        path.write_text(json.dumps(texts))
    return path


def run(command, threads):
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(out.stdout.splitlines()[-1])


def table(title, rows):
    print(f"\n{title}\n\n| | threads | Cloister | peer | ratio |\n|---|---|---|---|---|")
    for (name, threads), (own, peer) in rows.items():
        own, peer = statistics.median(own), statistics.median(peer)
        print(f"| {name} | {threads} | {own:.1f} | {peer:.1f} | {own / peer:.2f} |")


def generators(programs, models, work, rounds):
    small = next((models / "smollm2").glob("*.gguf"))
    large = work / "random-1b-q4k.gguf"
    if not large.exists():
        subprocess.run([programs / "generating", "synth", small, large], check=True)
    rows = {}
    for _ in range(rounds):
        for name, file, write in [("SmolLM2-135M Q4_1", small, 128), ("1.17B llama Q4_K", large, 32)]:
            for threads in (1, 2):
                own = run([programs / "generating", file, "512", str(write), "1", "1"], threads)
                command = [sys.executable, HERE / "llama.py", file, "512", str(write), str(threads)]
                peer = run(command, threads)
                for part in ("prefill", "decode"):
                    pair = rows.setdefault((f"{name}, {part}", threads), ([], []))
                    pair[0].append(own[part])
                    pair[1].append(peer[part])
    table("Tokens a second, the peer is llama.cpp (llama-cpp-python, built here)", rows)


def embedders(programs, models, work, rounds, count):
    texts = passages(work, count)
    graphs = work / "onnx"
    if not (graphs / "int8.onnx").exists():
        subprocess.run([sys.executable, HERE / "onnx_graphs.py", models / "minilm", graphs], check=True)
    rows = {}
    for _ in range(rounds):
        for name, weights in [("fp32", "f32"), ("int8", "int8")]:
            for threads in (1, 2):
                own = run([programs / "embedding", models / "minilm", texts, weights], threads)
                graph = graphs / f"{name}.onnx"
                command = [sys.executable, HERE / "onnx_run.py", graph, models / "minilm", texts, str(threads)]
                peer = run(command, threads)
                pair = rows.setdefault((f"all-MiniLM-L6-v2 {name}", threads), ([], []))
                pair[0].append(own["texts_a_second"])
                pair[1].append(peer["texts_a_second"])
    table("Passages a second, the peer is ONNX Runtime", rows)


def alone(programs, models, rounds):
    """Ratios within Cloister: eight texts to one, and the measurements of `answering`."""
    small = next((models / "smollm2").glob("*.gguf"))
    rows = {}
    for _ in range(rounds):
        for threads in (1, 2):
            pair = rows.setdefault(("SmolLM2-135M, eight texts beside one", threads), ([], []))
            for count, rates in ((8, pair[0]), (1, pair[1])):
                rates.append(run([programs / "generating", small, "32", "64", str(count), "1"], threads)["decode"])
    table("Tokens a second of all texts, the peer is one text", rows)
    environment = {**os.environ, "RAYON_NUM_THREADS": "2"}
    print("\nFollow-ups and quotes, two threads\n")
    subprocess.run([programs / "answering", models / "smollm2", "5"], env=environment, check=True)


def main():
    programs, models, work = map(pathlib.Path, sys.argv[1:4])
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    texts = int(sys.argv[5]) if len(sys.argv) > 5 else 2000
    work.mkdir(parents=True, exist_ok=True)
    print("load before:", os.getloadavg())
    embedders(programs, models, work, rounds, texts)
    generators(programs, models, work, rounds)
    alone(programs, models, rounds)
    print("\nload after:", os.getloadavg())


if __name__ == "__main__":
    main()
