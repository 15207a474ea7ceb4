"""What may be said of a handful of blocks: percentiles, ratios with an interval, bounds on what was never seen."""

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_RESAMPLES = 5_000


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A median of block ratios, and where it lies with 95 % confidence."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{significant(self.median)} [{significant(self.low)}, {significant(self.high)}]"


def block_orders(blocks: int, seed: int) -> list[tuple[int, int]]:
    """Which of two sides goes first in each block: A B, B A, A B, …, so that a drift of the machine cancels out.

    Args:
        blocks: how many.
        seed: draws the side that begins.

    Returns:
        Pairs of the sides' indices, 0 and 1.
    """
    first = random.Random(seed).randrange(2)  # noqa: S311  no secret
    return [(first, 1 - first) if block % 2 == 0 else (1 - first, first) for block in range(blocks)]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` % of the values do not exceed (nearest rank).

    Raises:
        ValueError: there is no value.
    """
    if not values:
        msg = "no value was measured: a percentile needs at least one"
        raise ValueError(msg)
    rank = max(1, math.ceil(len(values) * percent / 100))
    return sorted(values)[rank - 1]


def ratio(numerators: Sequence[float], denominators: Sequence[float], seed: int = 0) -> Interval:
    """The median of the blocks' ratios, with a percentile bootstrap's 95 % interval.

    Args:
        numerators: one figure of each block.
        denominators: the other figure of the same block.
        seed: draws the resamples; the same seed gives the same interval.

    Raises:
        ValueError: the two are of different length, or empty, or a denominator is 0.
    """
    ratios = [above / below for above, below in _pairs(numerators, denominators)]
    return interval(ratios, seed)


def interval(values: Sequence[float], seed: int = 0) -> Interval:
    """The median, with a percentile bootstrap's 95 % interval.

    Raises:
        ValueError: there is no value.
    """
    if not values:
        msg = "no block was measured: an interval needs at least one"
        raise ValueError(msg)
    draw = random.Random(seed)  # noqa: S311  no secret
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(_RESAMPLES))
    return Interval(median=statistics.median(values), low=percentile(medians, 2.5), high=percentile(medians, 97.5))


def rule_of_three(trials: int) -> float:
    """The rate that an event may have at most (95 %) which was seen in none of so many trials."""
    return 3 / trials


def jain(shares: Sequence[float]) -> float:
    """Jain's index of fairness: 1 when all shares are equal, 1/n when one has everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def drifted(first: float, last: float, tolerance: float = 0.10) -> bool:
    """Whether the machine was not the same at the end: the direct leg's median moved by more than the tolerance."""
    return abs(last / first - 1) > tolerance


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, and thousands kept whole."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def _pairs(first: Sequence[float], second: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(first, second, strict=True))
