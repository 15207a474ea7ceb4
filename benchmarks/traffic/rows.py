"""Rows of the table for an event: requests lost, and latency of the others."""

from collections.abc import Sequence
from typing import Any

from benchmarks.event import Event
from benchmarks.result_table import Row
from benchmarks.results import BlockResult
from benchmarks.statistics import significant
from benchmarks.traffic import blocks
from benchmarks.traffic.blocks import Comparison


def lost(benchmark: str, event: Event[Any], comparison: Comparison) -> Row:
    """Return the row of lost requests; seconds of full traffic for each stop do not depend on the length of a block."""

    def told(side: Sequence[BlockResult]) -> str:
        failed = sum(block.failed for block in side)
        each = failed / event.rate_per_second / (len(side) * event.stops)
        return blocks.lost(side) + (f", {significant(each)} s of traffic each" if failed else "")

    return Row(
        benchmark=benchmark,
        measure=f"{event.title}: lost",
        theirs=told(comparison.theirs),
        ours=told(comparison.ours),
        aim="0",
        reached=sum(block.failed for block in comparison.ours) == 0,
        rejected=comparison.rejected,
    )


def latency(benchmark: str, event: Event[Any], comparison: Comparison, worst_ms_max: float | None = None) -> Row:
    """Return the row of the median block's p99 and of the worst request, with an aim where one is given."""

    def told(side: Sequence[BlockResult]) -> str:
        p99 = sorted(block.p99_ms for block in side)[len(side) // 2]
        return f"{significant(p99)} / {significant(max(block.max_ms for block in side))}"

    worst = max(block.max_ms for block in comparison.ours)
    return Row(
        benchmark=benchmark,
        measure=f"{event.title}: p99 / worst, ms",
        theirs=told(comparison.theirs),
        ours=told(comparison.ours),
        ratio=f"p99 {comparison.ratio(lambda block: block.p99_ms)}",
        aim="-" if worst_ms_max is None else f"worst ≤ {worst_ms_max:,.0f}",
        reached=None if worst_ms_max is None else worst <= worst_ms_max,
        rejected=comparison.rejected,
    )
