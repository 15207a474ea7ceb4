"""Statistics of a few blocks: percentiles, ratios with an interval, upper bounds on rates of zero."""

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

_RESAMPLES = 5_000
_POOLED_RESAMPLES = 200
"""Fewer, for each sorts all requests of a run."""
Block = TypeVar("Block")


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A figure with its 95 % confidence interval."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{significant(self.median)} [{significant(self.low)}, {significant(self.high)}]"


def block_orders(blocks: int, seed: int) -> list[tuple[int, int]]:
    """Return the order of the sides in each block: A B, B A, A B, …, so that a drift of the machine cancels out.

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
        ValueError: the two are of different length, or empty.
    """
    return interval([quotient(above, below) for above, below in zip(numerators, denominators, strict=True)], seed)


def quotient(above: float, below: float) -> float:
    """Return the quotient; infinite if the denominator is not above 0, so that noise is never to our advantage."""
    return above / below if below > 0 else math.inf


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


def pooled_interval(blocks: Sequence[Block], statistic: Callable[[Sequence[Block]], float], seed: int = 0) -> Interval:
    """A figure of all blocks taken together, with a bootstrap over whole blocks.

    For what one block holds too few requests, such as a p99.

    Args:
        blocks: input of the figure.
        statistic: the figure of so many blocks.
        seed: draws the resamples.

    Returns:
        The figure of the blocks themselves, as `median`, and its 95 % interval.
    """
    draw = random.Random(seed)  # noqa: S311  no secret
    figures = sorted(statistic(draw.choices(blocks, k=len(blocks))) for _ in range(_POOLED_RESAMPLES))
    return Interval(median=statistic(blocks), low=percentile(figures, 2.5), high=percentile(figures, 97.5))


def rule_of_three(trials: int) -> float:
    """Return the upper bound (95 %) on the rate of an event that happened in none of so many trials."""
    return 3 / trials


def drift(first_ms: float, last_ms: float, tolerance: float = 0.10, *, what: str = "direct p50") -> str:
    """Return the reason to reject figures, empty if the reference moved by no more than the tolerance."""
    if abs(last_ms / first_ms - 1) <= tolerance:
        return ""
    return f"the {what} moved from {first_ms:.2f} to {last_ms:.2f} ms between the first and the last block"


def significant(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits; digits left of the decimal point are kept."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"
