"""The metrics of the policies, as arithmetic on samples. Each is None where the query of the real one is empty.

The PromQL is not evaluated: the arithmetic of `components/queries.py`, and of the charts that are named, is repeated
here. All models are one model, and no request is in a batch.
"""

import math
from collections.abc import Callable, Iterable

from benchmarks.autoscaling.prometheus import Prometheus, Series

Signal = Callable[[Prometheus, float], float | None]
"""Prometheus, time in seconds -> value."""


def queue_ms_per_execution(prometheus: Prometheus, now: float, *, window_seconds: float = 30) -> float | None:
    """SuperSONIC 0.3.1, `_scaling-metric.tpl`: rate of the queue's duration / rate of executions."""
    waits = _sum_of_rates((server.wait_seconds for server in prometheus.known()), now, window_seconds)
    executions = _sum_of_rates((server.completed for server in prometheus.known()), now, window_seconds)
    if waits is None or executions is None:
        return None
    return waits * 1e6 / (executions * 1000 + 0.001)


def needed_servers(prometheus: Prometheus, now: float, *, window_seconds: float = 30) -> float | None:
    """SuperSONIC's PR #85, `_scaling-metric.tpl`: requests at Envoy / requests in execution on each healthy server."""
    at_envoy = prometheus.request_seconds.rate(now, window_seconds)
    executing = _executing(prometheus, now, window_seconds)
    if at_envoy is None or executing is None:
        return None
    return at_envoy * max(prometheus.healthy, 1) / max(executing, prometheus.healthy, 1)


def pending_requests(prometheus: Prometheus, _now: float) -> float | None:
    """Ours until 2026-11-28: the requests that wait."""
    servers = [server.pending for server in prometheus.present()]
    return sum(servers) if servers else None


def waiting_work_ms(
    prometheus: Prometheus,
    now: float,
    *,
    default_service_ms: float,
    request_max_ms: float = math.inf,
    window_seconds: float = 120,
) -> float | None:
    """`queries.waiting_work_ms`: time that one server would need for all requests that wait."""
    servers = list(prometheus.present())
    if not servers:
        return None
    service_ms = min(request_max_ms, _service_ms(prometheus, now, window_seconds, default_service_ms))
    total = 0.0
    for server in servers:
        executing = (server.completed.rate(now, window_seconds) or 0.0) * prometheus.kind.service_seconds
        total += server.pending * service_ms / max(1.0, executing)
    return total


def busy_servers(
    prometheus: Prometheus, now: float, *, executions_per_server: int, window_seconds: float = 120
) -> float | None:
    """`queries.busy_servers`: the servers that execute, as a sum of fractions."""
    if prometheus.since > now - window_seconds:
        return None  # `queries.whole_window`
    fractions = []
    for server in prometheus.known():
        rate = server.completed.rate(now, window_seconds)
        if rate is None:
            continue
        executing = rate * prometheus.kind.service_seconds / executions_per_server
        gpu = server.gpu_utilization.average(now, window_seconds)
        fractions.append(min(1.0, executing, 1.0 if gpu is None else gpu))
    return sum(fractions) if fractions else None


def arriving_work(
    prometheus: Prometheus, now: float, *, default_service_ms: float, window_seconds: float = 30
) -> float | None:
    """Return the rate of requests that reach Envoy x service time: the servers that the load keeps busy."""
    rate = prometheus.arrived.rate(now, window_seconds)
    if rate is None:
        return None
    service_ms = _service_ms(prometheus, now, 120, default_service_ms)
    return rate * service_ms / 1e3 / prometheus.kind.instances


def _service_ms(prometheus: Prometheus, now: float, window_seconds: float, default_ms: float) -> float:
    completed = _sum_of_rates((server.completed for server in prometheus.known()), now, window_seconds)
    return prometheus.kind.service_seconds * 1e3 if completed else default_ms


def _executing(prometheus: Prometheus, now: float, window_seconds: float) -> float | None:
    completed = _sum_of_rates((server.completed for server in prometheus.known()), now, window_seconds)
    return None if completed is None else completed * prometheus.kind.service_seconds


def _sum_of_rates(counters: Iterable[Series], now: float, window_seconds: float) -> float | None:
    rates = [counter.rate(now, window_seconds) for counter in counters]
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known else None
