#!/usr/bin/env bash
# From labelled rows to the content model that the service judges with: the rows, the encoder in Python, then the bundle and its
# card.
#
# Usage: train.sh FOLDER [OUT]        OUT: where the bundle is written, by default ../model beside this folder
#   PORTCULLIS_TRAIN   work folder with the virtual environment and checkpoints, by default ./portcullis-train
#   TRAIN_ARGS         more arguments of encoder/train.py, such as "--threads 2 --epochs 2"
# Stopped and started again it goes on from its last checkpoint.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[[ $# -ge 1 ]] || { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
[[ -d $1 ]] || { echo "train.sh: $1 is no folder" >&2; exit 2; }
data=$(realpath "$1")
out=$(realpath -m "${2:-$here/../model}")
work=$(realpath -m "${PORTCULLIS_TRAIN:-portcullis-train}")/moderation
python=$("$here/../../injection-classifier/training/environment.sh")

cd "$here/../../.."
program=(cargo run --release --locked -p portcullis-moderation --bin train-moderation -- --data "$data")
mkdir -p "$work"
"${program[@]}" --rows "$work/rows.jsonl"
# shellcheck disable=SC2086
"$python" "$here/encoder/train.py" --rows "$work/rows.jsonl" --work "$work" ${TRAIN_ARGS:-}
"${program[@]}" --encoder "$work/shipped" --unseen-encoder "$work/unseen" --out "$out"
