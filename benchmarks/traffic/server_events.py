"""Faults and planned stops of servers on loopback."""

from dataclasses import dataclass

from benchmarks.event import Event
from benchmarks.loopback.fleet import address
from benchmarks.loopback.sides import DNS_TTL_SECONDS, own_timing
from benchmarks.traffic.fault_injector import FaultInjector

LEAD_SECONDS = 3.0
"""Traffic before the first event."""
ENDPOINTS_SECONDS = 0.5
"""Shortest time from a pod's deletion to the change in DNS: EndpointSlice and watch."""
HANG_SECONDS = 6.0
_KUBEADM_DNS_TTL_SECONDS = 30
"""TTL in kubeadm's Corefile."""
_STEP_SECONDS = 6.0
"""Between two stops of a rollout or a scale-in: longer than the DNS refresh of each proxy."""
_SETTLE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class ServerEvent(Event[FaultInjector]):
    """An event of one or more servers."""

    rate_per_second: float = 300.0
    deadline_seconds: float = 5.0
    servers: tuple[int, ...]
    """Servers in DNS before it."""
    spare: tuple[int, ...] = ()
    """Further servers that are ready before the block, so that their start takes no CPU from the measurement."""
    dns_ttl_seconds: int = DNS_TTL_SECONDS
    """TTL that the site declares; a server of ours drains for at least that long."""


def rollout() -> ServerEvent:
    """All three servers are replaced, one after the other; DNS has the new one as soon as the old one has left it.

    Nothing caches DNS, which is the best that can happen to a proxy. Triton gets SIGTERM as a pod's first process does;
    behind the shell of SuperSONIC's default command it does not, which the rows with pods show.
    """
    old, new = (1, 2, 3), (4, 5, 6)

    def happen(injector: FaultInjector) -> None:
        for step, leaving in enumerate(old):
            injector.at(LEAD_SECONDS + step * _STEP_SECONDS)
            standing = [*old[step + 1 :], *new[: step + 1]]
            injector.later(ENDPOINTS_SECONDS, [address(index) for index in standing])
            injector.stop_server(leaving)

    return ServerEvent(
        name="rollout",
        title="rollout of 3 servers, SIGTERM to Triton",
        servers=old,
        spare=new,
        stops=len(old),
        duration_seconds=_duration(len(old), DNS_TTL_SECONDS),
        happen=happen,
    )


def scale_in() -> ServerEvent:
    """Stop two of three servers, behind a DNS cache with kubeadm's TTL, filled just before each stop."""
    servers, dns_ttl_seconds = (1, 2, 3), _KUBEADM_DNS_TTL_SECONDS

    def happen(injector: FaultInjector) -> None:
        for step, remaining in enumerate((servers[:2], servers[:1])):
            injector.at(LEAD_SECONDS + step * _STEP_SECONDS)
            injector.later(ENDPOINTS_SECONDS + dns_ttl_seconds, [address(index) for index in remaining])
            injector.stop_server(servers[2 - step])

    return ServerEvent(
        name="scale-in",
        title=f"scale-in from 3 to 1, SIGTERM to Triton, DNS cached for {dns_ttl_seconds} s",
        servers=servers,
        stops=2,
        dns_ttl_seconds=dns_ttl_seconds,
        duration_seconds=_duration(2, dns_ttl_seconds),
        happen=happen,
    )


def crash() -> ServerEvent:
    """`kill -9` of one server of three; DNS has it until the cache ends."""

    def happen(injector: FaultInjector) -> None:
        injector.at(LEAD_SECONDS)
        injector.later(ENDPOINTS_SECONDS + DNS_TTL_SECONDS, [address(index) for index in (1, 3)])
        injector.lab.fleet.crash(2)

    return ServerEvent(
        name="crash",
        title="crash of 1 of 3 servers (kill -9)",
        servers=(1, 2, 3),
        duration_seconds=LEAD_SECONDS + DNS_TTL_SECONDS + 2 * _SETTLE_SECONDS,
        happen=happen,
    )


def hang() -> ServerEvent:
    """SIGSTOP of one server of three for 6 s; its connections stay open, and DNS keeps it."""

    def happen(injector: FaultInjector) -> None:
        injector.at(LEAD_SECONDS)
        injector.lab.fleet.hang(2)
        injector.at(LEAD_SECONDS + HANG_SECONDS)
        injector.lab.fleet.resume(2)

    return ServerEvent(
        name="hang",
        title=f"hang of 1 of 3 servers for {HANG_SECONDS:g} s (SIGSTOP)",
        servers=(1, 2, 3),
        duration_seconds=LEAD_SECONDS + HANG_SECONDS + 2 * _SETTLE_SECONDS,
        happen=happen,
    )


def _duration(stops: int, dns_ttl_seconds: int) -> float:
    """Return the time until our last server has drained, which takes longer than theirs."""
    pre_stop = own_timing(dns_ttl_seconds).pre_stop_seconds
    return LEAD_SECONDS + (stops - 1) * _STEP_SECONDS + pre_stop + _SETTLE_SECONDS
