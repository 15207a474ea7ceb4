"""Polls with a time limit; each names what it waits for, in its progress and in its error."""

import time
from collections.abc import Callable

from devcluster.errors import DevClusterError


def _show_nothing(_: str) -> None:
    pass


def wait_until(
    condition: Callable[[], bool],
    what: str,
    *,
    timeout_seconds: float,
    interval_seconds: float = 0.1,
    waiting: Callable[[str], None] = _show_nothing,
    hint: str = "",
) -> None:
    """Poll a condition until it is true.

    Args:
        condition: called at once, and then after each interval.
        what: completes "waiting for …", such as `etcd to answer on 127.0.0.1:2379`.
        timeout_seconds: time limit.
        interval_seconds: pause between two calls.
        waiting: gets `what` after each call that returned false.
        hint: where to look after the time limit; ends the error.

    Raises:
        DevClusterError: the condition is still false at the time limit.
    """
    wait_while(
        lambda: "" if condition() else what,
        timeout_seconds=timeout_seconds,
        interval_seconds=interval_seconds,
        waiting=waiting,
        hint=hint,
    )


def wait_while(
    missing: Callable[[], str],
    *,
    timeout_seconds: float,
    interval_seconds: float = 0.1,
    waiting: Callable[[str], None] = _show_nothing,
    hint: str = "",
) -> None:
    """Poll until `missing` returns an empty string; else it returns what is missing, as `what` of `wait_until`.

    Raises:
        DevClusterError: something is still missing at the time limit.
    """
    deadline = time.monotonic() + timeout_seconds
    while what := missing():
        if time.monotonic() > deadline:
            msg = f"waited {timeout_seconds:.0f} s for {what}" + (f"; {hint}" if hint else "")
            raise DevClusterError(msg)
        waiting(what)
        time.sleep(interval_seconds)
