"""Envoy's choice of a server for each request, as shares of an amount of requests."""

from collections.abc import Callable, Sequence
from itertools import groupby

Routing = Callable[[Sequence[float], float], list[float]]
"""Queues of the servers, arriving requests -> requests that each server gets. No request leaves its queue for another.
"""

_NEXT_REQUEST = 1e-3
"""Amount of requests of which the next one is typical: too few to change a queue."""

_CHUNKS = 4
"""Parts of the requests of a step, between which two random choices look at the queues again."""


def shortest_queue(waiting: Sequence[float], arriving: float) -> list[float]:
    """Return the requests that each server gets when every single one goes to the shortest queue.

    That is Envoy's least request with a full scan, for one Envoy: like water that fills a vessel with an uneven floor.
    A queue that is longer than the water is high gets nothing, and a request never leaves its queue for another.
    """
    if max(waiting) == 0:
        return [arriving / len(waiting)] * len(waiting)
    floor = sorted(waiting)
    below = 0.0
    height = 0.0
    for number, level in enumerate(floor, start=1):
        below += level
        height = (arriving + below) / number
        if number == len(floor) or height <= floor[number]:
            break
    return [max(0.0, height - level) for level in waiting]


def two_choices(waiting: Sequence[float], arriving: float) -> list[float]:
    """Return the requests that each server gets when each goes to the shorter of two queues, drawn with replacement.

    That is Envoy's least request as it is by default. The longest of n queues still gets 1 in n² of the requests.
    """
    if max(waiting) == 0:
        return in_turn(waiting, arriving)
    queues = list(waiting)
    for _ in range(_CHUNKS):
        for server, part in enumerate(_shorter_of_two(queues)):
            queues[server] += arriving / _CHUNKS * part
    return [after - before for before, after in zip(waiting, queues, strict=True)]


def in_turn(waiting: Sequence[float], arriving: float) -> list[float]:
    """Return equal shares: round robin."""
    return [arriving / len(waiting)] * len(waiting)


def next_wait(routing: Routing, waiting: Sequence[float], waits: Sequence[float]) -> float:
    """Return the mean wait of the next request.

    Args:
        routing: choice of its server.
        waiting: queues of the servers, in requests.
        waits: wait in each queue.
    """
    shares = routing(waiting, _NEXT_REQUEST)
    return sum(share * wait for share, wait in zip(shares, waits, strict=True)) / sum(shares)


def _shorter_of_two(queues: Sequence[float]) -> list[float]:
    """Return the probability with which each server is the choice; equal queues share theirs."""
    count = len(queues)
    parts = [0.0] * count
    longer = count
    for _, equal in groupby(sorted(range(count), key=queues.__getitem__), key=queues.__getitem__):
        servers = list(equal)
        left = longer - len(servers)
        for server in servers:
            parts[server] = (longer**2 - left**2) / count**2 / len(servers)
        longer = left
    return parts
