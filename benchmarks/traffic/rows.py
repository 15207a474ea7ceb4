"""Rows of the table for what happens to servers and Envoys: requests lost, and how long the others took."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.result_table import Row
from benchmarks.results import BlockResult
from benchmarks.statistics import significant
from benchmarks.traffic import blocks
from benchmarks.traffic.blocks import Comparison


@dataclass(frozen=True, kw_only=True)
class Stops:
    """What happened in each block, as the table tells it."""

    title: str
    count: int
    """How many stops that was, which share what is lost."""
    rate_per_second: float
    """Of the requests."""


def lost(benchmark: str, stops: Stops, comparison: Comparison) -> Row:
    """Requests lost, also as seconds of the full traffic for each stop, which no length of a block changes."""

    def told(side: Sequence[BlockResult]) -> str:
        failed = sum(block.failed for block in side)
        each = failed / stops.rate_per_second / (len(side) * stops.count)
        return blocks.lost(side) + (f", {significant(each)} s of traffic each" if failed else "")

    return Row(
        benchmark=benchmark,
        measure=f"{stops.title}: lost",
        theirs=told(comparison.theirs),
        ours=told(comparison.ours),
        aim="0",
        reached=sum(block.failed for block in comparison.ours) == 0,
        rejected=comparison.rejected,
    )


def latency(benchmark: str, stops: Stops, comparison: Comparison, worst_ms_max: float | None = None) -> Row:
    """The median block's p99, and the worst request of all; an aim where one is given."""

    def told(side: Sequence[BlockResult]) -> str:
        p99 = sorted(block.p99_ms for block in side)[len(side) // 2]
        return f"{significant(p99)} / {significant(max(block.max_ms for block in side))}"

    worst = max(block.max_ms for block in comparison.ours)
    return Row(
        benchmark=benchmark,
        measure=f"{stops.title}: p99 / worst, ms",
        theirs=told(comparison.theirs),
        ours=told(comparison.ours),
        ratio=f"p99 {comparison.ratio(lambda block: block.p99_ms)}",
        aim="-" if worst_ms_max is None else f"worst ≤ {worst_ms_max:,.0f}",
        reached=None if worst_ms_max is None else worst <= worst_ms_max,
        rejected=comparison.rejected,
    )
