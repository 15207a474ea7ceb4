"""Images that every site runs unless its file names others: pinned by tag and digest of the multi-platform index."""

# renovate: datasource=docker depName=docker.io/envoyproxy/envoy
ENVOY_IMAGE = (
    "docker.io/envoyproxy/envoy:distroless-v1.39.1"
    "@sha256:eb2c01c13125d1629637cb4e4cce7207009fb7cc2c8027f9742758549d15b6f4"
)
"""Without a shell or a package manager: nothing but the proxy is in it."""

# renovate: datasource=docker depName=docker.io/prom/prometheus
PROMETHEUS_IMAGE = (
    "docker.io/prom/prometheus:v3.10.0@sha256:4a61322ac1103a0e3aea2a61ef1718422a48fa046441f299d71e660a3bc71ae9"
)
"""Runs as uid 65534 by default; the stack gives it another."""
