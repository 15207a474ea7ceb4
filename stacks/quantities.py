"""Numbers as people write them (`"4"`, `16Gi`, `500m`, `5min`), turned into the number that a key asks for."""

import re

from stacks.origin import Json

_BYTES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SECONDS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_UNITS = {
    "gib": {unit: size / 2**30 for unit, size in _BYTES.items()},
    "mib": {unit: size / 2**20 for unit, size in _BYTES.items()},
    "seconds": _SECONDS,
    "ms": {unit: size * 1000 for unit, size in _SECONDS.items()},
    "hours": {unit: size / 3600 for unit, size in _SECONDS.items()},
    "cores": {"m": 0.001},
}
"""Unit that ends the name of a key -> factor of each unit that may follow a number."""
_LARGEST = 1e15
"""Larger numbers are mistakes, and a float would not hold each of them exactly."""


def bare_number(key: str, value: Json) -> float | None:
    """Return the number that is meant by a value of a key, in the key's unit; None: the value is no such quantity."""
    if isinstance(value, int | float):
        return float(value) if not isinstance(value, bool) and abs(value) < _LARGEST else None
    match = re.fullmatch(r"((?:0|[1-9][0-9]*)(?:\.[0-9]+)?) ?([A-Za-z]*)", value) if isinstance(value, str) else None
    if match is None:
        return None
    number, unit = match.groups()
    factors = {"": 1.0, **_UNITS.get(key.rpartition("_")[2], {})}
    unit = unit if unit in factors else unit.removesuffix("B")
    return float(number) * factors[unit] if unit in factors and float(number) < _LARGEST else None
