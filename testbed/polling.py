"""The wait of tests, with a default time limit and a sentence for the condition."""

from collections.abc import Callable

from devcluster.wait import wait_until


def eventually(
    condition: Callable[[], bool], what: str, *, timeout_seconds: float = 60, interval_seconds: float = 0.05
) -> None:
    """Poll until the condition holds; fail with the sentence `what`.

    Raises:
        DevClusterError: it does not hold at the time limit.
    """
    wait_until(condition, f"this: {what}", timeout_seconds=timeout_seconds, interval_seconds=interval_seconds)
