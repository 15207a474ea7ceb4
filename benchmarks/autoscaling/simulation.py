"""One run: clients, servers, Prometheus and a scaler in virtual time.

A fluid model with a fixed time step: requests are amounts, and the arrivals of a step are Poisson distributed, or those
of a measured run.
An event for each request would be exact within a step as well, but a day of 2 ms requests has 10^8 of them, and the
decisions of an autoscaler follow what adds up over seconds. Waits shorter than a step are not seen.
"""

from bisect import bisect_left
from dataclasses import dataclass, field

import numpy as np

from benchmarks.autoscaling.clients import Clients
from benchmarks.autoscaling.policy import Scaler
from benchmarks.autoscaling.pool import Pool, ServerTimes
from benchmarks.autoscaling.prometheus import Prometheus
from benchmarks.autoscaling.routing import Routing
from benchmarks.autoscaling.server import ServerKind
from benchmarks.autoscaling.traces import Trace


@dataclass(kw_only=True)
class Timeline:
    """The measurements of a run, one for each step."""

    seconds: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    """Servers that the load would keep busy if no request waited."""
    waiting: list[float] = field(default_factory=list)
    """Requests in all queues."""
    longest_seconds: list[float] = field(default_factory=list)
    """Time after which the last request of the longest queue is served."""
    next_seconds: list[float] = field(default_factory=list)
    """Mean wait of the next request, by the choice of its server."""
    serving: list[int] = field(default_factory=list)
    """Servers that get requests."""
    pods: list[int] = field(default_factory=list)
    """Pods that hold a GPU."""
    wanted: list[int] = field(default_factory=list)
    """Number that the scaler set."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run and its sums."""

    trace: Trace
    kind: ServerKind
    timeline: Timeline
    arrived: float
    completed: float
    lost: float
    gpu_seconds: float


def simulate(
    trace: Trace,
    scaler: Scaler,
    *,
    kind: ServerKind,
    times: ServerTimes,
    scrape_seconds: float,
    routing: Routing,
    seed: int,
    decision_seconds: float | None = None,
) -> Run:
    """Run a trace; the same arguments give the same run.

    Args:
        trace: the load.
        scaler: sets the number of servers.
        kind: the servers.
        times: their probes and shutdown.
        scrape_seconds: from one scrape of Prometheus to the next.
        routing: Envoy's load balancing.
        seed: draws the arrivals unless the trace has them, and the moments of scrapes and decisions.
        decision_seconds: moment of one of the decisions; None: it is drawn.
    """
    draw = np.random.default_rng(seed)
    next_decision, next_scrape = draw.uniform(0, scaler.interval_seconds), draw.uniform(0, scrape_seconds)
    if decision_seconds is not None:
        next_decision = decision_seconds % scaler.interval_seconds
    clients = trace.clients(kind)
    pool, prometheus = Pool(kind, times, servers=trace.servers_min, routing=routing), Prometheus(kind)
    timeline, arrived = Timeline(), 0.0
    for number in range(round(trace.seconds / trace.step_seconds)):
        now = number * trace.step_seconds
        if now >= next_scrape:
            prometheus.scrape(now, pool, arrived)
            next_scrape += scrape_seconds
        if now >= next_decision:
            pool.scale(now, scaler.servers(now, pool, prometheus))
            next_decision += scaler.interval_seconds
        arriving = clients.send(_requests(now, trace, clients, draw))
        arrived += arriving
        clients.receive(pool.step(now, trace.step_seconds, arriving))
        _record(timeline, now, trace, pool)
    return Run(
        trace=trace,
        kind=kind,
        timeline=timeline,
        arrived=arrived,
        completed=pool.completed,
        lost=pool.lost,
        gpu_seconds=pool.gpu_seconds,
    )


def _requests(now: float, trace: Trace, clients: Clients, draw: np.random.Generator) -> float:
    if trace.sent_seconds:
        return float(bisect_left(trace.sent_seconds, now + trace.step_seconds) - bisect_left(trace.sent_seconds, now))
    return float(draw.poisson(clients.mean(now, trace.step_seconds)))


def _record(timeline: Timeline, now: float, trace: Trace, pool: Pool) -> None:
    queues = [server.queue_seconds for server in pool.serving]
    drains = [server.queue_seconds for server in pool.draining]
    timeline.seconds.append(now)
    timeline.load.append(trace.load(now))
    timeline.waiting.append(pool.waiting)
    timeline.longest_seconds.append(max([*queues, *drains]))
    timeline.next_seconds.append(pool.next_wait_seconds)
    timeline.serving.append(len(pool.serving))
    timeline.pods.append(pool.pods)
    timeline.wanted.append(pool.servers)
