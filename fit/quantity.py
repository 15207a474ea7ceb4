"""Kubernetes quantities, such as `500m` or `16Gi`, as exact numbers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from fractions import Fraction

Amounts = Mapping[str, Fraction]
"""Resource -> cores, bytes or pieces. A resource that is not in it is 0."""

_FACTORS = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    **{letter: Fraction(1000**power) for power, letter in enumerate(("", "k", "M", "G", "T", "P", "E"))},
    **{f"{letter}i": Fraction(1024**power) for power, letter in enumerate("KMGTPE", start=1)},
}


def quantity(text: str | float) -> Fraction:
    """Return the number of cores, bytes or pieces.

    Raises:
        ValueError: it is no quantity.
    """
    number = str(text).strip()
    suffix = number.lstrip("+-.0123456789")
    if suffix in _FACTORS:
        return Fraction(number.removesuffix(suffix) if suffix else number) * _FACTORS[suffix]
    return Fraction(number)  # an exponent


def written(resource: str, amount: Fraction | int) -> str:
    """Write an amount of a resource as people do: bytes in Gi or Mi, all else as a number."""
    if any(word in resource for word in ("memory", "storage")):
        gibibytes = amount / 1024**3
        return f"{float(gibibytes):g} Gi" if gibibytes >= 1 else f"{float(amount / 1024**2):g} Mi"
    return f"{float(amount):g}"


def summed(amounts: Iterable[tuple[str, Fraction | int]]) -> Amounts:
    """Add up amounts by resource."""
    total: dict[str, Fraction] = defaultdict(Fraction)
    for resource, amount in amounts:
        total[resource] += amount
    return total
