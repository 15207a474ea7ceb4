"""The reference for balancers, in virtual time: one queue before all servers, and no idle server while it is not empty.

No proxy can know which server will be free first; this model does. One that knew how fast each server is might leave a
very slow one idle and do better at p99, so this is no lower bound on that.
"""

import heapq
from collections.abc import Sequence


def latencies(arrivals_seconds: Sequence[float], service_seconds: Sequence[float]) -> list[float]:
    """Return the latency of each request, waiting included.

    Requests are served in the order in which they arrive, each at once when a server is free, by the fastest of those.

    Args:
        arrivals_seconds: when each request arrives, in ascending order.
        service_seconds: how long each server takes for one request.

    Returns:
        Seconds from each request's arrival to its end.

    Raises:
        ValueError: there is no server, or the arrivals are out of order.
    """
    if not service_seconds:
        msg = "the central queue has no server: name the service time of at least one"
        raise ValueError(msg)
    fastest_first = sorted(service_seconds)
    idle = list(range(len(fastest_first)))  # a heap: the least is the fastest
    busy: list[tuple[float, int]] = []  # a heap of (when it is free, which)
    taken: list[float] = []
    previous = float("-inf")
    for arrival in arrivals_seconds:
        if arrival < previous:
            msg = f"an arrival at {arrival:g} s follows one at {previous:g} s: arrivals must ascend"
            raise ValueError(msg)
        previous = arrival
        while busy and busy[0][0] <= arrival:
            heapq.heappush(idle, heapq.heappop(busy)[1])
        start = arrival if idle else busy[0][0]
        server = heapq.heappop(idle) if idle else heapq.heappop(busy)[1]
        end = start + fastest_first[server]
        heapq.heappush(busy, (end, server))
        taken.append(end - arrival)
    return taken
