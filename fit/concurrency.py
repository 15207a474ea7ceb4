"""Questions asked at the same time: an answer takes a round trip, and a row may need twenty."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_THREADS = 12

A = TypeVar("A")
B = TypeVar("B")


def in_parallel(function: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """Return the results in the order of the items."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(function, items))
