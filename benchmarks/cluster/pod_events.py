"""Faults and rollouts of pods."""

from dataclasses import dataclass

from benchmarks.cluster.deployed_sides import SERVERS
from benchmarks.cluster.release import Release
from benchmarks.event import Event

LEAD_SECONDS = 5.0
"""Traffic before the event."""


@dataclass(frozen=True, kw_only=True)
class PodEvent(Event[Release]):
    """An event of the pods of one side."""

    rate_per_second: float = 100.0
    deadline_seconds: float = 10.0
    servers_after: int = SERVERS
    """Servers that are ready when it is over."""


def rollout() -> PodEvent:
    """Replace all three servers with the rollout parameters of the Deployment."""
    return PodEvent(
        name="pods-rollout",
        title="rollout of 3 servers",
        stops=SERVERS,
        # Each of theirs is ready some 11 s after it was made, by the numbers of its probes, and gone 60 s after its end
        # began: its shell keeps SIGTERM from it.
        duration_seconds=120.0,
        happen=Release.restart_servers,
    )


def scale_in() -> PodEvent:
    """Scale from three servers to one."""
    return PodEvent(
        name="pods-scale-in",
        title="scale-in from 3 to 1",
        stops=SERVERS - 1,
        servers_after=1,
        duration_seconds=80.0,
        happen=lambda release: release.scale(1),
    )


def crash() -> PodEvent:
    """`kill -9` of one Triton of three; the kubelet restarts its container."""
    return PodEvent(
        name="pods-crash",
        title="crash of 1 of 3 servers (kill -9)",
        duration_seconds=40.0,
        happen=Release.crash_server,
    )


def envoy_roll() -> PodEvent:
    """Every Envoy is replaced: two of ours, the one of theirs.

    Requests are long, so that on average 12 are in progress, half of the capacity of three servers.

    Theirs is done a favour: its new Envoy really counts as ready while it is still being installed by apt-get, since
    it has no readiness probe. Here it needs nothing installed.
    """
    return PodEvent(
        name="pods-envoy-roll",
        title="rollout of the Envoys",
        rate_per_second=60.0,
        sleep_ms=200.0,
        duration_seconds=50.0,
        happen=Release.restart_envoys,
    )
