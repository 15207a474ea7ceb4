"""Prometheus: samples of counters and gauges, and the functions that policies use."""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from benchmarks.autoscaling.pool import Pool
from benchmarks.autoscaling.server import Server, ServerKind

_KEPT_SECONDS = 300.0
_PRUNED_AT = 1000


class Series:
    """Samples of one counter, in the order of time."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.values: list[float] = []

    def add(self, now: float, value: float) -> None:
        """Add a sample, and drop those that no query reaches."""
        self.times.append(now)
        self.values.append(value)
        if len(self.times) > _PRUNED_AT:
            old = bisect_right(self.times, now - _KEPT_SECONDS)
            del self.times[:old], self.values[:old]

    def rate(self, now: float, window_seconds: float) -> float | None:
        """Return `rate(counter[window])`, extrapolated as Prometheus does; None with fewer than two samples.

        Source: `extrapolatedRate` in `promql/functions.go`. A server that is younger than the window counts as if its
        counter had been 0 before, so the rate of a new server rises only slowly.
        """
        start = bisect_right(self.times, now - window_seconds)
        times, values = self.times[start:], self.values[start:]
        if len(times) < 2:
            return None
        sampled, increase = times[-1] - times[0], values[-1] - values[0]
        between = sampled / (len(times) - 1)
        to_start = times[0] - (now - window_seconds)
        to_start = between / 2 if to_start >= 1.1 * between else to_start
        if increase > 0:
            to_start = min(to_start, sampled * values[0] / increase)
        to_end = now - times[-1]
        to_end = between / 2 if to_end >= 1.1 * between else to_end
        return increase * (sampled + to_start + to_end) / sampled / window_seconds

    def average(self, now: float, window_seconds: float) -> float | None:
        """Return `avg_over_time(gauge[window])`; None without a sample."""
        values = self.values[bisect_right(self.times, now - window_seconds) :]
        return sum(values) / len(values) if values else None


class ServerSeries:
    """The series of one server."""

    def __init__(self) -> None:
        self.completed = Series()
        self.wait_seconds = Series()
        self.gpu_utilization = Series()
        self.pending = 0.0

    def scrape(self, now: float, server: Server) -> None:
        """Read the server."""
        self.completed.add(now, server.completed)
        self.wait_seconds.add(now, server.wait_seconds)
        self.pending = server.waiting
        if server.gpu_utilization is not None:
            self.gpu_utilization.add(now, server.gpu_utilization)


class Prometheus:
    """The series of all servers and of Envoy, as of the last scrape."""

    def __init__(self, kind: ServerKind) -> None:
        self.kind = kind
        self.healthy = 0
        """`envoy_cluster_membership_healthy`."""
        self.arrived = Series()
        """`envoy_cluster_upstream_rq_total`, which moves when a request begins."""
        self.request_seconds = Series()
        """`envoy_cluster_upstream_rq_time_sum`, which moves when a request is complete."""
        self.since = -math.inf
        """Time of the oldest sample. A run begins in the middle of Prometheus' life."""
        self._servers: dict[Server, ServerSeries] = {}
        self._present: Sequence[Server] = ()

    def scrape(self, now: float, pool: Pool, arrived: float) -> None:
        """Read every server that has loaded its models, and Envoy."""
        self.since = min(self.since, now)
        self._present = (*pool.serving, *pool.draining)
        for server in self._present:
            self._servers.setdefault(server, ServerSeries()).scrape(now, server)
        gone = [server for server, series in self._servers.items() if series.completed.times[-1] < now - _KEPT_SECONDS]
        for server in gone:
            del self._servers[server]
        self.healthy = len(pool.serving)
        self.arrived.add(now, arrived)
        self.request_seconds.add(now, pool.request_seconds)

    def present(self) -> Iterator[ServerSeries]:
        """Yield the servers that answered the last scrape."""
        for server in self._present:
            yield self._servers[server]

    def known(self) -> Iterator[ServerSeries]:
        """Yield those whose samples a range may still hold, too."""
        yield from self._servers.values()
