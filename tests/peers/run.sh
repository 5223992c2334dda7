#!/usr/bin/env bash
# The comparison from nothing: environment, models, the program under test, and the run. See README.md beside it.
# Usage: run.sh FOLDER ENCODER [DATA]: FOLDER is where environment, models and figures go.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=$1 encoder=$2 data=${3:-}
python=${PYTHON:-python3}
command -v taskset >/dev/null || { echo "peers: error: taskset is needed (util-linux)" >&2; exit 1; }
[[ $(uname -s) == Linux ]] || { echo "peers: error: Linux is needed: times are read from /proc" >&2; exit 1; }

mkdir -p "$folder"
if [[ ! -e $folder/venv/ready ]] || ! cmp -s "$here/requirements.txt" "$folder/venv/ready"; then
  "$python" -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
  cp "$here/requirements.txt" "$folder/venv/ready"
fi
venv=$folder/venv/bin/python

if [[ $encoder == "$folder/encoder" ]]; then
  "$venv" "$here/shipped.py" "$root/services/injection-classifier/model" "$encoder"
fi
[[ -e $folder/deberta.onnx ]] || nice "$venv" "$here/deberta.py" "$folder/deberta.onnx"
cargo build --release --locked --manifest-path "$root/Cargo.toml" -p portcullis-model --example peer
target=${CARGO_TARGET_DIR:-$root/target}
"$venv" "$here/peers.py" --encoder "$encoder" --deberta "$folder/deberta.onnx" \
  --peer "$target/release/examples/peer" --out "$folder/figures.json"
if [[ -n $data ]]; then
  "$venv" "$here/baseline.py" --data "$data" | tee "$folder/baseline.json"
fi
echo "peers: figures are in $folder/figures.json"
