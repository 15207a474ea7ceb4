"""SuperSONIC 0.3.1's proxy, rebuilt from what its chart says, to be measured on the same load."""

from benchmarks.peer.bootstrap import Auth, ConnectionLimit, Policy, bootstrap
from benchmarks.peer.lifecycle import ENVOY_PRE_STOP, TRITON_EXIT_TIMEOUT_SECONDS, TRITON_GRACE_SECONDS, TRITON_PRE_STOP
from benchmarks.peer.limiter import DEFAULT_QUERY, LoadLimit

__all__ = [
    "DEFAULT_QUERY",
    "ENVOY_PRE_STOP",
    "TRITON_EXIT_TIMEOUT_SECONDS",
    "TRITON_GRACE_SECONDS",
    "TRITON_PRE_STOP",
    "Auth",
    "ConnectionLimit",
    "LoadLimit",
    "Policy",
    "bootstrap",
]
