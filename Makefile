# `make run` and `make test` set everything up by themselves. `make help` lists the other targets.

CARGO_TARGET_DIR ?= target
export CARGO_TARGET_DIR
MODELS := $(CURDIR)/models
WEB_SOURCES := $(shell find web/src web/public web/index.html web/package-lock.json web/vite.config.ts -type f)
RUST_SOURCES := $(shell find . -path ./$(CARGO_TARGET_DIR) -prune -o -path '*/node_modules' -prune -o \
    \( -name '*.rs' -o -name 'Cargo.*' -o -name '*.sql' -o -name '*.cedar*' -o -name '*.toml' \) -type f -print)
RELEASE := $(CARGO_TARGET_DIR)/release/cloister
PROGRAMS := --package cloister-server --package cloister-ingest --package cloister-directory --package cloister-audit

.PHONY: run test bench bench-peers bench-peers-index crash permissions fuzz reading doctor models models-more samples web lint unit browser screenshots types help

help:
	@echo "make run                build, ingest the sample library, and serve https://127.0.0.1:8443"
	@echo "make test               run everything that CI checks"
	@echo "make lint | unit | browser   run one part of it"
	@echo "make screenshots        take a screenshot of every page, at three widths and in both themes"
	@echo "make types              generate web/openapi.json and the client's types from the server"
	@echo "make doctor             show what confines the appliance, and try to break out"
	@echo "make bench              run the benchmarks of embedding, search, generation and ingestion"
	@echo "make bench-peers        compare inference with llama.cpp and ONNX Runtime"
	@echo "make bench-peers-index  compare search with hnswlib, usearch, faiss and bm25s"
	@echo "make fuzz               fuzz each file format (SECONDS=300 for each)"
	@echo "make reading            compare what is read with what other programs read (FILES=folder)"
	@echo "make crash              kill ingestion and the index CRASHES=5000 times and check what is left"
	@echo "make permissions        run CASES=1000000 random permission cases"

run: $(RELEASE) models/.checked inbox
	@exec $(RELEASE) serve

doctor: $(RELEASE) models/.checked
	@exec $(RELEASE) doctor

$(RELEASE): deploy/.tools $(RUST_SOURCES) web/dist/index.html
	@echo "Building Cloister. The first build compiles about 500 packages and takes several minutes. Later builds take one or two."
	cargo build --release --locked $(PROGRAMS)
	@touch $@

# Made on the first run only, so that later changes to the inbox are kept.
inbox:
	python3 deploy/samples/make_samples.py $@

samples:
	python3 deploy/samples/make_samples.py inbox

models: models/.checked

models/.checked: deploy/fetch-models deploy/dictionaries.py deploy/wordnet.py $(wildcard inference/manifests/*.toml) | deploy/.tools
	deploy/fetch-models $(MODELS)

# Other embedders, and a larger generator: 1.4 GB. Nothing uses them until they are activated.
# MORE selects some of them by name.
models-more: deploy/fetch-more-models
	deploy/fetch-more-models $(MODELS) $(MORE)

deploy/.tools: deploy/install-tools
	deploy/install-tools build
	@touch $@

web: web/dist/index.html

web/node_modules/.installed: web/package.json web/package-lock.json | deploy/.tools
	cd web && npm ci --no-audit --no-fund
	@touch $@

web/dist/index.html: web/node_modules/.installed $(WEB_SOURCES) web/src/api/schema.d.ts
	cd web && npm run --silent build

# The fastest checks run first.
test: lint unit browser
	@echo "all checks passed"

lint: web
	cargo fmt --all --check
	cd web && npm run --silent check
	cd web && npm --silent test
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --locked --quiet
	deploy/check-cuda

# Examples and benchmarks are compiled by `lint` only.
TARGETS := --workspace --lib --bins --tests

unit: models web
	deploy/install-tools test
	cargo build $(TARGETS) --locked
	CLOISTER_MODELS=$(MODELS) cargo nextest run $(TARGETS) --locked
	cargo test --doc --workspace --locked --quiet

# Clients of other projects that the journeys use.
CLIENTS := $(CARGO_TARGET_DIR)/clients
$(CLIENTS)/.installed: tests/clients/requirements.txt
	deploy/install-tools test
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --requirement $<
	@touch $@

# Builds the same targets as `unit`. With fewer targets, cargo would select other features and
# rebuild about a hundred crates.
browser: models web $(CLIENTS)/.installed
	deploy/install-tools test
	cargo build $(TARGETS) --locked
	cd tests/browser && npm ci --no-audit --no-fund && npm test

screenshots: models web
	deploy/install-tools test
	cargo build $(TARGETS) --locked
	cd tests/browser && npm ci --no-audit --no-fund && node screenshots.js

types:
	cargo build --package cloister-server --locked
	$(CARGO_TARGET_DIR)/debug/cloister openapi > web/openapi.json
	cd web && npm run --silent types

# Fuzzes each parser for SECONDS. Failing inputs are written to ingest/fuzz/artifacts. When one is
# fixed, add it to ingest/fuzz/seeds.
SECONDS ?= 300
FUZZ_TARGETS ?= $(notdir $(wildcard ingest/fuzz/seeds/*))

fuzz:
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
	@cd ingest && for target in $(FUZZ_TARGETS); do \
	    mkdir -p fuzz/corpus/$$target && \
	    cargo fuzz run --sanitizer none $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
	        -max_total_time=$(SECONDS) -timeout=20 -rss_limit_mb=2048 -max_len=65536 || exit 1; \
	done

# Measures pages per second and memory of ingestion on the files in FILES.
FILES ?= inbox
bench: models web $(RELEASE) inbox
	CLOISTER_MODELS=$(MODELS) cargo bench --package cloister-inference --package cloister-index
	cargo run --release --locked --package cloister-eval -- ingestion $(FILES)

# Installs the peers from PyPI into the target folder and measures them and Cloister alternately on
# the same files. llama.cpp is compiled for this machine once, which takes some minutes. A round takes
# about ten minutes on an idle machine, most of it for embedding TEXTS passages.
PEERS := $(CARGO_TARGET_DIR)/peers
ROUNDS ?= 2
TEXTS ?= 2000

$(PEERS)/%/.installed: %/peers/requirements.txt
	python3 -m venv $(@D)
	CMAKE_ARGS="-DLLAVA_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF" \
	    $(@D)/bin/pip install --quiet --prefer-binary --requirement $<
	@touch $@

bench-peers: models $(PEERS)/inference/.installed
	cargo build --release --locked --package cloister-inference --examples
	$(PEERS)/inference/bin/python inference/peers/bench.py $(CARGO_TARGET_DIR)/release/examples $(MODELS) $(PEERS)/work $(ROUNDS) $(TEXTS)

PASSAGES ?= 100000
bench-peers-index: $(PEERS)/index/.installed
	cargo build --release --locked --package cloister-index --example peer
	$(PEERS)/index/bin/python index/peers/bench.py $(CARGO_TARGET_DIR)/release/examples/peer $(PEERS)/index/work $(PASSAGES)

# Compares what is read of FILES with what independent programs read. Those that are not installed are
# named and skipped.
reading: $(RELEASE) inbox
	python3 tests/reading/compare.py $(CARGO_TARGET_DIR)/release/cloister-reader $(FILES)
	python3 tests/reading/tables.py $(CARGO_TARGET_DIR)/release/cloister-reader --least 0.85

CRASHES ?= 5000
crash:
	CLOISTER_CRASHES=$(CRASHES) cargo nextest run --workspace --locked --no-capture -E 'binary(crash)'

# Random changes of people, grants and documents, then a question whose result an oracle checks.
CASES ?= 1000000
permissions:
	CLOISTER_PERMISSION_CASES=$(CASES) cargo nextest run --workspace --locked --no-capture -E 'binary(permission) and package(cloister-tests)'
