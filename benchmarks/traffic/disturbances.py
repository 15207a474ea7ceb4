"""B1: requests lost when a server stops, crashes or hangs."""

from dataclasses import dataclass

from benchmarks.loopback.fleet import Work
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.load import Load
from benchmarks.loopback.sides import Side, ours, supersonic
from benchmarks.result_table import Row
from benchmarks.traffic import blocks, rows, server_events
from benchmarks.traffic.fault_injector import FaultInjector
from benchmarks.traffic.server_events import Event

KEY = "B1"

_RATE_PER_SECOND = 300.0
_SLEEP_MS = 20.0
_DEADLINE_SECONDS = 5.0
_HANG_LATENCY_MS_MAX = 1500.0


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """One event, in blocks of both sides."""

    event: Event
    pairs: int

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return blocks.steps(self.pairs)

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.pairs * 2 * (self.event.duration_seconds + 5) + (self.pairs + 1) * 6

    def run(self, lab: Lab) -> list[Row]:
        """Measure it."""

        def direct(name: str) -> float:
            self._prepare(lab)
            return lab.direct_p50_ms(name, _load("", self.event, lab.seed))

        comparison = blocks.compare(
            lab,
            self.event.name,
            (supersonic(), ours(self.event.dns_ttl_seconds)),
            self.pairs,
            deadline_seconds=_DEADLINE_SECONDS,
            direct_p50_ms=direct,
            run=lambda side, name, seed: self._block(lab, side, name, seed),
        )
        stops = rows.Stops(title=self.event.title, count=self.event.count, rate_per_second=_RATE_PER_SECOND)
        worst_ms_max = _HANG_LATENCY_MS_MAX if self.event.name == "hang" else None
        return [rows.lost(KEY, stops, comparison), rows.latency(KEY, stops, comparison, worst_ms_max)]

    def _prepare(self, lab: Lab) -> None:
        lab.serve({index: Work() for index in (*self.event.servers, *self.event.spare)})
        lab.dns.set_addresses(lab.fleet.addresses(self.event.servers))

    def _block(self, lab: Lab, side: Side, name: str, seed: int) -> blocks.Measured:
        self._prepare(lab)
        with lab.envoy(side, len(self.event.servers)) as envoy:
            before = envoy.process.usage()
            with lab.client(_load(envoy.target, self.event, seed), name) as client:
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


def _load(target: str, event: Event, seed: int) -> Load:
    return Load(
        targets=(target,),
        rate_per_second=_RATE_PER_SECOND,
        duration_seconds=event.duration_seconds,
        seed=seed,
        sleep_ms=_SLEEP_MS,
        deadline_seconds=_DEADLINE_SECONDS,
    )
