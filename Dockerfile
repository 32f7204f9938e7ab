# syntax=docker/dockerfile:1
# The worker with the example's triggers and functions. Written and linted, not run: where it was made there is no engine.

FROM rust:1.95-slim-trixie AS build
# Debian keeps the current fixes of a release only: a pinned version would be gone with the next.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      clang g++ golang-go libclang-dev libssl-dev libwasmedge-dev lld llvm make perl pkg-config \
 && rm -rf /var/lib/apt/lists/* \
 && rustup target add wasm32-unknown-unknown wasm32-wasip1
WORKDIR /build
COPY . .
# The caches outlive the build: what librdkafka and WasmEdge's bindings take is paid once.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/functions/target,sharing=locked \
    --mount=type=cache,target=/build/target,sharing=locked \
    scripts/setup && functions/build && cargo build --release --locked \
 && install -D target/release/weir /out/weir \
 && install -d -m 0755 /out/aot \
 && target/release/weir build --portable --cache /out/aot triggers \
 && chmod -R go+rX /out/aot \
 && scripts/sbom /out/doc

FROM debian:trixie-slim
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libssl3t64 libwasmedge0 zlib1g \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 65532 -g 65532 -m 0700 /weir/data
COPY --from=build /out/weir /usr/local/bin/weir
COPY --from=build /build/functions/*.wasm /weir/functions/
# Compiled for every processor with the features of the one that built this: build on the oldest that is to run it. Whoever
# mounts other functions has them compiled with WEIR_FUNCTION_CACHE=/weir/data/aot.
COPY --from=build /out/aot /weir/aot
COPY --from=build /out/doc /usr/share/doc/weir
COPY triggers /weir/triggers
WORKDIR /weir
# Inside a container loopback is nobody's; who may reach the ports is decided outside.
ENV WEIR_HTTP_ADDRESS=0.0.0.0:8080 \
    WEIR_ADMIN_ADDRESS=0.0.0.0:9090 \
    WEIR_FUNCTION_CACHE=/weir/aot
# The queue, the journal and the dead letters: a volume, or a disk that outlives the container.
VOLUME /weir/data
EXPOSE 8080 9090
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s CMD ["/usr/local/bin/weir", "status"]
# A stop waits 25 s for what is in flight (drain.timeout): give it more, docker stop --time 40.
ENTRYPOINT ["/usr/local/bin/weir"]
CMD ["run"]
