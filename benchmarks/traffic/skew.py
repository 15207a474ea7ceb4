"""B3: servers of unequal speed, against the limit that no balancer can beat: one central queue."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import central_queue
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.load import Load
from benchmarks.loopback.samples import Sample
from benchmarks.loopback.sides import Side, ours, supersonic
from benchmarks.loopback.triton import PACED, Work
from benchmarks.statistics import interval, percentile, significant
from benchmarks.table import Row
from benchmarks.traffic import blocks
from benchmarks.traffic.speed import Server, measure_speed

KEY = "B3"

_CONNECTIONS = 8
_DEADLINE_SECONDS = 120.0
"""Nothing is lost here; whoever waits long shows it."""


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Servers of known speed."""

    name: str
    title: str
    paces_ms: tuple[float, ...]
    """How long each server works for one request."""

    def rate_per_second(self, load: float) -> float:
        """Requests per second that are so much of all servers' capacity."""
        return load * sum(1000 / pace_ms for pace_ms in self.paces_ms)


SLOW = Mix(name="slow", title="1 of 3 servers 10 times slower", paces_ms=(10, 10, 100))
MIXED = Mix(name="mixed", title="3 servers of speeds 1, 1/2, 1/4", paces_ms=(10, 20, 40))


@dataclass(frozen=True, kw_only=True)
class Skew:
    """One mix of servers at one load."""

    mix: Mix
    load: float
    """Of the capacity of all servers."""
    aim_to_bound: float
    """What ours may be to the central queue, at p99."""
    aim_to_theirs: float | None = None
    """How many times better than theirs ours must be, at p99."""
    pairs: int
    duration_seconds: float

    @property
    def name(self) -> str:
        """As files are named."""
        return f"skew-{self.mix.name}-{self.load * 100:.0f}"

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return blocks.steps(self.pairs) + 2

    @property
    def seconds(self) -> float:
        """About how long it takes: their slow server works off what it was given too much."""
        return (self.pairs * 2.5 + 4) * (self.duration_seconds + 8) + 30

    def run(self, lab: Lab) -> list[Row]:
        """Measure it."""
        lab.serve({index: Work(model=PACED, pace_ms=pace) for index, pace in enumerate(self.mix.paces_ms, start=1)})
        with lab.progress.step(f"{self.name}: speed of each server"):
            servers = [measure_speed(lab, f"{self.name}-probe-{index}", index) for index in (1, 2, 3)]
        bounds: list[float] = []
        ours_ms: list[float] = []

        def block(side: Side, name: str, seed: int) -> blocks.Measured:
            measured = self._block(lab, side, name, seed)
            if side.slug == "ours":
                ours_ms.append(_p99_ms(measured.samples))
                bounds.append(_bound_p99_ms(measured.samples, servers))
            return measured

        comparison = blocks.compare(
            lab,
            self.name,
            (supersonic(), ours()),
            self.pairs,
            deadline_seconds=_DEADLINE_SECONDS,
            direct_p50_ms=lambda name: lab.direct_p50_ms(name, self._load("", lab.seed)),
            run=block,
        )
        with lab.progress.step(f"{self.name}: SuperSONIC ROUND_ROBIN, once"):
            turn = self._block(lab, supersonic("ROUND_ROBIN"), f"{self.name}-round-robin", lab.seed)
        return [
            self._p99_row(comparison, _p99_ms(turn.samples)),
            self._bound_row(comparison, bounds, ours_ms),
        ]

    def _load(self, target: str, seed: int) -> Load:
        return Load(
            targets=(target,),
            rate_per_second=self.mix.rate_per_second(self.load),
            duration_seconds=self.duration_seconds,
            seed=seed,
            model=PACED,
            deadline_seconds=_DEADLINE_SECONDS,
            connections=_CONNECTIONS,
        )

    def _block(self, lab: Lab, side: Side, name: str, seed: int) -> blocks.Measured:
        with lab.envoy(side, len(self.mix.paces_ms)) as envoy:
            before = envoy.process.usage()
            samples = lab.send(self._load(envoy.target, seed), name)
            after = envoy.process.usage()
        return blocks.Measured(
            samples=samples,
            cpu_seconds=after.cpu_seconds - before.cpu_seconds,
            peak_memory_mib=after.peak_memory_mib,
        )

    def _p99_row(self, comparison: blocks.Comparison, round_robin_ms: float) -> Row:
        theirs = statistics.median(block.p99_ms for block in comparison.theirs)
        better = interval([a.p99_ms / b.p99_ms for a, b in zip(comparison.theirs, comparison.ours, strict=True)])
        aim = self.aim_to_theirs
        return Row(
            benchmark=KEY,
            measure=f"{self.mix.title}, load {self.load:.0%}: p99, ms",
            theirs=f"{significant(theirs)} (ROUND_ROBIN {significant(round_robin_ms)})",
            ours=significant(statistics.median(block.p99_ms for block in comparison.ours)),
            ratio=f"{better} times better",
            aim=f"≥ {aim:g} times better" if aim else "-",
            reached=better.median >= aim if aim else None,
            rejected=comparison.rejected,
        )

    def _bound_row(self, comparison: blocks.Comparison, bounds: list[float], ours_ms: list[float]) -> Row:
        theirs = [block.p99_ms / bound for block, bound in zip(comparison.theirs, bounds, strict=True)]
        own = interval([measured / bound for measured, bound in zip(ours_ms, bounds, strict=True)])
        return Row(
            benchmark=KEY,
            measure=f"{self.mix.title}, load {self.load:.0%}: p99 / central queue's "
            f"({significant(statistics.median(bounds))} ms)",
            theirs=significant(statistics.median(theirs)),
            ours=str(own),
            aim=f"≤ {self.aim_to_bound}",
            reached=own.median <= self.aim_to_bound,
            rejected=comparison.rejected,
        )


def scenarios(quick: bool) -> list[Skew]:
    """Both mixes at both loads; quick, the slow server at the lower load."""
    if quick:
        return [Skew(mix=SLOW, load=0.57, aim_to_bound=1.25, aim_to_theirs=20, pairs=1, duration_seconds=15)]
    return [
        Skew(mix=SLOW, load=0.57, aim_to_bound=1.25, aim_to_theirs=20, pairs=5, duration_seconds=30),
        Skew(mix=SLOW, load=0.80, aim_to_bound=1.5, pairs=3, duration_seconds=30),
        Skew(mix=MIXED, load=0.57, aim_to_bound=1.25, pairs=3, duration_seconds=30),
        Skew(mix=MIXED, load=0.80, aim_to_bound=1.5, pairs=3, duration_seconds=30),
    ]


def _bound_p99_ms(samples: Sequence[Sample], servers: list[Server]) -> float:
    """p99 of the central queue for the same arrivals, with the transport that every request needs anyway."""
    waits = central_queue.latencies(
        [sample.intended_seconds for sample in samples], [server.busy_seconds for server in servers]
    )
    transport = min(server.latency_seconds - server.busy_seconds for server in servers)
    return (percentile(waits, 99) + transport) * 1000


def _p99_ms(samples: Sequence[Sample]) -> float:
    return percentile([sample.latency_seconds for sample in samples], 99) * 1000
