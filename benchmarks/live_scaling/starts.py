"""The start of servers, measured before a run: an input of the simulator."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from statistics import median

from benchmarks.autoscaling.pool import ServerTimes
from benchmarks.autoscaling.server import ServerKind
from benchmarks.cluster.release import Release
from benchmarks.errors import BenchmarkError
from benchmarks.live_scaling.observer import Observer, is_loaded, runs
from benchmarks.live_scaling.watch import Object

_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 180.0


@dataclass(frozen=True, kw_only=True)
class Starts:
    """Times of servers that were started together, each the median but the last."""

    start_seconds: float
    """From the pod to its container."""
    load_seconds: float
    """From the container until the models are loaded."""
    served_seconds: float
    """From the pods until every Envoy sends requests to all of them."""

    def routed(self, times: ServerTimes, kind: ServerKind) -> ServerTimes:
        """Return times whose start is the measured one: what it leaves for endpoints, DNS and health checks."""
        ready_seconds = times.start_seconds(kind) - times.route_seconds
        return replace(times, route_seconds=max(0.0, self.served_seconds - ready_seconds))


@dataclass(kw_only=True)
class _Start:
    created: float
    running: float | None = None
    loaded: float | None = None


@dataclass(kw_only=True)
class _Seen:
    """The pods that are new, by UID."""

    old: frozenset[str]
    starts: dict[str, _Start] = field(default_factory=dict)

    def look(self, pods: list[Object]) -> None:
        """Note what has come about."""
        now = time.monotonic()
        for pod in pods:
            uid = pod["metadata"]["uid"]
            if uid in self.old:
                continue
            start = self.starts.setdefault(uid, _Start(created=now))
            if start.running is None and runs(pod):
                start.running = now
            if start.running is not None and start.loaded is None and is_loaded(pod):
                start.loaded = now


def measure(observer: Observer, release: Release, servers: int, waiting: Callable[[str], None]) -> Starts:
    """Scale to so many servers, more than there are, and return the times of the new ones.

    Raises:
        BenchmarkError: they do not serve within three minutes.
    """
    seen = _Seen(old=frozenset(pod["metadata"]["uid"] for pod in observer.pods()))
    release.scale(servers)
    began = time.monotonic()
    while not (_all_loaded(seen, servers) and observer.serving() >= servers):
        if time.monotonic() - began > _PATIENCE_SECONDS:
            msg = (
                f"{servers} servers do not serve after {_PATIENCE_SECONDS:.0f} s: is the machine busy with other work?"
            )
            raise BenchmarkError(msg)
        waiting(f"{servers} servers to serve")
        seen.look(observer.pods())
        time.sleep(_LOOK_SECONDS)
    starts = list(seen.starts.values())
    return Starts(
        start_seconds=median(each.running - each.created for each in starts if each.running is not None),
        load_seconds=median(
            each.loaded - each.running for each in starts if each.loaded is not None and each.running is not None
        ),
        served_seconds=time.monotonic() - min(each.created for each in starts),
    )


def _all_loaded(seen: _Seen, servers: int) -> bool:
    loaded = sum(start.loaded is not None for start in seen.starts.values())
    return loaded == len(seen.starts) and loaded + len(seen.old) >= servers
