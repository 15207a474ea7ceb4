"""B3: p99 of ideal balancers with servers of these speeds, for the same arrivals."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import central_queue, shortest_queue
from benchmarks.loopback.samples import Sample
from benchmarks.statistics import percentile
from benchmarks.traffic.speed import Server


@dataclass(frozen=True, kw_only=True)
class Limits:
    """p99 in virtual time, for the arrivals of one block."""

    central_ms: float
    """One queue before all servers."""
    shortest_ms: float
    """The shortest queue without delay: the limit of our policy."""


def limits_of(samples: Sequence[Sample], servers: Sequence[Server], envoys: int) -> Limits:
    """Return both limits, with the transport of each request added."""
    arrivals, services = [sample.intended_seconds for sample in samples], [server.busy_seconds for server in servers]
    transport = min(server.latency_seconds - server.busy_seconds for server in servers)

    def p99_ms(waits: Sequence[float]) -> float:
        return (percentile(waits, 99) + transport) * 1000

    return Limits(
        central_ms=p99_ms(central_queue.latencies(arrivals, services)),
        shortest_ms=p99_ms(shortest_queue.latencies(arrivals, services, balancers=envoys)),
    )
