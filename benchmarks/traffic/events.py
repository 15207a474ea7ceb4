"""What happens to servers in a cluster's life, and when."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.loopback.triton import address
from benchmarks.traffic.stage import Stage

LEAD_SECONDS = 5.0
"""Traffic before the first event."""
DNS_LAG_SECONDS = 0.5
"""From a pod's deletion until DNS answers without it, at best: EndpointSlice, watch, no cache in between."""
CACHE_SECONDS = 5.0
"""The same behind CoreDNS' own cache, at its default TTL."""
STALE_SECONDS = 30.0
"""The same behind the cache of kubeadm's CoreDNS, at worst."""
HANG_SECONDS = 6.0
_STEP_SECONDS = 8.0
"""Between two stops of a rollout or a scale-in."""
_SETTLE_SECONDS = 8.0
_PRE_STOP_SECONDS_MAX = 36.0
"""The longer of the two sides' preStop hooks: all requests until the last server is gone belong to the event."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happens to the servers, the same for both sides."""

    name: str
    """As files are named."""
    title: str
    """As tables show it."""
    servers: tuple[int, ...]
    """Servers in DNS before it."""
    spare: tuple[int, ...] = ()
    """Further servers that stand ready, so that their start takes no CPU from what is measured."""
    count: int = 1
    """How many servers it hits."""
    duration_seconds: float
    """Traffic in all."""
    happen: Callable[[Stage], None]
    """Makes it happen, once requests run."""


def rollout() -> Event:
    """All three servers are replaced, one every 8 s: DNS has the new one when the old one has left it."""
    old, new = (1, 2, 3), (4, 5, 6)

    def happen(stage: Stage) -> None:
        for step, leaving in enumerate(old):
            stage.at(LEAD_SECONDS + step * _STEP_SECONDS)
            standing = [*old[step + 1 :], *new[: step + 1]]
            stage.later(DNS_LAG_SECONDS, [address(index) for index in standing])
            stage.stop_server(leaving)

    return Event(
        name="rollout",
        title="rollout of 3 servers",
        servers=old,
        spare=new,
        count=len(old),
        duration_seconds=_duration(len(old)),
        happen=happen,
    )


def scale_in(dns_lag_seconds: float) -> Event:
    """Two of three servers are taken away, 8 s apart, and DNS is late to tell."""
    servers = (1, 2, 3)

    def happen(stage: Stage) -> None:
        for step, remaining in enumerate((servers[:2], servers[:1])):
            stage.at(LEAD_SECONDS + step * _STEP_SECONDS)
            stage.later(dns_lag_seconds, [address(index) for index in remaining])
            stage.stop_server(servers[2 - step])

    return Event(
        name=f"scale-in-dns-{dns_lag_seconds:g}s",
        title=f"scale-in from 3 to 1, DNS {dns_lag_seconds:g} s late",
        servers=servers,
        count=2,
        duration_seconds=_duration(2),
        happen=happen,
    )


def crash() -> Event:
    """`kill -9` of one server of three; DNS has it for 5 s more."""

    def happen(stage: Stage) -> None:
        stage.at(LEAD_SECONDS)
        stage.later(CACHE_SECONDS, [address(index) for index in (1, 3)])
        stage.lab.fleet.crash(2)

    return Event(
        name="crash",
        title="crash of 1 of 3 servers (kill -9)",
        servers=(1, 2, 3),
        duration_seconds=LEAD_SECONDS + CACHE_SECONDS + 2 * _SETTLE_SECONDS,
        happen=happen,
    )


def hang() -> Event:
    """SIGSTOP of one server of three for 6 s; its connections stand, and DNS keeps it."""

    def happen(stage: Stage) -> None:
        stage.at(LEAD_SECONDS)
        stage.lab.fleet.hang(2)
        stage.at(LEAD_SECONDS + HANG_SECONDS)
        stage.lab.fleet.resume(2)

    return Event(
        name="hang",
        title=f"hang of 1 of 3 servers for {HANG_SECONDS:g} s (SIGSTOP)",
        servers=(1, 2, 3),
        duration_seconds=LEAD_SECONDS + HANG_SECONDS + 2 * _SETTLE_SECONDS,
        happen=happen,
    )


def _duration(stops: int) -> float:
    return LEAD_SECONDS + (stops - 1) * _STEP_SECONDS + _PRE_STOP_SECONDS_MAX + _SETTLE_SECONDS
