"""What happens to pods in a cluster's life, and how many requests see it."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.cluster.deployed_sides import SERVERS
from benchmarks.cluster.release import Release

LEAD_SECONDS = 5.0
"""Traffic before the event."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happens to the pods of a side, the same for both sides."""

    name: str
    """As files are named."""
    title: str
    """As the table shows it."""
    stops: int
    """How many servers stop; 1 where it is the Envoys, of which the two sides have not as many."""
    servers_after: int = SERVERS
    """How many servers stand when it is over."""
    rate_per_second: float = 100.0
    sleep_ms: float = 20.0
    """How long each request takes."""
    duration_seconds: float
    """Traffic in all: longer than the event, on both sides."""
    happen: Callable[[Release], None]
    """Makes it happen."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """An event, and how often both sides have it."""

    event: Event
    pairs: int


def rollout() -> Event:
    """All three servers are replaced, as the Deployment's own parameters say."""
    return Event(
        name="pods-rollout",
        title="rollout of 3 servers",
        stops=SERVERS,
        # Each of theirs is ready some 11 s after it was made, by the numbers of its probes, and gone 60 s after its end
        # began: its shell keeps SIGTERM from it.
        duration_seconds=120.0,
        happen=Release.restart_servers,
    )


def scale_in() -> Event:
    """Two of three servers are taken away at once."""
    return Event(
        name="pods-scale-in",
        title="scale-in from 3 to 1",
        stops=SERVERS - 1,
        servers_after=1,
        duration_seconds=80.0,
        happen=lambda release: release.scale(1),
    )


def crash() -> Event:
    """`kill -9` of one Triton of three; the kubelet restarts its container."""
    return Event(
        name="pods-crash",
        title="crash of 1 of 3 servers (kill -9)",
        stops=1,
        duration_seconds=40.0,
        happen=Release.crash_server,
    )


def envoy_roll() -> Event:
    """Every Envoy is replaced: two of ours, the one of theirs.

    Requests are long, so that there is something to lose: 12 are in progress on average, half of what three servers
    take at once.

    Theirs is done a favour: its new Envoy really counts as ready while it is still being installed by apt-get, since
    it has no readiness probe. Here it needs nothing installed.
    """
    return Event(
        name="pods-envoy-roll",
        title="rollout of the Envoys",
        stops=1,
        rate_per_second=60.0,
        sleep_ms=200.0,
        duration_seconds=50.0,
        happen=Release.restart_envoys,
    )


def plan(quick: bool) -> list[Planned]:
    """Events in the order in which they happen; quick, one pair of the shortest."""
    if quick:
        return [Planned(event=crash(), pairs=1)]
    return [
        Planned(event=rollout(), pairs=2),
        Planned(event=scale_in(), pairs=2),
        Planned(event=crash(), pairs=1),
        Planned(event=envoy_roll(), pairs=1),
    ]
