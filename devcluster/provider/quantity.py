"""Kubernetes quantities (`500m`, `1.5Gi`, `2e3`) in the one form that the API server stores.

The server rewrites what it is given; comparing anything but the canonical form would show a change at every preview.
Source of the rules: k8s.io/apimachinery/pkg/api/resource/quantity.go.
"""

import re
from decimal import ROUND_CEILING, Decimal

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL_EXPONENT = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL_EXPONENT.items()}
_SMALLEST_EXPONENT = -9


def canonical_quantity(text: str | float) -> str:
    """The canonical form; `ValueError` for what is not a quantity."""
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        msg = f"{text!r} is not a quantity: write a number with an optional suffix such as m, k, Mi or Gi"
        raise ValueError(msg)
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in _BINARY[1:]:
        value = number * 1024 ** _BINARY.index(suffix)
        return _decimal(value) if abs(value) < 1024 else _binary(value)
    if suffix in _DECIMAL_EXPONENT:
        return _decimal(number.scaleb(_DECIMAL_EXPONENT[suffix]))
    return _exponent(number.scaleb(int(suffix[1:])))


def _binary(value: Decimal) -> str:
    whole = int(value.to_integral_value(ROUND_CEILING))
    power = 0
    while whole % 1024 == 0 and power < len(_BINARY) - 1:
        whole //= 1024
        power += 1
    return f"{whole}{_BINARY[power]}"


def _decimal(value: Decimal) -> str:
    mantissa, exponent = _thousands(value, largest_exponent=18)
    return f"{mantissa}{_DECIMAL_SUFFIX[exponent]}"


def _exponent(value: Decimal) -> str:
    mantissa, exponent = _thousands(value, largest_exponent=18)
    return f"{mantissa}e{exponent}" if exponent else str(mantissa)


def _thousands(value: Decimal, largest_exponent: int) -> tuple[int, int]:
    """Whole mantissa and exponent, a multiple of three, as large as the value allows; finer than nano rounds up."""
    if value == 0:
        return 0, 0
    exponent = _SMALLEST_EXPONENT
    mantissa = int(value.scaleb(-exponent).to_integral_value(ROUND_CEILING))
    while mantissa % 1000 == 0 and exponent < largest_exponent:
        mantissa //= 1000
        exponent += 3
    return mantissa, exponent
