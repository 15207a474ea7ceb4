"""Where the development cluster keeps its files; all outside the checkout, so that clones share them."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

CACHE = Path(os.environ.get("SONIC_CACHE_DIR") or "/var/cache/sonic-devcluster")
"""What was built or downloaded, keyed by its inputs; safe to delete, costly to make again."""

STATE = Path("/var/lib/sonic-devcluster")
"""What the running cluster must not lose: etcd, certificates, kubeconfig, Pulumi state."""

RUN = Path("/run/sonic-devcluster")
"""Sockets, pid files and locks of the running cluster; empty when it is down."""
