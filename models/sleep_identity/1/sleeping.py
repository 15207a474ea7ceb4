"""Duration of a batch, and the refusal of sleeps out of range."""

import math

SLEEP_MS_MAX = 600_000.0
"""Longest sleep that a request may ask for: ten minutes, as long as the longest client waits."""

CRASH_MS = -9.0
"""Sleep of a request that is to end its server. No process of a container can kill its first one, so the model writes
`CRASH_FILE`, and whoever tests this kills the server from the node."""
CRASH_FILE = "/tmp/sleep-identity-crash"  # noqa: S108  # the one folder that a server can write to
CRASH_SLEEP_MS = 60_000.0
"""Sleep of such a request, by which the server is gone."""


def refusal(sleeps_ms: list[float]) -> str | None:
    """Return the error for a request with a sleep out of range; None for any other."""
    for sleep_ms in sleeps_ms:
        if sleep_ms != CRASH_MS and not (math.isfinite(sleep_ms) and 0.0 <= sleep_ms <= SLEEP_MS_MAX):
            return f"SLEEP_MS is {sleep_ms:g}: it must be from 0 to {SLEEP_MS_MAX:g} milliseconds"
    return None


def batch_seconds(sleeps_ms: list[float]) -> float:
    """Return the duration of a batch in seconds: that of its slowest entry.

    A GPU behaves alike, a batch costs little more than one entry: batching raises the throughput, and one server
    answers at most `max_batch_size` requests per sleep.
    """
    return max((CRASH_SLEEP_MS if ms == CRASH_MS else ms for ms in sleeps_ms), default=0.0) / 1000.0
