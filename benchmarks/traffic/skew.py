"""B3: servers of unequal speed, compared with one central queue."""

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from benchmarks.loopback.fleet import PACED, Work
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.load import Load
from benchmarks.loopback.samples import Sample
from benchmarks.loopback.sides import Side, ours, supersonic
from benchmarks.result_table import Row
from benchmarks.statistics import interval, percentile, significant
from benchmarks.traffic import blocks
from benchmarks.traffic.skew_limits import Limits, limits_of
from benchmarks.traffic.speed import measure_speed

KEY = "B3"

_CONNECTIONS = 8
_ROUND_ROBIN_SECONDS = 10.0
"""Short, because the slow server needs three times as long to finish its queue."""
_DEADLINE_SECONDS = 120.0
"""Long enough that no request is lost, so that every wait is measured."""


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Servers of known speed."""

    name: str
    title: str
    paces_ms: tuple[float, ...]
    """Time of each server for one request."""

    def rate_per_second(self, load: float) -> float:
        """Return the requests per second at this fraction of all servers' capacity."""
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
    """Highest ratio of our p99 to the central queue's."""
    aim_to_theirs: float | None = None
    """Lowest ratio of their p99 to ours."""
    envoys: int = 1
    """Envoys of each side; requests go to them in turn, and each counts only its own."""
    pairs: int
    duration_seconds: float = 15

    @property
    def name(self) -> str:
        """As files are named."""
        return f"skew-{self.mix.name}-{self.load * 100:.0f}-{self.envoys}"

    @property
    def title(self) -> str:
        """As tables show it."""
        return f"{self.mix.title}, load {self.load:.0%}" + (f", {self.envoys} Envoys" if self.envoys > 1 else "")

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return blocks.steps(self.pairs) + (2 if self.aim_to_theirs else 1)

    @property
    def seconds(self) -> float:
        """About how long it takes, with the time in which their slow server finishes its queue."""
        turns = 4 * _ROUND_ROBIN_SECONDS if self.aim_to_theirs else 0
        return self.pairs * 2 * (self.duration_seconds + 6) + (self.pairs + 1) * 5 + 15 + turns

    def run(self, lab: Lab) -> list[Row]:
        """Measure it."""
        lab.serve({index: Work(model=PACED, pace_ms=pace) for index, pace in enumerate(self.mix.paces_ms, start=1)})
        with lab.progress.step(f"{self.name}: speed of each server"):
            servers = [measure_speed(lab, f"{self.name}-probe-{index}", index) for index in (1, 2, 3)]
        limits: list[Limits] = []

        def block(side: Side, name: str, seed: int) -> blocks.Measured:
            measured = self._block(lab, side, name, seed)
            if side.slug == "ours":
                limits.append(limits_of(measured.samples, servers, self.envoys))
            return measured

        comparison = blocks.compare(
            lab,
            self.name,
            (supersonic(), ours()),
            self.pairs,
            deadline_seconds=_DEADLINE_SECONDS,
            direct_p50_ms=lambda name: lab.direct_p50_ms(name, self._load((), lab.seed)),
            run=block,
        )
        return [
            self._p99_row(comparison, self._round_robin(lab) if self.aim_to_theirs else ""),
            self._bound_row(comparison, limits),
            self._own_limit_row(comparison, limits),
        ]

    def _round_robin(self, lab: Lab) -> str:
        with lab.progress.step(f"{self.name}: SuperSONIC ROUND_ROBIN, once"):
            short = replace(self, duration_seconds=_ROUND_ROBIN_SECONDS)
            samples = short._block(lab, supersonic("ROUND_ROBIN"), f"{self.name}-round-robin", lab.seed).samples
        return f" (ROUND_ROBIN {significant(_p99_ms(samples))} within {_ROUND_ROBIN_SECONDS:g} s)"

    def _load(self, targets: tuple[str, ...], seed: int) -> Load:
        return Load(
            targets=targets,
            rate_per_second=self.mix.rate_per_second(self.load),
            duration_seconds=self.duration_seconds,
            seed=seed,
            model=PACED,
            deadline_seconds=_DEADLINE_SECONDS,
            connections=_CONNECTIONS,
        )

    def _block(self, lab: Lab, side: Side, name: str, seed: int) -> blocks.Measured:
        with ExitStack() as stack:
            envoys = [stack.enter_context(lab.envoy(side, len(self.mix.paces_ms))) for _ in range(self.envoys)]
            before = [envoy.process.usage() for envoy in envoys]
            samples = lab.send(self._load(tuple(envoy.target for envoy in envoys), seed), name)
            after = [envoy.process.usage() for envoy in envoys]
        return blocks.Measured(
            samples=samples,
            cpu_seconds=sum(b.cpu_seconds - a.cpu_seconds for a, b in zip(before, after, strict=True)),
            peak_memory_mib=max(usage.peak_memory_mib for usage in after),
        )

    def _p99_row(self, comparison: blocks.Comparison, round_robin: str) -> Row:
        theirs = statistics.median(block.p99_ms for block in comparison.theirs)
        better = interval([a.p99_ms / b.p99_ms for a, b in zip(comparison.theirs, comparison.ours, strict=True)])
        aim = self.aim_to_theirs
        return Row(
            benchmark=KEY,
            measure=f"{self.title}: p99, ms",
            theirs=significant(theirs) + round_robin,
            ours=significant(statistics.median(block.p99_ms for block in comparison.ours)),
            ratio=f"{better} times better",
            aim=f"≥ {aim:g} times better" if aim else "-",
            reached=better.median >= aim if aim else None,
            rejected=comparison.rejected,
        )

    def _bound_row(self, comparison: blocks.Comparison, limits: Sequence[Limits]) -> Row:
        bounds = [limit.central_ms for limit in limits]
        theirs = [block.p99_ms / bound for block, bound in zip(comparison.theirs, bounds, strict=True)]
        own = interval([block.p99_ms / bound for block, bound in zip(comparison.ours, bounds, strict=True)])
        return Row(
            benchmark=KEY,
            measure=f"{self.title}: p99 / central queue's ({significant(statistics.median(bounds))} ms)",
            theirs=significant(statistics.median(theirs)),
            ours=str(own),
            aim=f"≤ {self.aim_to_bound}",
            reached=own.median <= self.aim_to_bound,
            rejected=comparison.rejected,
        )

    def _own_limit_row(self, comparison: blocks.Comparison, limits: Sequence[Limits]) -> Row:
        own = [limit.shortest_ms for limit in limits]
        return Row(
            benchmark=KEY,
            measure=f"{self.title}: p99 / ideal shortest queue's ({significant(statistics.median(own))} ms)",
            ours=str(interval([block.p99_ms / limit for block, limit in zip(comparison.ours, own, strict=True)])),
            rejected=comparison.rejected,
        )


def scenarios(quick: bool) -> list[Skew]:
    """The slow server at both loads and behind two Envoys, the mix; quick, the slow server at the lower load."""
    if quick:
        return [Skew(mix=SLOW, load=0.57, aim_to_bound=1.25, aim_to_theirs=20, pairs=1)]
    return [
        Skew(mix=SLOW, load=0.57, aim_to_bound=1.25, aim_to_theirs=20, pairs=5, duration_seconds=25),
        Skew(mix=SLOW, load=0.57, aim_to_bound=1.5, envoys=2, pairs=2),
        Skew(mix=SLOW, load=0.80, aim_to_bound=1.5, pairs=2),
        Skew(mix=MIXED, load=0.57, aim_to_bound=1.25, pairs=2),
    ]


def _p99_ms(samples: Sequence[Sample]) -> float:
    return percentile([sample.latency_seconds for sample in samples], 99) * 1000
