# syntax=docker/dockerfile:1
# One image with the four programs of a release. Build it from the repository's root:
#
#   docker build --build-arg VERSION=0.1.0 --tag ghcr.io/flashsale/flashsale:0.1.0 .

# The toolchain of `rust-version` in Cargo.toml.
ARG RUST_VERSION=1.95

# The shop, which the gateway has inside.
FROM docker.io/library/node:22-bookworm-slim AS storefront
WORKDIR /src/storefront
COPY storefront/package.json storefront/package-lock.json ./
RUN --mount=type=cache,target=/root/.npm,sharing=locked \
    npm ci --omit=dev --no-audit --no-fund
COPY storefront/ ./
RUN npm run build

FROM docker.io/library/rust:${RUST_VERSION}-bookworm AS build
WORKDIR /src
COPY . .
COPY --from=storefront /src/storefront/dist storefront/dist
# The caches make the next build a short one. They are no part of the image, so what is wanted of
# them is copied out in the same step. `bookworm` and `debian12` below have the same C library.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --bin flashsale --bin flashsale-gateway \
        --bin flashsale-operator --bin flashsale-worker \
    && mkdir /out \
    && cp target/release/flashsale target/release/flashsale-gateway \
        target/release/flashsale-operator target/release/flashsale-worker /out/

# The C library and the certificates of public authorities; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="flashsale" \
      org.opencontainers.image.description="Flash sales as a Kubernetes object: operator, gateway, worker, hand tools" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /out/flashsale /out/flashsale-gateway /out/flashsale-operator /out/flashsale-worker /
# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
# The hand tools by themselves; workloads name their program.
ENTRYPOINT ["/flashsale"]
CMD ["--help"]
