"""Compares Cloister's lexical and dense search with hnswlib, usearch, faiss and bm25s on the same
vectors and texts, with one thread each, interleaved.

    bench.py PROGRAM WORK [PASSAGES] [ROUNDS]

PROGRAM is the built example `peer` of cloister-index. WORK is a folder for intermediate files. Each
round runs every program once. The output is medians, and ratios to Cloister. Graph indexes are
searched with the lowest effort that finds 99 of 100 true neighbours. On a busy machine only the
ratios are meaningful, so the load is printed.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import bm25s
import faiss
import hnswlib
import numpy as np
from usearch.index import Index as Usearch

WIDTH, HITS, NEIGHBOURS, BUILD_EFFORT, RECALL = 384, 10, 16, 200, 0.99
EFFORTS = (16, 32, 64, 128, 256, 512, 1024)
DOCUMENT = 20
# One of this many documents is permitted.
FILTERS = (10, 100)


def memory():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024


def built(make):
    before, began = memory(), time.time()
    made = make()
    return made, time.time() - began, memory() - before


class Cloister:
    def __init__(self, program, work, passages):
        environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
        self.process = subprocess.Popen([program, "serve", work, str(passages)], env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.built = json.loads(self.process.stdout.readline())

    def ask(self, line):
        print(line, file=self.process.stdin, flush=True)
        said = json.loads(self.process.stdout.readline())
        return said["a_second"], said["found"], said["method"]


def timed(search, questions):
    began = time.time()
    found = [search(question) for question in questions]
    return len(questions) / (time.time() - began), found


def recall(found, truth):
    hits = sum(len(set(a) & set(b)) for a, b in zip(found, truth))
    return hits / sum(len(b) for b in truth)


def graphs(base):
    """The name, the function that sets the effort, and the function that searches one question."""
    count = len(base)

    def with_hnswlib():
        index = hnswlib.Index("ip", WIDTH)
        index.init_index(count, ef_construction=BUILD_EFFORT, M=NEIGHBOURS)
        index.add_items(base, num_threads=2)
        index.set_num_threads(1)
        return index

    def with_usearch(kind):
        index = Usearch(ndim=WIDTH, metric="ip", dtype=kind, connectivity=NEIGHBOURS,
                        expansion_add=BUILD_EFFORT)
        index.add(np.arange(count), base, threads=2)
        return index

    def with_faiss():
        index = faiss.IndexHNSWFlat(WIDTH, NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = BUILD_EFFORT
        faiss.omp_set_num_threads(2)
        index.add(base)
        faiss.omp_set_num_threads(1)
        return index

    hnsw, *costs = built(with_hnswlib)
    yield "hnswlib", costs, hnsw.set_ef, lambda q: hnsw.knn_query(q, HITS, num_threads=1)[0][0]
    for every in FILTERS:
        permitted = lambda label, every=every: (label // DOCUMENT + 1) % every == 0
        yield (f"hnswlib, 1 of {every} permitted", costs, hnsw.set_ef,
               lambda q, p=permitted: hnsw.knn_query(q, HITS, num_threads=1, filter=p)[0][0])
    for kind in ("f32", "i8"):
        usearch, *costs = built(lambda: with_usearch(kind))
        effort = lambda ef, usearch=usearch: setattr(usearch, "expansion_search", ef)
        yield f"usearch {kind}", costs, effort, lambda q, u=usearch: u.search(q, HITS, threads=1).keys
    flat, *costs = built(with_faiss)
    effort = lambda ef: setattr(flat.hnsw, "efSearch", ef)
    yield "faiss HNSW", costs, effort, lambda q: flat.search(q[None], HITS)[1][0]
    for every in FILTERS:
        chosen = faiss.SearchParametersHNSW(sel=selector(count, every))

        def effort(ef, chosen=chosen):
            chosen.efSearch = ef

        yield (f"faiss HNSW, 1 of {every} permitted", costs, effort,
               lambda q, chosen=chosen: flat.search(q[None], HITS, params=chosen)[1][0])


def permitted(count, every):
    return np.flatnonzero((np.arange(count) // DOCUMENT + 1) % every == 0)


def selector(count, every):
    bits = np.zeros(count, bool)
    bits[permitted(count, every)] = True
    return faiss.IDSelectorBitmap(np.packbits(bits, bitorder="little"))


def filter_of(name):
    return int(name.split("1 of ")[1].split()[0]) if "1 of " in name else 1


def least_effort(effort, search, questions, truth):
    for ef in EFFORTS:
        effort(ef)
        reached = recall([search(q) for q in questions], truth)
        if reached >= RECALL:
            break
    return ef, reached


def main():
    program, work = sys.argv[1], pathlib.Path(sys.argv[2])
    passages = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    work.mkdir(exist_ok=True)
    subprocess.run([program, "export", work, str(passages)], check=True)
    base = np.fromfile(work / "base.f32", np.float32).reshape(-1, WIDTH)
    questions = np.fromfile(work / "questions.f32", np.float32).reshape(-1, WIDTH)
    texts = json.loads((work / "texts.json").read_text())
    exact = faiss.IndexFlatIP(WIDTH)
    exact.add(base)
    truths = {1: exact.search(questions, HITS)[1].tolist()}
    for every in FILTERS:
        chosen = faiss.SearchParameters(sel=selector(passages, every))
        truths[every] = exact.search(questions, HITS, params=chosen)[1].tolist()
    faiss.omp_set_num_threads(1)

    own = Cloister(program, work, passages)
    print(f"{passages} passages; Cloister, both indexes: {own.built['memory']} MB; dense index built in "
          f"{own.built['meaning']:.0f} s; graphs: {own.built['graphs']['certificates']}\n", flush=True)
    peers, about = {}, {}
    for name, (seconds, megabytes), effort, search in graphs(base):
        # A filter in Python is slow: a fifth of the questions is enough.
        asked = questions if filter_of(name) == 1 else questions[:200]
        ef, reached = least_effort(effort, search, asked, truths[filter_of(name)])

        def ask(effort=effort, ef=ef, search=search, asked=asked):
            effort(ef)
            return timed(search, asked)[0]

        peers[name] = ask
        about[name] = f"built in {seconds:.0f} s, {megabytes} MB, effort {ef}, recall {reached:.3f}"
        print(name, about[name], flush=True)
    few = questions[:100]
    peers["faiss flat"] = lambda: timed(lambda q: exact.search(q[None], HITS)[1][0], few)[0]
    about["faiss flat"] = "exact"
    selected = faiss.SearchParameters(sel=selector(passages, 10))
    peers["faiss flat, 1 of 10 permitted"] = lambda: timed(
        lambda q: exact.search(q[None], HITS, params=selected)[1][0], few)[0]
    about["faiss flat, 1 of 10 permitted"] = "exact, by IDSelectorBitmap"
    words = bm25s.BM25()
    tokens = bm25s.tokenize(texts["passages"], stopwords=None, show_progress=False)
    words.index(tokens, show_progress=False)

    def search_words(text):
        asked = bm25s.tokenize(text, stopwords=None, show_progress=False)
        return words.retrieve(asked, k=HITS, n_threads=1, show_progress=False)[0][0]

    peers["bm25s"] = lambda: timed(search_words, texts["questions"][:200])[0]
    about["bm25s"] = "words"

    lines = {f"meaning {every}": known for every, known in truths.items()} | {"words": None}
    speeds = {name: [] for name in [*peers, *lines]}
    for _ in range(rounds):
        for line, known in lines.items():
            a_second, found, method = own.ask(line)
            speeds[line].append(a_second)
            if known:
                about[line] = f"{method}, recall {recall(found, known):.4f}"
        for name, ask in peers.items():
            speeds[name].append(ask())
    load = os.getloadavg()[0]
    print(f"\nload {load:.1f}; questions a second, medians of {rounds}\n")
    print("| | questions/s | Cloister's | ratio | |\n|---|---|---|---|---|")
    for name in peers:
        own_line = "words" if name == "bm25s" else f"meaning {filter_of(name)}"
        peer, mine = statistics.median(speeds[name]), statistics.median(speeds[own_line])
        said = about[name] + "; Cloister " + about.get(own_line, "")
        print(f"| {name} | {peer:.0f} | {mine:.0f} | {mine / peer:.2f} | {said} |")


main()
