"""Values over time, with gaps: series, their sums and ratios. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Values = Sequence[float | None]
"""One finite value for each time of a span; None where there is none."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """The values of one series."""

    labels: Mapping[str, str]
    """Labels."""
    values: Values
    """Values."""


OfValue = Mapping[str, Sequence[Series]]
"""Name of a value in `promql` -> its series; a value that could not be asked is not in it."""


def each(found: OfValue, value: str) -> list[Values]:
    """Return the values of each series."""
    return [series.values for series in found.get(value, ())]


def summed(parts: Sequence[Values]) -> Values:
    """Return the sum at each time; None where no part has a value."""
    columns = [[value for value in at if value is not None] for at in zip(*parts, strict=True)]
    return [sum(column) if column else None for column in columns]


def ratio(above: Values, below: Values, factor: float) -> Values:
    """Return above by below, times a factor, at each time; None where one has no value or below is 0."""
    return [a / b * factor if a is not None and b else None for a, b in zip(above, below, strict=True)]


def scaled(values: Values, factor: float) -> Values:
    """Return the values times a factor."""
    return [None if value is None else value * factor for value in values]


def total(parts: Sequence[Values], factor: float) -> float:
    """Return the sum over all parts and times, times a factor."""
    return sum(value for values in parts for value in values if value is not None) * factor
