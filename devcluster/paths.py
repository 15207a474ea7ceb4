"""Folders of the development cluster; what it writes is outside the checkout, so that clones share it."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

MODELS = CHECKOUT / "models"
"""Model repository of the dev experiment; tests and benchmarks read it without a cluster."""

CACHE = Path(os.environ.get("SONIC_CACHE_DIR") or "/var/cache/sonic-devcluster")
"""All builds and downloads, keyed by their inputs; safe to delete, costly to make again."""

STATE = Path("/var/lib/sonic-devcluster")
"""Data that the cluster must not lose: etcd, certificates, kubeconfigs, Pulumi state."""

RUN = Path("/run/sonic-devcluster")
"""Sockets, pid files and locks of the running cluster; empty when it is down."""
