#!/usr/bin/env bash
# Trains with each source left out and compares the sentiment stage with TextBlob and vaderSentiment.
# usage: tests/peers/sentiment/run.sh DATA.jsonl
set -euo pipefail
cd "$(dirname "$0")/../../.."
data=${1:?usage: run.sh DATA.jsonl}
target=${CARGO_TARGET_DIR:-target}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo build --release --locked --quiet -p portcullis-sentiment --bin train-sentiment --example score
"$target/release/train-sentiment" --data "$data" --out "$work/model" --compare "$work/compare" 2>"$work/log" ||
  { cat "$work/log" >&2; exit 1; }
cmp --silent "$work/model/weights.bin" services/sentiment/model/weights.bin ||
  echo "note: these data do not give the weights that are shipped; figures are for the shipped weights" >&2
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check -r tests/peers/sentiment/requirements.txt
"$work/venv/bin/python" tests/peers/sentiment/compare.py "$work/compare" "$target/release/examples/score"
