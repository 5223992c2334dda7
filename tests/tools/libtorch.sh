#!/usr/bin/env bash
# Puts the libtorch that crates/model-bert links into a cache outside the tree, by version and checksum.
#
# Usage: env=$(tests/tools/libtorch.sh) && eval "$env"      (prints `export` lines; progress goes to standard error)
#        tests/tools/libtorch.sh --wheels DIR …             (the wheels lie in DIR already; nothing is fetched)
#
# rust-bert 0.23 is pinned to tch 0.17, and that to libtorch 2.4.0 exactly. It is taken out of the Python package
# `torch`, of which only the headers and the CPU libraries are kept: 520 MB of 2.4 GB. A libtorch of one's own is taken
# as it is when LIBTORCH is set (then LIBTORCH_CXX11_ABI must say how it was built).
set -euo pipefail

# Raise them together with rust-bert. libtorch_cpu.so of this wheel needs the two NVIDIA libraries even without a GPU.
readonly VERSION=2.4.0
readonly REQUIREMENTS="\
torch==2.4.0 --hash=sha256:e743adadd8c8152bb8373543964551a7cb7cc20ba898dc8f9c0cdbe47c283de0
nvidia-cuda-runtime-cu12==12.1.105 --hash=sha256:6e258468ddf5796e25f1dc591a31029fa317d97a0a94ed93468fc86301d61e40
nvidia-cuda-cupti-cu12==12.1.105 --hash=sha256:e54fde3983165c624cb79254ae9818a456eb6e87a7fd4d56a2352c24ee542d7e"

note() { printf 'tools: %s\n' "$*" >&2; }
fail() {
  printf 'tools: error: %s\n' "$1" >&2
  exit 1
}

find_links=()
if [[ ${1:-} == --wheels ]]; then
  find_links=(--no-index --find-links "${2:?--wheels needs a folder}")
fi

if [[ -n ${LIBTORCH:-} ]]; then
  [[ -e $LIBTORCH/lib/libtorch_cpu.so ]] || fail "LIBTORCH is $LIBTORCH, where no lib/libtorch_cpu.so is"
  printf 'export LIBTORCH=%q LIBTORCH_CXX11_ABI=%q\n' "$LIBTORCH" "${LIBTORCH_CXX11_ABI:-1}"
  exit
fi

cache=${PORTCULLIS_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/portcullis/tools}
folder=$cache/libtorch-$VERSION
if [[ ! -e $folder/lib/libtorch_cpu.so ]]; then
  [[ $(uname -s)-$(uname -m) == Linux-x86_64 ]] ||
    fail "a pinned libtorch is there for Linux on x86_64 only: set LIBTORCH to a libtorch $VERSION"
  python3 -m pip --version >/dev/null 2>&1 ||
    fail "libtorch is taken out of Python packages, and python3 with pip was not found: get it, or set LIBTORCH"
  mkdir -p "$cache"
  part=$(mktemp -d "$cache/.part.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  note "getting libtorch $VERSION (once, 0.8 GB)"
  printf '%s\n' "$REQUIREMENTS" >"$part/requirements.txt"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
    --platform manylinux1_x86_64 --python-version 311 --implementation cp --abi cp311 --abi none \
    "${find_links[@]}" --dest "$part/wheels" --requirement "$part/requirements.txt" >&2 ||
    fail "the packages could not be had: set LIBTORCH to a libtorch $VERSION of your own"
  python3 - "$part" <<'PYTHON'
"""Takes out of the wheels what is linked and loaded, and nothing else."""
import pathlib
import shutil
import sys
import zipfile

part = pathlib.Path(sys.argv[1])
libraries = {
    "torch/lib/libc10.so",
    "torch/lib/libtorch_cpu.so",
    "torch/lib/libgomp-a34b3233.so.1",
    "nvidia/cuda_runtime/lib/libcudart.so.12",
    "nvidia/cuda_cupti/lib/libcupti.so.12",
}
missing = set(libraries)
for wheel in sorted((part / "wheels").glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name in libraries:
                to = part / "files" / "lib" / pathlib.PurePosixPath(name).name
                missing.discard(name)
            elif name.startswith("torch/include/") and not name.endswith("/"):
                to = part / "files" / name.removeprefix("torch/")
            elif name.endswith("dist-info/LICENSE") or name.endswith("dist-info/License.txt"):
                to = part / "files" / "licences" / name.split("/")[0]
            else:
                continue
            to.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, to.open("wb") as target:
                shutil.copyfileobj(source, target)
if missing:
    sys.exit(f"tools: error: the wheels lack {sorted(missing)}")
PYTHON
  # The wheel's own libtorch.so drags CUDA in, and holds nothing: it is linked by name only.
  cc -shared -fPIC -o "$part/files/lib/libtorch.so" -x c /dev/null ||
    fail "a C compiler is needed (cc)"
  [[ -e $folder ]] || mv "$part/files" "$folder"
fi
# Old C++ ABI: how the wheels of this release were built.
printf 'export LIBTORCH=%q LIBTORCH_CXX11_ABI=0\n' "$folder"
