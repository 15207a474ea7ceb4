"""Blocks of two sides in turn, and what may be concluded from them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.loopback.lab import Lab
from benchmarks.loopback.samples import Sample
from benchmarks.loopback.sides import Side
from benchmarks.results import BlockResult, block_result
from benchmarks.statistics import Interval, block_orders, drifted, ratio, rule_of_three


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one side's requests were in one block."""

    samples: Sequence[Sample]
    cpu_seconds: float
    """Of the side's Envoys, while the requests ran."""
    peak_memory_mib: float
    """Of the largest of them."""


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
        """Why the figures must not be used; empty if they may."""
        before, after = self.direct_p50_ms[0], self.direct_p50_ms[-1]
        if not drifted(before, after):
            return ""
        return f"the direct p50 moved from {before:.2f} to {after:.2f} ms between the first and the last block"


def compare(
    lab: Lab,
    scenario: str,
    sides: tuple[Side, Side],
    blocks: int,
    *,
    deadline_seconds: float,
    direct_p50_ms: Callable[[str], float],
    run: Callable[[Side, str, int], Measured],
) -> Comparison:
    """Run blocks of both sides, A B B A …, with a direct leg before each pair and after the last.

    Args:
        lab: the equipment; each block is one step of its progress.
        scenario: name of the experiment, for files and progress.
        sides: theirs and ours.
        blocks: pairs to run.
        deadline_seconds: of each request.
        direct_p50_ms: measures the direct leg; is given a name for its files.
        run: runs one block of one side; is given a name for its files, and the seed of the pair.
    """
    comparison = Comparison()
    for block, order in enumerate(block_orders(blocks, lab.seed)):
        with lab.progress.step(f"{scenario}: direct, before pair {block + 1} of {blocks}"):
            comparison.direct_p50_ms.append(direct_p50_ms(f"{scenario}-{block}"))
        for side in (sides[index] for index in order):
            with lab.progress.step(f"{scenario}: {side.name}, block {block + 1} of {blocks}"):
                measured = run(side, f"{scenario}-{block}-{side.slug}", lab.seed + block)
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
            lab.results.add(result)
            (comparison.theirs if side is sides[0] else comparison.ours).append(result)
    with lab.progress.step(f"{scenario}: direct, after the last pair"):
        comparison.direct_p50_ms.append(direct_p50_ms(f"{scenario}-{blocks}"))
    return comparison


def steps(blocks: int) -> int:
    """How many steps of progress `compare` takes."""
    return 3 * blocks + 1


def lost(blocks: Sequence[BlockResult]) -> str:
    """Requests lost of those sent; for none, how many there may be at most."""
    sent, failed = sum(block.sent for block in blocks), sum(block.failed for block in blocks)
    if failed:
        return f"{failed:,} of {sent:,}"
    return f"0 of {sent:,} (< {rule_of_three(sent) * 10_000:.2g} in 10,000)"
