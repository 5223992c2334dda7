#!/usr/bin/env bash
# Makes the virtual environment of the encoders' training, pinned by encoder/requirements.txt, and prints its Python.
#
# Usage: environment.sh
#   PORTCULLIS_TRAIN   work folder, by default ./portcullis-train
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(realpath -m "${PORTCULLIS_TRAIN:-portcullis-train}")
command -v python3 >/dev/null || { echo "training: Python 3.11 or later is needed for the encoder" >&2; exit 1; }
mkdir -p "$work"
stamp=$(sha256sum "$here/encoder/requirements.txt" | cut -c1-16)
if [[ ! -e $work/environment/$stamp ]]; then
  python3 -m venv --clear "$work/environment"
  "$work/environment/bin/pip" install --quiet --disable-pip-version-check -r "$here/encoder/requirements.txt" >&2
  touch "$work/environment/$stamp"
fi
echo "$work/environment/bin/python"
