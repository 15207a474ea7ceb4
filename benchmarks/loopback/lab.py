"""The benches on loopback: DNS and Envoys of either side, with Triton servers or with stand-ins."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.loopback.fleet import Fleet, Work
from benchmarks.loopback.load import Load
from benchmarks.loopback.side_envoy import Envoy
from benchmarks.loopback.sides import Side
from testbed.dns_stub import DnsStub


@dataclass(frozen=True, kw_only=True)
class ProxyLab(Bench):
    """Envoys, and the DNS that they ask."""

    dns: DnsStub
    envoy_binary: Path

    @contextmanager
    def envoy(self, side: Side, members: int) -> Iterator[Envoy]:
        """Start an Envoy of a side, and wait until it knows so many healthy servers."""
        with Envoy(
            binary=self.envoy_binary,
            side=side,
            dns_port=self.dns.port,
            directory=self.scratch,
            core=self.cores.servers,
        ) as envoy:
            envoy.await_members(members)
            yield envoy


@dataclass(frozen=True, kw_only=True)
class Lab(ProxyLab):
    """One run's equipment, with Triton servers."""

    fleet: Fleet

    def serve(self, works: dict[int, Work]) -> None:
        """Wait until exactly these servers are ready, and set their addresses in DNS."""
        self.progress.waiting(f"{len(works)} Triton servers to be ready")
        self.fleet.ensure(works)
        self.dns.set_addresses(self.fleet.addresses(works))

    def direct_p50_ms(self, name: str, load: Load, index: int = 1) -> float:
        """Return the median latency of a load's request at one server, without a proxy."""
        return self.alone_p50_ms(name, load, self.fleet[index].target)
