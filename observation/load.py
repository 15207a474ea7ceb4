"""Numbers of the load, from samples: of servers, pools and models, and of Envoy."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from components.envoy.refusals import REFUSALS
from observation.facts import Sample
from observation.promql import QUANTILES, VALUE
from observation.stack_names import StackNames

Key = TypeVar("Key")

_LEAST_REFUSALS = 0.5
"""An increase is extrapolated, and so not whole."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """The load of a server, of a pool, or of one model there. None: no series tells it."""

    requests: float | None = None
    """Successful requests, per second."""
    failed: float | None = None
    """Failed requests, per second."""
    pending: float | None = None
    """Requests that wait in Triton's queues."""
    total: float | None = None
    """Requests in the servers, on average."""
    queue: float | None = None
    """Requests in the queues, on average."""
    executing: float | None = None
    """Executions in progress, on average."""
    gpu: float | None = None
    """Utilisation of GPUs, 0 to 1."""

    @property
    def latency_ms(self) -> float | None:
        """Mean time of a request in the server; None without requests."""
        return _per_request_ms(self.total, self.requests)

    @property
    def queue_ms(self) -> float | None:
        """Mean time of a request in the queue; None without requests."""
        return _per_request_ms(self.queue, self.requests)


_SUMMED = ("requests", "failed", "pending", "total", "queue", "executing")


def by_server(samples: Sequence[Sample]) -> Mapping[str, Load]:
    """Return the load by the name of the pod."""
    return _loads(samples, lambda labels: labels.get("pod"))


def by_pool(samples: Sequence[Sample], names: StackNames) -> Mapping[str, Load]:
    """Return the load by pool."""
    return _loads(samples, lambda labels: names.pool_of(labels.get("pod", "")) or None)


def by_model(samples: Sequence[Sample], names: StackNames) -> Mapping[tuple[str, str], Load]:
    """Return the load by pool and model."""

    def key(labels: Mapping[str, str]) -> tuple[str, str] | None:
        pool, model = names.pool_of(labels.get("pod", "")), labels.get("model", "")
        return (pool, model) if pool and model else None

    return _loads(samples, key)


def _loads(samples: Iterable[Sample], key: Callable[[Mapping[str, str]], Key | None]) -> Mapping[Key, Load]:
    found: dict[Key, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        at = key(sample.labels)
        if at is not None:
            found[at][sample.labels[VALUE]].append(sample.value)
    return {at: _load(values) for at, values in found.items()}


def _load(values: Mapping[str, Sequence[float]]) -> Load:
    utilisations = values.get("gpu")
    return Load(
        **{name: sum(values[name]) for name in _SUMMED if name in values},
        gpu=sum(utilisations) / len(utilisations) if utilisations else None,
    )


def _per_request_ms(requests: float | None, rate: float | None) -> float | None:
    """Return the mean time of a request by Little's law: requests inside by requests per second."""
    return requests / rate * 1000 if requests is not None and rate else None


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """Envoy's numbers. None: no series tells it, as without a call."""

    calls: float | None
    """Calls that ended, per second, with those that were refused."""
    in_progress: float | None
    """Calls in progress."""
    latencies_ms: Mapping[str, float | None]
    """Name in `promql.QUANTILES` -> latency of calls that reached a server."""
    refusals: Mapping[str, float]
    """Cause -> number in the last `promql.REFUSALS_SECONDS`; causes without a refusal are left out."""


def entrance(samples: Sequence[Sample]) -> Entrance:
    """Return the numbers of all Envoys together."""
    found = {sample.labels[VALUE]: sample.value for sample in samples}
    return Entrance(
        calls=found.get("calls"),
        in_progress=found.get("in_progress"),
        latencies_ms={name: found.get(name) for name in QUANTILES},
        refusals={each.cause: found[each.cause] for each in REFUSALS if found.get(each.cause, 0) >= _LEAST_REFUSALS},
    )
