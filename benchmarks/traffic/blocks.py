"""Blocks of two sides in turn, and their comparison."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from benchmarks.bench import Bench
from benchmarks.compared_side import ComparedSide
from benchmarks.loopback.samples import Sample
from benchmarks.results import BlockResult, block_result
from benchmarks.statistics import Interval, block_orders, drift, ratio, rule_of_three

OneSide = TypeVar("OneSide", bound=ComparedSide)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Requests of one side in one block."""

    samples: Sequence[Sample]
    cpu_seconds: float = math.nan
    """Of the side's Envoys, while the requests ran; NaN: not measured."""
    peak_memory_mib: float = math.nan
    """Of the largest of them; NaN: not measured."""


@dataclass(kw_only=True)
class Comparison:
    """All blocks of two sides, in pairs."""

    theirs: list[BlockResult] = field(default_factory=list)
    ours: list[BlockResult] = field(default_factory=list)
    direct_p50_ms: list[float] = field(default_factory=list)
    """Of the request past all proxies, before each pair and after the last."""

    def ratio(self, figure: Callable[[BlockResult], float]) -> Interval:
        """Ours to theirs, of one figure of each block."""
        return ratio([figure(block) for block in self.ours], [figure(block) for block in self.theirs])

    @property
    def rejected(self) -> str:
        """Reason to reject the figures; empty if there is none."""
        return drift(self.direct_p50_ms[0], self.direct_p50_ms[-1])


def compare(
    bench: Bench,
    scenario: str,
    sides: tuple[OneSide, OneSide],
    blocks: int,
    *,
    deadline_seconds: float,
    direct_p50_ms: Callable[[str], float],
    run: Callable[[OneSide, str, int], Measured],
) -> Comparison:
    """Run blocks of both sides, A B B A …, with a direct leg before each pair and after the last.

    Args:
        bench: the equipment; each block is one step of its progress.
        scenario: name of the experiment, for files and progress.
        sides: theirs and ours.
        blocks: pairs to run.
        deadline_seconds: of each request.
        direct_p50_ms: measures the direct leg; is given a name for its files.
        run: runs one block of one side; is given a name for its files, and the seed of the pair.
    """
    comparison = Comparison()
    for block, order in enumerate(block_orders(blocks, bench.seed)):
        with bench.progress.step(f"{scenario}: direct, before pair {block + 1} of {blocks}"):
            comparison.direct_p50_ms.append(direct_p50_ms(f"{scenario}-{block}"))
        for side in (sides[index] for index in order):
            with bench.progress.step(f"{scenario}: {side.name}, block {block + 1} of {blocks}"):
                measured = run(side, f"{scenario}-{block}-{side.slug}", bench.seed + block)
            result = block_result(
                measured.samples,
                scenario=scenario,
                block=block,
                side=side.slug,
                cpu_seconds=measured.cpu_seconds,
                peak_memory_mib=measured.peak_memory_mib,
                direct_p50_ms=comparison.direct_p50_ms[-1],
                deadline_seconds=deadline_seconds,
            )
            bench.results.add(result)
            (comparison.theirs if side is sides[0] else comparison.ours).append(result)
    with bench.progress.step(f"{scenario}: direct, after the last pair"):
        comparison.direct_p50_ms.append(direct_p50_ms(f"{scenario}-{blocks}"))
    return comparison


def steps(pairs: int) -> int:
    """Return the steps of progress that `compare` takes."""
    return 3 * pairs + 1


@dataclass(frozen=True, kw_only=True)
class PairedScenario:
    """A scenario that is one comparison."""

    pairs: int
    """Blocks of each side."""

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return steps(self.pairs)


def lost(blocks: Sequence[BlockResult]) -> str:
    """Return lost and sent requests; if none is lost, with an upper bound on the rate."""
    sent, failed = sum(block.sent for block in blocks), sum(block.failed for block in blocks)
    if failed:
        return f"{failed:,} of {sent:,}"
    return f"0 of {sent:,} (< {rule_of_three(sent) * 10_000:.2g} in 10,000)"
