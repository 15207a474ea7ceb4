"""Images that every site runs unless its file names others: pinned by tag and digest of the multi-platform index.

Two are pinned by tag alone: interLink's has the release of the site, and no digest of wstunnel's is published. A site
may name wstunnel's with one (`site.images.wstunnel`).
"""

# renovate: datasource=docker depName=docker.io/envoyproxy/envoy
ENVOY_IMAGE = (
    "docker.io/envoyproxy/envoy:v1.39.1@sha256:57e14a549d7bd43c8d3f6d03e8cfa653e037d4b38e133acd9b54f38c524401b4"
)
"""Not the distroless one: the preStop hook that drains needs a shell."""

ENVOY_VERSION = ENVOY_IMAGE.partition(":v")[2].partition("@")[0]
"""Such as `1.39.1`. The locks install this release for previews, and the dev cluster runs it."""

# renovate: datasource=docker depName=docker.io/prom/prometheus
PROMETHEUS_IMAGE = (
    "docker.io/prom/prometheus:v3.10.0@sha256:4a61322ac1103a0e3aea2a61ef1718422a48fa046441f299d71e660a3bc71ae9"
)
"""Runs as uid 65534 by default; the stack gives it another."""

# renovate: datasource=docker depName=docker.io/grafana/grafana
GRAFANA_IMAGE = (
    "docker.io/grafana/grafana:12.4.5@sha256:26b8f35a9e4e4431995cf64c3f396505a4faf17bcfc19f9ed84943ec6bfd5ecd"
)
"""Not 13: there the Prometheus data source is a plugin, which Grafana replaces at its start from the network
(grafana/grafana #131490)."""

# renovate: datasource=docker depName=docker.io/library/python
ADMISSION_IMAGE = (
    "docker.io/library/python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b"
)
"""Python and its standard library, for the admission controller beside each Envoy."""

INTERLINK_IMAGES = "ghcr.io/interlink-hq/interlink"
"""Folder of interLink's images: `virtual-kubelet-inttw` and `interlink`, whose tag is the release of the site."""

# renovate: datasource=docker depName=docker.io/linuxserver/openssh-server
SSHD_IMAGE = (
    "docker.io/linuxserver/openssh-server:10.2_p1-r0-ls225"
    "@sha256:29d4e3f887596c4c2fc609f4e07040b08890a238178da400ffa2a602b55245bc"
)
"""Alpine's OpenSSH. Only its sshd is started, by an ordinary user, with a configuration of the program's own."""

# renovate: datasource=docker depName=ghcr.io/erebe/wstunnel
WSTUNNEL_IMAGE = "ghcr.io/erebe/wstunnel:v10.6.2"
"""The jobs run a client of the same release."""
