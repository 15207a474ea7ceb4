"""Duration of a batch, and the refusal of sleeps out of range."""

import math

SLEEP_MS_MAX = 600_000.0
"""Longest sleep that a request may ask for: ten minutes, as long as the longest client waits."""


def refusal(sleeps_ms: list[float]) -> str | None:
    """Return the error for a request with a sleep out of range; None for any other."""
    for sleep_ms in sleeps_ms:
        if not (math.isfinite(sleep_ms) and 0.0 <= sleep_ms <= SLEEP_MS_MAX):
            return f"SLEEP_MS is {sleep_ms:g}: it must be from 0 to {SLEEP_MS_MAX:g} milliseconds"
    return None


def batch_seconds(sleeps_ms: list[float]) -> float:
    """Return the duration of a batch in seconds: that of its slowest entry.

    A GPU behaves alike, a batch costs little more than one entry: batching raises the throughput, and one server
    answers at most `max_batch_size` requests per sleep.
    """
    return max(sleeps_ms, default=0.0) / 1000.0
