"""Blocks in which one request goes several ways in turn."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from benchmarks.bench import Bench
from benchmarks.loopback.paired import PairedPlan
from benchmarks.results import BlockResult
from benchmarks.statistics import Interval, percentile, pooled_interval, quotient, ratio

Block = Mapping[str, Sequence[float]]
"""Leg -> seconds of each of its turns."""


@dataclass(frozen=True, kw_only=True)
class Turns:
    """All blocks of one request."""

    blocks: Sequence[Block]

    def quantile_ms(self, leg: str, percent: float) -> float:
        """Return a percentile of a leg's turns, of all blocks together."""
        return _quantile_ms(self.blocks, leg, percent)

    def p50_ratio(self, leg: str, baseline: str) -> Interval:
        """Return the ratio of two legs' medians, from that of each block."""
        above, below = ([_quantile_ms([block], each, 50) for block in self.blocks] for each in (leg, baseline))
        return ratio(above, below)

    def p99_ratio(self, leg: str, baseline: str) -> Interval:
        """Return the ratio of two legs' p99 of all blocks together: a block holds too few requests for its own."""
        return pooled_interval(
            self.blocks, lambda some: quotient(_quantile_ms(some, leg, 99), _quantile_ms(some, baseline, 99))
        )


def take_block(bench: Bench, plan: PairedPlan, *, scenario: str, number: int, baseline: str) -> Block:
    """Send a plan to its end, and keep the figures of each leg.

    Args:
        bench: the equipment.
        plan: the request and the legs.
        scenario: name of the experiment, for files.
        number: of the block, from 0.
        baseline: leg whose median is in each line of the figures.
    """
    turns = bench.take_turns(plan, f"{scenario}-{number}")
    for leg, seconds in turns.items():
        bench.results.add(
            BlockResult(
                scenario=scenario,
                block=number,
                side=leg,
                sent=len(seconds),
                failed=0,
                p50_ms=percentile(seconds, 50) * 1000,
                p99_ms=percentile(seconds, 99) * 1000,
                max_ms=max(seconds) * 1000,
                cpu_seconds_per_1000=math.nan,
                peak_memory_mib=math.nan,
                direct_p50_ms=percentile(turns[baseline], 50) * 1000,
            )
        )
    return turns


def _quantile_ms(blocks: Sequence[Block], leg: str, percent: float) -> float:
    return percentile(list(chain.from_iterable(block[leg] for block in blocks)), percent) * 1000
