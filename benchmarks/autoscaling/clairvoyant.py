"""The bound: servers that are ready exactly when the load comes, and go when it goes.

A policy that uses fewer GPU-seconds has servers that are busier than `_UTILIZATION_MAX`, and lets requests wait.
"""

import math
from collections.abc import Sequence

from benchmarks.autoscaling.clients import Load
from benchmarks.autoscaling.pool import Pool
from benchmarks.autoscaling.prometheus import Prometheus

_UTILIZATION_MAX = 0.9
"""Above it, requests that come by chance wait for long."""
_LEAD_SECONDS = 2
"""From the time at which a server is ready to the load."""


class Clairvoyant:
    """Knows the load of all times. A server is kept where a new one would take longer to start."""

    interval_seconds = 1.0

    def __init__(
        self, load: Load, *, seconds: float, servers_min: int, start_seconds: float, stop_seconds: float
    ) -> None:
        """Plan the servers.

        Args:
            load: servers that the requests keep busy, by time.
            seconds: duration of the run.
            servers_min: fewest servers.
            start_seconds: from a pod until it gets requests.
            stop_seconds: from its removal until its GPU is free.
        """
        needed = [
            max(servers_min, math.ceil(load(second) / _UTILIZATION_MAX)) for second in range(math.ceil(seconds) + 1)
        ]
        lead = math.ceil(start_seconds) + _LEAD_SECONDS
        self._planned = plan(needed, lead_seconds=lead, gap_seconds=lead + math.ceil(stop_seconds))

    def servers(self, now: float, _pool: Pool, _prometheus: Prometheus) -> int:
        """Return the plan's number."""
        return self._planned[int(now)]


def plan(needed: Sequence[int], *, lead_seconds: int, gap_seconds: int) -> list[int]:
    """Return the pods of each second for the servers that each second needs.

    Args:
        needed: servers.
        lead_seconds: time by which a pod comes before its server is needed.
        gap_seconds: longest time for which a server that is not needed costs no more than a new one.
    """
    planned = [0] * len(needed)
    for level in range(1, max(needed) + 1):
        wanted = [second for second, servers in enumerate(needed) if servers >= level]
        begin = max(0, wanted[0] - lead_seconds)
        for second, following in zip(wanted, [*wanted[1:], None], strict=True):
            if following is not None and following - second <= gap_seconds:
                continue
            for each in range(begin, second + 1):
                planned[each] += 1
            begin = following - lead_seconds if following is not None else 0
    return planned
