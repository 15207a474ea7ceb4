"""Numbers as people write them (`"4"`, `16Gi`, `500m`, `5min`, `10_000`) as the number that a key asks for."""

import re
import string
from collections.abc import Iterator

from stacks.origin import Json

_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SECONDS = {
    **dict.fromkeys(("us", "µs", "microsecond"), 1e-6),
    **dict.fromkeys(("ms", "msec", "millisecond"), 1e-3),
    **dict.fromkeys(("s", "sec", "second"), 1.0),
    **dict.fromkeys(("m", "min", "minute"), 60.0),
    **dict.fromkeys(("h", "hr", "hour"), 3600.0),
    **dict.fromkeys(("d", "day"), 86400.0),
}
_UNITS = {
    **{unit: {each: size / _BYTES[unit[:2]] for each, size in _BYTES.items()} for unit in ("gib", "mib")},
    "seconds": _SECONDS,
    "ms": {each: size * 1000 for each, size in _SECONDS.items()},
    "minutes": {each: size / 60 for each, size in _SECONDS.items()},
    "hours": {each: size / 3600 for each, size in _SECONDS.items()},
    "cores": {"m": 0.001, "core": 1.0, "cpu": 1.0, "vcpu": 1.0},
    "percent": {"%": 1.0, "percent": 1.0},
}
"""Unit that ends the name of a key -> factor of each unit that may follow a number, in lower case."""
_COUNT = {"m": 0.001, "k": 1000.0}
"""Kubernetes' suffixes of a number without a unit."""
_TYPED_IN_ANOTHER_UNIT = {
    "seconds": (1 / 1000,),
    "ms": (1000,),
    "gib": (1 / 2**30, 1 / 2**20, 1 / 2**10),
    "mib": (1 / 2**20, 1024),
    "cores": (1 / 1000,),
    "hours": (1 / 3600, 1 / 60),
    "minutes": (1 / 60,),
}
"""Unit of a key -> factors of the units that people take it for: milliseconds for seconds, bytes for GiB."""
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_AROUND = f"{string.whitespace}\u00a0;,~<>=\"'"
"""Characters that people write around a number."""
_LARGEST = 1e15
"""Larger numbers are mistakes, and a float would not hold each of them exactly."""


def unit_of(key: str) -> str | None:
    """Return the unit that ends the name of a key, None for a key without."""
    unit = key.rpartition("_")[2]
    return unit if unit in _UNITS else None


def bare_number(key: str, value: Json) -> float | None:
    """Return the number that is meant by a value of a key, in the key's unit; None: the value is no such quantity."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if abs(value) < _LARGEST else None
    number = _quantity(value.strip(_AROUND), unit_of(key)) if isinstance(value, str) else None
    return number if number is not None and abs(number) < _LARGEST else None


def meant_numbers(key: str, value: Json) -> Iterator[float]:
    """Yield the numbers that may be meant by a value that is refused, best first."""
    number = bare_number(key, value)
    if number is None:
        yield from _first_numbers(key, value)
        return
    yield number
    if number < 0:
        yield -number
    said = isinstance(value, str) and bool(re.search("[A-Za-zµ]", value))
    for factor in () if said else _TYPED_IN_ANOTHER_UNIT.get(unit_of(key) or "", ()):
        if number * factor >= 1 and (factor < 1 or number <= 16):  # more would be too much of the larger unit
            yield number * factor


def _first_numbers(key: str, value: Json) -> Iterator[float]:
    """Yield the counts in `30022/TCP`, `8001:30801` or `2-4`. A quantity with a unit is not told apart so."""
    if isinstance(value, str) and unit_of(key) is None and re.fullmatch(r"[0-9]+(\s*[-/:]\s*[0-9A-Za-z]+)+", value):
        yield from map(float, re.findall(r"\b[0-9]{1,9}\b", value))


def _quantity(text: str, unit: str | None) -> float | None:
    text = re.sub(r"^v(?=[0-9]+$)", "", text)  # a version
    if text.lower() in _WORDS:
        return float(_WORDS.index(text.lower()))
    if unit in {"seconds", "ms", "minutes", "hours"} and (seconds := _duration(text)) is not None:
        return seconds * _UNITS[unit]["s"]
    if re.fullmatch(r"0(x[0-9a-fA-F]+|o[0-7]+|b[01]+)", text):
        return float(int(text, 0))
    match = re.fullmatch(r"([-+]?[0-9.][0-9_',. ]*(?:[eE][-+]?[0-9]+)?) ?([A-Za-zµ]*|%)", text)
    number = _decimal(match[1].strip()) if match else None
    if match is None or number is None:
        return None
    factor = _factor(match[2], unit)
    return None if factor is None else number * factor


def _factor(word: str, unit: str | None) -> float | None:
    """Return what a number with this word behind it is multiplied by. A count takes any word, such as `servers`."""
    if unit is None:
        return None if word == "%" else _COUNT.get(word, 1.0)
    factors, word = _UNITS[unit], word.lower()
    if not word:
        return 1.0
    spellings = (word, word.removesuffix("s"), word.removesuffix("b"))
    return next((factors[each] for each in spellings if each in factors), None)


def _decimal(text: str) -> float | None:
    """Read digits with thousands' separators, or with a comma for the decimal point."""
    text = re.sub(r"(?<=[0-9])[_' ](?=[0-9])", "", text)
    if re.fullmatch(r"[-+]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", text):
        text = text.replace(",", "")
    elif re.fullmatch(r"[-+]?[0-9]{1,3}(\.[0-9]{3}){2,}(,[0-9]+)?", text):
        text = text.replace(".", "")
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def _duration(text: str) -> float | None:
    """Read `1h30m`, `PT5M` (ISO 8601), `00:05:00` or Slurm's `0-04:00:00` in seconds."""
    if days := re.fullmatch(r"([0-9]{1,3})-([0-9]{1,2})((?::[0-9]{2}){0,2})", text):
        parts = [int(part) for part in f"{days[2]}{days[3]}:0:0".split(":")[:3]]
        return float(86400 * int(days[1]) + 3600 * parts[0] + 60 * parts[1] + parts[2])
    if re.fullmatch(r"[0-9]{1,3}(:[0-9]{2}){1,2}", text):
        parts = [int(part) for part in text.split(":")]
        return float(sum(part * 60**power for power, part in enumerate(reversed(parts))))
    text = re.sub(r"\s+", "", text.lower()).removeprefix("pt")
    if not re.fullmatch(r"([0-9]+(\.[0-9]+)?[a-zµ]+)+", text):
        return None
    seconds = 0.0
    for number, unit in re.findall(r"([0-9]+(?:\.[0-9]+)?)([a-zµ]+)", text):
        factor = _factor(unit, "seconds")
        if factor is None:
            return None
        seconds += float(number) * factor
    return seconds
