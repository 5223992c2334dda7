#!/usr/bin/env bash
# From labelled rows to the bundle that the service runs: the encoder in Python, then `train-injection` in Rust, which
# trains the linear models, sets probabilities, thresholds and the cascade's limits, and writes manifest and card.
#
# Usage: train.sh DATA.jsonl [OUT]        OUT: where the bundle is written, by default ../model beside this folder
#   PORTCULLIS_TRAIN   work folder with the virtual environment and checkpoints, by default ./portcullis-train
#   TRAIN_ARGS         more arguments of encoder/train.py, such as "--threads 2 --epochs 2"
# Stopped and started again it goes on from its last checkpoint.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[[ $# -ge 1 ]] || { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
[[ -r $1 ]] || { echo "train.sh: cannot read $1" >&2; exit 2; }
data=$(realpath "$1")
out=$(realpath -m "${2:-$here/../model}")
work=$(realpath -m "${PORTCULLIS_TRAIN:-portcullis-train}")
python=$("$here/environment.sh")

# shellcheck disable=SC2086
"$python" "$here/encoder/train.py" --data "$data" --work "$work" ${TRAIN_ARGS:-}

cd "$here/../../.."
cargo run --release --locked -p portcullis-injection-training -- \
  --data "$data" --encoder "$work/shipped" --measured-encoder "$work/measured" --out "$out"
