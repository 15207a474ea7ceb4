"""B1: requests lost when a server stops, crashes or hangs."""

from dataclasses import dataclass

from benchmarks.loopback.fleet import Work
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.sides import Side, ours, supersonic
from benchmarks.result_table import Row
from benchmarks.traffic import blocks, rows, server_events
from benchmarks.traffic.fault_injector import FaultInjector
from benchmarks.traffic.server_events import ServerEvent

KEY = "B1"

_HANG_LATENCY_MS_MAX = 1500.0


@dataclass(frozen=True, kw_only=True)
class Disturbance(blocks.PairedScenario):
    """One event, in blocks of both sides."""

    event: ServerEvent

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.pairs * 2 * (self.event.duration_seconds + 5) + (self.pairs + 1) * 6

    def run(self, lab: Lab) -> list[Row]:
        """Measure it."""

        def direct(name: str) -> float:
            self._prepare(lab)
            return lab.direct_p50_ms(name, self.event.load("", lab.seed))

        comparison = blocks.compare(
            lab,
            self.event.name,
            (supersonic(), ours(self.event.dns_ttl_seconds)),
            self.pairs,
            deadline_seconds=self.event.deadline_seconds,
            direct_p50_ms=direct,
            run=lambda side, name, seed: self._block(lab, side, name, seed),
        )
        worst_ms_max = _HANG_LATENCY_MS_MAX if self.event.name == "hang" else None
        return [rows.lost(KEY, self.event, comparison), rows.latency(KEY, self.event, comparison, worst_ms_max)]

    def _prepare(self, lab: Lab) -> None:
        lab.serve({index: Work() for index in (*self.event.servers, *self.event.spare)})
        lab.dns.set_addresses(lab.fleet.addresses(self.event.servers))

    def _block(self, lab: Lab, side: Side, name: str, seed: int) -> blocks.Measured:
        self._prepare(lab)
        with lab.envoy(side, len(self.event.servers)) as envoy:
            before = envoy.process.usage()
            with lab.client(self.event.load(envoy.target, seed), name) as client:
                injector = FaultInjector(lab=lab, side=side, client=client)
                self.event.happen(injector)
                lab.progress.waiting(f"the requests of {self.event.duration_seconds:.0f} s to end")
                samples = client.samples()
            after = envoy.process.usage()
            injector.finish()
        return blocks.Measured(
            samples=samples,
            cpu_seconds=after.cpu_seconds - before.cpu_seconds,
            peak_memory_mib=after.peak_memory_mib,
        )


def scenarios(quick: bool) -> list[Disturbance]:
    """The events; quick, one pair of each and the shortest only."""
    if quick:
        return [Disturbance(event=event, pairs=1) for event in (server_events.crash(), server_events.hang())]
    return [
        Disturbance(event=server_events.rollout(), pairs=3),
        Disturbance(event=server_events.scale_in(), pairs=2),
        Disturbance(event=server_events.crash(), pairs=3),
        Disturbance(event=server_events.hang(), pairs=3),
    ]
