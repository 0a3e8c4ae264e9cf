# Two commands do everything: `make run` and `make test`. The others are their parts.

CARGO_TARGET_DIR ?= target
export CARGO_TARGET_DIR
MODELS := $(CURDIR)/models
WEB_SOURCES := $(shell find web/src web/public web/index.html web/package-lock.json web/vite.config.ts -type f)
RUST_SOURCES := $(shell find . -path ./$(CARGO_TARGET_DIR) -prune -o -path '*/node_modules' -prune -o \
    \( -name '*.rs' -o -name 'Cargo.*' -o -name '*.sql' -o -name '*.cedar*' -o -name 'cloister.toml' -o -name '*.toml' -path '*/answer/*' \) -type f -print)
RELEASE := $(CARGO_TARGET_DIR)/release/cloister

.PHONY: run test bench bench-peers bench-peers-index crash permissions fuzz doctor models samples web lint unit browser types help

help:
	@echo "make run      build, take in the sample library, and serve https://127.0.0.1:8443"
	@echo "make test     everything that CI checks"
	@echo "make fuzz     look for files that break a reader (SECONDS=300 for each kind)"
	@echo "make bench    benchmarks of embedding, search and generation"
	@echo "make bench-peers        the same beside llama.cpp and ONNX Runtime"
	@echo "make bench-peers-index  finding, beside hnswlib, usearch, faiss and bm25s"
	@echo "make crash    kill ingestion and index thousands of times (CRASHES=5000), and look what is left"
	@echo "make permissions  a million random questions (CASES=1000000), to find who is shown what they may not read"
	@echo "make doctor   show what confines the appliance, and try to get out"

run: $(RELEASE) models/.checked inbox
	@exec $(RELEASE) serve

doctor: $(RELEASE) models/.checked
	@exec $(RELEASE) doctor

$(RELEASE): deploy/.tools $(RUST_SOURCES) web/dist/index.html
	cargo build --release --locked --package cloister-server --package cloister-ingest
	@touch $@

# The sample library, on the first run only: what the person drops or removes later is theirs.
inbox:
	python3 deploy/samples/make_samples.py $@

samples:
	python3 deploy/samples/make_samples.py inbox

models: models/.checked

models/.checked: deploy/fetch-models $(wildcard inference/manifests/*.toml) | deploy/.tools
	deploy/fetch-models $(MODELS)

deploy/.tools: deploy/install-tools
	deploy/install-tools build
	@touch $@

web: web/dist/index.html

web/node_modules/.installed: web/package.json web/package-lock.json | deploy/.tools
	cd web && npm ci --no-audit --no-fund
	@touch $@

web/dist/index.html: web/node_modules/.installed $(WEB_SOURCES) web/src/api/schema.d.ts
	cd web && npm run --silent build

# Cheap checks first, so that a slip is known at once.
test: lint unit browser
	@echo "all checks passed"

lint: web
	cargo fmt --all --check
	cd web && npm run --silent check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	deploy/check-cuda

unit: models web
	deploy/install-tools test
	cargo build --workspace --all-targets --locked
	CLOISTER_MODELS=$(MODELS) cargo nextest run --workspace --locked
	cargo test --doc --workspace --locked --quiet

# All targets, as for the unit tests: without those of the tests some hundred crates would be built
# again with other features.
browser: models web
	deploy/install-tools test
	cargo build --workspace --all-targets --locked
	cd tests/browser && npm ci --no-audit --no-fund && npm test

types:
	cargo build --package cloister-server --locked
	$(CARGO_TARGET_DIR)/debug/cloister openapi > web/openapi.json
	cd web && npm run --silent types

# Looks for input that breaks a parser of ours, SECONDS for each. What it finds lies in
# ingest/fuzz/artifacts; a find that is mended becomes a seed.
SECONDS ?= 300
FUZZ_TARGETS ?= docx pptx odf xlsx msg eml rtf html markdown text csv chunks wire

fuzz:
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
	@cd ingest && for target in $(FUZZ_TARGETS); do \
	    mkdir -p fuzz/corpus/$$target && \
	    cargo fuzz run --sanitizer none $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
	        -max_total_time=$(SECONDS) -timeout=20 -rss_limit_mb=2048 -max_len=65536 || exit 1; \
	done

# Pages a second and memory are told of the files in FILES: the inbox, unless you name a folder.
FILES ?= inbox
bench: models web $(RELEASE) inbox
	CLOISTER_MODELS=$(MODELS) cargo bench --package cloister-inference --package cloister-index
	$(RELEASE) eval ingestion $(FILES)

# The peers are installed from PyPI into the target folder and measured in turns with ours, on the
# same files; llama.cpp is built for this machine, which takes some minutes once. A round takes about
# ten minutes of an idle machine, most of them for TEXTS passages.
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

CRASHES ?= 5000
crash:
	CLOISTER_CRASHES=$(CRASHES) cargo nextest run --workspace --locked --no-capture -E 'binary(crash)'

# Somebody's question after random changes of people, grants and documents, judged by an oracle.
CASES ?= 1000000
permissions:
	CLOISTER_PERMISSION_CASES=$(CASES) cargo nextest run --workspace --locked --no-capture -E 'binary(permission) and package(cloister-tests)'
