# The commands that people and CI use. `make` alone lists them.
# `make run` needs Rust and a C compiler; what tests and `make up` need besides is fetched by tests/tools/setup.sh.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Evaluated at the head of a recipe: gets the servers (quiet when cached) and names them to it.
TOOLS = env=$$(tests/tools/setup.sh) && eval "$$env"
# … and the clients of other languages, and the search engine, which the tests run.
CLIENTS = env=$$(tests/tools/setup.sh python-libraries node-libraries opensearch) && eval "$$env"
CHART_TOOLS = env=$$(tests/tools/setup.sh helm kubeconform helm-docs promtool kubernetes-schemas python-libraries) && \
  eval "$$env" && export PYTHONPATH=$$PORTCULLIS_PYTHON_LIBRARIES PYTHONDONTWRITEBYTECODE=1
DENY = env=$$(tests/tools/setup.sh cargo-deny) && eval "$$env" && "$$PORTCULLIS_CARGO_DENY" --all-features

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: ## the whole gateway in one process on http://127.0.0.1:8080; ARGS="…" goes to `portcullis up`
	@cargo build --release --locked -p portcullis
	@exec target/release/portcullis up $(ARGS)

.PHONY: up
up: ## nats-server, redis-server and every service as a process of its own; Ctrl-C stops them all
	@$(TOOLS) && exec deploy/local/up.sh

.PHONY: tools
tools: ## get the servers that tests and `make up` need (cached outside the tree)
	@tests/tools/setup.sh

.PHONY: fmt
fmt: ## format the code
	@cargo fmt --all

.PHONY: lint
lint: ## formatting and clippy, warnings as errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: charts
charts: ## the charts: lint, render, validate, snapshots, refusals
	@$(CHART_TOOLS) && python3 tests/charts/check.py

.PHONY: alerts
alerts: ## alerts and dashboards: each alert fires and clears, has a runbook; every expression is read
	@$(CHART_TOOLS) && python3 deploy/grafana/generate.py --check && python3 tests/alerts/check.py

.PHONY: charts-update
charts-update: ## write the charts anew from k8s/charts/services.yaml, their READMEs, dashboards and the snapshots
	@$(CHART_TOOLS) && python3 deploy/grafana/generate.py && python3 k8s/charts/generate.py && python3 tests/charts/check.py --update

.PHONY: charts-baseline
charts-baseline: ## at a release: keep what the next one's upgrade may not change
	@$(CHART_TOOLS) && python3 tests/charts/check.py --baseline

.PHONY: apiserver
apiserver: ## a real kube-apiserver takes every object of the charts (built once, which takes many minutes)
	@$(CHART_TOOLS) && env=$$(tests/tools/setup.sh etcd kube-apiserver) && eval "$$env" && python3 tests/charts/apiserver.py

.PHONY: images
images: ## every image by buildah, started from its own root; as root: make images [ONLY="rate-limit audit"]
	@$(TOOLS) && env=$$(tests/tools/setup.sh cargo-cyclonedx) && eval "$$env" && tests/images/check.sh $(ONLY)

.PHONY: test
test: lint charts alerts ## lint, the charts, the alerts, then every test but the slow ones
	@$(TOOLS) && $(CLIENTS) && set -x && cargo build --workspace --bins --locked && cargo test --workspace --locked --no-fail-fast
	@echo
	@echo "make test: passed. Not run (make test-all runs all of these but the last two):"
	@echo "  - tests marked #[ignore], counted as 'ignored' above (processes that other tests start and kill or pause)"
	@echo "  - tests/tools/up-smoke.sh: release build, every service as a process, a message through, Ctrl-C"
	@echo "  - cargo-deny: licences, bans, sources (make deny)"
	@echo "  - the charts at a real kube-apiserver (make apiserver)"
	@echo "  - cargo-deny: advisories, which needs the advisory database (make advisories)"
	@echo "  - benchmarks (make bench)"

.PHONY: test-all
test-all: lint charts alerts deny apiserver ## what `make test` runs, and ignored tests, cargo-deny and a start of every process
	@$(TOOLS) && $(CLIENTS) && env=$$(tests/tools/setup.sh jaeger prometheus) && eval "$$env" && set -x && cargo build --workspace --bins --locked && \
	  cargo test --workspace --locked --no-fail-fast -- --include-ignored
	@$(TOOLS) && tests/tools/up-smoke.sh
	@echo
	@echo "make test-all: passed. Not run:"
	@echo "  - cargo-deny: advisories, which needs the advisory database (make advisories)"
	@echo "  - benchmarks (make bench)"

.PHONY: deny
deny: ## cargo-deny: licences, bans and sources of every dependency
	@$(DENY) check --hide-inclusion-graph licenses bans sources

.PHONY: advisories
advisories: ## cargo-deny: known vulnerabilities; fetches the advisory database
	@$(DENY) check advisories || { \
	  echo "make advisories: failed. If the lines above say that the database could not be fetched, nothing was" \
	    "checked: run it where the advisory database's host can be reached." >&2; exit 1; }

.PHONY: bench
bench: ## benchmarks of every crate that has some
	@$(TOOLS) && set -x && cargo bench --workspace --locked --benches

.PHONY: fuzz
fuzz: ## fuzz one target of tests/fuzz: make fuzz TARGET=decode SECONDS=300; needs cargo-fuzz
	@[[ -n "$(TARGET)" ]] || { echo "make fuzz: name a target: make fuzz TARGET=decode SECONDS=300" >&2; exit 2; }
	@command -v cargo-fuzz >/dev/null || { echo "make fuzz: cargo install --locked cargo-fuzz" >&2; exit 2; }
	@mkdir -p tests/fuzz/found/$(TARGET)
	RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz --target-dir target/fuzz --sanitizer none $(TARGET) \
	  tests/fuzz/found/$(TARGET) tests/fuzz/corpus/$(TARGET) -- -max_total_time=$(or $(SECONDS),60) -max_len=4096 -timeout=10

.PHONY: peers-rate-limit
peers-rate-limit: ## limits side by side with limitador on one Redis
	@$(TOOLS) && cd tests/peers/rate-limit && cargo run --release --locked --target-dir ../../../target/peers-rate-limit

.PHONY: peers-sanitizer
peers-sanitizer: ## the sanitizer beside detect-secrets, Presidio and gitleaks, in one run [DATA=TEMPLATES.jsonl: recall in filled templates]
	@cargo build --release --locked -p portcullis
	@python3 -m venv target/peers-sanitizer
	@target/peers-sanitizer/bin/pip install --quiet --requirement tests/peers/sanitizer/requirements.txt
	target/peers-sanitizer/bin/python -B tests/peers/sanitizer/run.py
	@[[ -z "$(DATA)" ]] || target/peers-sanitizer/bin/python -B tests/peers/sanitizer/templates.py "$(DATA)"

.PHONY: train
train: ## from data to the injection classifier's bundle (hours on two cores, resumable): make train DATA=FILE.jsonl
	@[[ -n "$(DATA)" ]] || { echo "make train: name the labelled messages: make train DATA=FILE.jsonl" >&2; exit 2; }
	@[[ -r "$(DATA)" ]] || { echo "make train: cannot read $(DATA)" >&2; exit 2; }
	services/injection-classifier/training/train.sh "$(DATA)"

.PHONY: train-moderation
train-moderation: ## train moderation's content model: make train-moderation DATA=FOLDER
	@[[ -d "$(DATA)" ]] || { echo "make train-moderation: name the folder of the labelled rows: DATA=FOLDER" >&2; exit 2; }
	services/moderation/training/train.sh "$(DATA)"

# libtorch is linked by this alone: a workspace of its own, with its own lock and its own folder of what is built.
BERT = --manifest-path crates/model-bert/Cargo.toml --workspace --locked --target-dir target/bert

.PHONY: bert
bert: ## the injection classifier on rust-bert: gets libtorch (0.8 GB, once), builds, tests that logits agree
	@env=$$(tests/tools/libtorch.sh) && eval "$$env" && set -x && cargo fmt --manifest-path crates/model-bert/Cargo.toml --all --check && \
	  cargo clippy $(BERT) --all-targets -- -D warnings && cargo test $(BERT) -- --nocapture

PEERS = target/peers
# A folder with encoder.onnx, vocab.txt and encoder.json; by default the shipped bundle's.
ENCODER ?= $(PEERS)/encoder

.PHONY: peers
peers: ## speed beside onnxruntime and DeBERTa-v3-base: make peers [ENCODER=DIR] [DATA=FILE.jsonl for the linear baseline]
	@tests/peers/run.sh "$(PEERS)" "$(ENCODER)" "$(DATA)"

.PHONY: train-sentiment
train-sentiment: ## train the sentiment model: make train-sentiment DATA=FILE.jsonl
	@[[ -r "$(DATA)" ]] || { echo "make train-sentiment: name the labelled texts: DATA=FILE.jsonl" >&2; exit 2; }
	cargo run --release --locked -p portcullis-sentiment --bin train-sentiment -- \
	  --data "$(DATA)" --out services/sentiment/model

.PHONY: peers-sentiment
peers-sentiment: ## compare sentiment with TextBlob and vaderSentiment: make peers-sentiment DATA=FILE.jsonl
	@[[ -r "$(DATA)" ]] || { echo "make peers-sentiment: name the labelled texts: DATA=FILE.jsonl" >&2; exit 2; }
	@tests/peers/sentiment/run.sh "$(DATA)"

.PHONY: clean-data
clean-data: ## remove what local runs wrote: ./portcullis-data and ./.run
	@rm -rf portcullis-data .run
