"""SuperSONIC 0.3.1's proxy, rebuilt from its chart."""

from benchmarks.peer.bootstrap import Auth, ConnectionLimit, Policy, bootstrap
from benchmarks.peer.limiter import DEFAULT_QUERY, LoadLimit
from benchmarks.peer.objects import Values, objects, triton_name
from benchmarks.peer.shutdown import (
    ENVOY_ARGUMENTS,
    ENVOY_PRE_STOP,
    TRITON_EXIT_TIMEOUT_SECONDS,
    TRITON_GRACE_SECONDS,
    TRITON_PRE_STOP,
)

__all__ = [
    "DEFAULT_QUERY",
    "ENVOY_ARGUMENTS",
    "ENVOY_PRE_STOP",
    "TRITON_EXIT_TIMEOUT_SECONDS",
    "TRITON_GRACE_SECONDS",
    "TRITON_PRE_STOP",
    "Auth",
    "ConnectionLimit",
    "LoadLimit",
    "Policy",
    "Values",
    "bootstrap",
    "objects",
    "triton_name",
]
