# syntax=docker/dockerfile:1
# The injection classifier with rust-bert as a runtime to choose (`runtime = "rust-bert"` in its configuration).
#
#   docker build -f deploy/docker/bert.Dockerfile -t portcullis/injection-classifier-bert .
#
# It is not static, as the other images are: libtorch is 500 MB of shared libraries and wants a C++ runtime.

ARG RUST=1.95
ARG DEBIAN=bookworm

FROM rust:${RUST}-slim-${DEBIAN} AS build
RUN apt-get update && apt-get install --yes --no-install-recommends g++ python3 python3-pip && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY tests/tools/libtorch.sh tests/tools/libtorch.sh
RUN PORTCULLIS_TOOLS=/opt tests/tools/libtorch.sh
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target <<'SCRIPT'
set -eu
export LIBTORCH=/opt/libtorch-2.4.0 LIBTORCH_CXX11_ABI=0
cargo build --release --locked --manifest-path crates/model-bert/Cargo.toml --target-dir target/bert \
  --package portcullis-injection-classifier-bert
install -D --mode=755 target/bert/release/portcullis-injection-classifier-bert /out/service
SCRIPT

FROM debian:${DEBIAN}-slim
RUN apt-get update && apt-get install --yes --no-install-recommends libstdc++6 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/libtorch-2.4.0/lib /opt/libtorch-2.4.0/lib
COPY --from=build /opt/libtorch-2.4.0/licences /usr/share/doc/libtorch
COPY --from=build /out/service /service
# What libtorch allocates for a long window is kept and not given back and asked for again: a third of the time there.
ENV LD_LIBRARY_PATH=/opt/libtorch-2.4.0/lib \
  MALLOC_MMAP_THRESHOLD_=1073741824 \
  MALLOC_TRIM_THRESHOLD_=2147483647 \
  MALLOC_TOP_PAD_=67108864
USER 65532:65532
EXPOSE 9090
ENTRYPOINT ["/service"]
