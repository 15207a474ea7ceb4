"""The limit of a balancer that gives each request to the server with the fewest in progress, in virtual time.

It knows these numbers at once and takes no time; it does not know how fast a server is. A real balancer is
slower by its delay and by chance. The difference to `central_queue` is the cost of not knowing the speeds.
"""

import heapq
import random
from collections.abc import Sequence


def latencies(
    arrivals_seconds: Sequence[float], service_seconds: Sequence[float], *, balancers: int = 1, seed: int = 0
) -> list[float]:
    """Return the latency of each request, waiting included.

    Args:
        arrivals_seconds: when each request arrives, in ascending order.
        service_seconds: how long each server takes for one request; each serves one at a time, in order.
        balancers: how many there are, each of which knows of its own requests only. They get requests in turn.
        seed: draws among servers that have equally few.

    Returns:
        Seconds from each request's arrival to its end.
    """
    draw = random.Random(seed)  # noqa: S311  no secret
    servers = range(len(service_seconds))
    in_progress = [[0 for _ in servers] for _ in range(balancers)]
    free = [0.0 for _ in servers]
    running: list[tuple[float, int, int]] = []  # a heap of (when it ends, balancer, server)
    taken: list[float] = []
    for number, arrival in enumerate(arrivals_seconds):
        while running and running[0][0] <= arrival:
            _, balancer, server = heapq.heappop(running)
            in_progress[balancer][server] -= 1
        balancer = number % balancers
        counts = in_progress[balancer]
        server = draw.choice([candidate for candidate in servers if counts[candidate] == min(counts)])
        free[server] = max(arrival, free[server]) + service_seconds[server]
        counts[server] += 1
        heapq.heappush(running, (free[server], balancer, server))
        taken.append(free[server] - arrival)
    return taken
