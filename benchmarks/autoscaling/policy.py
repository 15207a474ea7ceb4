"""A policy of autoscaling as data, and the autoscaler that follows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.autoscaling.hpa import SYNC_SECONDS, Behavior, HorizontalPodAutoscaler, TargetType, proposal
from benchmarks.autoscaling.pool import Pool, ServerTimes
from benchmarks.autoscaling.prometheus import Prometheus
from benchmarks.autoscaling.routing import Routing, shortest_queue
from benchmarks.autoscaling.signals import Signal


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One trigger of KEDA."""

    name: str
    signal: Signal
    threshold: float
    target: TargetType = "AverageValue"
    empty_is_zero: bool = False
    """KEDA's `ignoreNullValues`."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The settings of one deployment of SONIC."""

    name: str
    metrics: Sequence[Metric]
    behavior: Behavior
    scrape_seconds: float
    times: ServerTimes
    routing: Routing = shortest_queue
    """Its Envoy's load balancing."""


class Scaler(Protocol):
    """Sets the number of servers."""

    @property
    def interval_seconds(self) -> float:
        """From one decision to the next."""

    def servers(self, now: float, pool: Pool, prometheus: Prometheus) -> int:
        """Return the number that it sets."""


class Autoscaler:
    """KEDA and the HPA: with one server at least, each sync of the HPA is a query of KEDA to Prometheus."""

    interval_seconds = SYNC_SECONDS

    def __init__(self, policy: Policy, *, servers_min: int, servers_max: int) -> None:
        self._metrics = policy.metrics
        self._hpa = HorizontalPodAutoscaler(policy.behavior, servers_min=servers_min, servers_max=servers_max)

    def servers(self, now: float, pool: Pool, prometheus: Prometheus) -> int:
        """Return the number that the HPA sets."""
        return self._hpa.sync(now, pool.servers, [_proposal(each, now, pool, prometheus) for each in self._metrics])


def _proposal(metric: Metric, now: float, pool: Pool, prometheus: Prometheus) -> int | None:
    value = metric.signal(prometheus, now)
    if value is None and not metric.empty_is_zero:
        return None
    return proposal(
        value or 0.0,
        threshold=metric.threshold,
        target=metric.target,
        servers=pool.servers,
        ready=len(pool.serving),
    )
