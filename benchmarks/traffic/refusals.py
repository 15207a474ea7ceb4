"""Refusals: their status, their time, and the retry advice in them."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from benchmarks.loopback import grpc_messages
from benchmarks.loopback.side_envoy import Envoy

STATUSES = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
"""Try elsewhere (14), or over your share (8)."""

_GAP_SECONDS = 0.1
_TIMEOUT_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """Refusals of a client with one request at a time."""

    milliseconds: Sequence[float]
    """Of each."""
    as_declared: int
    """Refusals with status 8 or 14 and a time after which to retry."""


def refusals_of(target: str, token: str, seconds: float) -> Refusals:
    """Make requests with a token one after the other, with pauses: so few that they cost the servers next to nothing.

    Args:
        target: `host:port`.
        token: goes with each of them.
        seconds: for how long.
    """
    milliseconds, as_declared = [], 0
    end = time.monotonic() + seconds
    with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        ask = grpc_messages.unary(channel, grpc_messages.INFER)
        while time.monotonic() < end:
            time.sleep(_GAP_SECONDS)
            begun = time.monotonic()
            call = ask.future(
                grpc_messages.paced(4), metadata=(("authorization", f"Bearer {token}"),), timeout=_TIMEOUT_SECONDS
            )
            error = call.exception()
            if isinstance(error, grpc.RpcError):
                milliseconds.append(1000 * (time.monotonic() - begun))
                advised = any(item.key == "grpc-retry-pushback-ms" for item in error.trailing_metadata() or ())
                as_declared += advised and error.code() in STATUSES
    return Refusals(milliseconds=milliseconds, as_declared=as_declared)


def refusals_by_envoy_ms(envoy: Envoy) -> list[float]:
    """Time of each refusal in the log, which are one in 100, from its request's first byte to its own last, by Envoy's
    clock: whole milliseconds."""
    lines = (json.loads(line) for line in envoy.log.read_text().splitlines() if line.startswith("{"))
    names = {status.name for status in STATUSES}
    return [float(line["duration_ms"]) for line in lines if line["grpc_status"] in names]
