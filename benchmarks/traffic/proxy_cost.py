"""B2: what the proxy costs in time and CPU, beside the same request sent to Triton directly."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.loopback.fleet import Work
from benchmarks.loopback.lab import Lab
from benchmarks.result_table import Row
from benchmarks.statistics import Interval, pooled_interval, quotient, ratio, significant
from benchmarks.traffic.paired_blocks import (
    DIRECT,
    OURS,
    THEIRS,
    Block,
    Exchange,
    added_ms,
    quantile_ms,
    rejected,
    run_blocks,
)

KEY = "B2"

_LATENCY_RATIO_MAX, _CPU_RATIO_MAX = 1.10, 1.15


@dataclass(frozen=True, kw_only=True)
class Latency:
    """One request after the other, of one size; the answer has the same."""

    title: str
    """The size, as tables show it."""
    body_bytes: int
    rounds: int
    """In each block: enough for an Envoy to use many of the 10 ms in which CPU time is counted."""
    blocks: int

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return self.blocks

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.blocks * (4 + self.rounds * 3 * (0.0015 + self.body_bytes * 6e-9))

    def run(self, lab: Lab) -> list[Row]:
        """Measure it."""
        exchange = Exchange(work=Work(), body_bytes=self.body_bytes, rounds=self.rounds)
        blocks = run_blocks(lab, f"cost-{self.body_bytes}b", self.blocks, exchange)
        each = [[block] for block in blocks]
        p50 = ratio([added_ms(block, OURS, 50) for block in each], [added_ms(block, THEIRS, 50) for block in each])
        # A block holds too few requests for a p99 of its own.
        p99 = pooled_interval(blocks, lambda some: quotient(added_ms(some, OURS, 99), added_ms(some, THEIRS, 99)))
        cpu = ratio([block.cpu_seconds[OURS] for block in blocks], [block.cpu_seconds[THEIRS] for block in blocks])

        def added(percent: int) -> Callable[[str], float]:
            return lambda leg: added_ms(blocks, leg, percent)

        def direct(percent: int) -> str:
            return f"direct {significant(quantile_ms(blocks, DIRECT, percent))}"

        return [
            self._row(f"added p50, ms ({direct(50)})", added(50), p50, _LATENCY_RATIO_MAX, blocks),
            self._row(f"added p99, ms ({direct(99)})", added(99), p99, _LATENCY_RATIO_MAX, blocks),
            self._row("CPU s of Envoy per 1,000", self._cpu_per_1000(blocks), cpu, _CPU_RATIO_MAX, blocks),
        ]

    def _cpu_per_1000(self, blocks: Sequence[Block]) -> Callable[[str], float]:
        return lambda leg: statistics.median(block.cpu_seconds[leg] for block in blocks) / self.rounds * 1000

    def _row(
        self, what: str, figure: Callable[[str], float], ratio_: Interval, ratio_max: float, blocks: Sequence[Block]
    ) -> Row:
        return Row(
            benchmark=KEY,
            measure=f"{self.title}: {what}",
            theirs=significant(figure(THEIRS)),
            ours=significant(figure(OURS)),
            ratio=str(ratio_),
            aim=f"≤ {ratio_max:.2f}",
            reached=ratio_.median <= ratio_max,
            rejected=rejected(blocks),
        )


def scenarios(quick: bool) -> list[Latency]:
    """All sizes; quick, two blocks of the small ones."""
    blocks = 2 if quick else 5
    sizes = [
        Latency(title="1 B", body_bytes=1, rounds=1500, blocks=blocks),
        Latency(title="100 kB", body_bytes=100_000, rounds=600, blocks=blocks),
        Latency(title="1 MB", body_bytes=1_000_000, rounds=200, blocks=blocks),
    ]
    return sizes if quick else [*sizes, Latency(title="10 MB", body_bytes=10_000_000, rounds=25, blocks=blocks)]
