"""Arrival times of a load: set before the run, and the same for both sides."""

import random
from typing import Literal

Process = Literal["fixed", "poisson"]


def arrivals(process: Process, rate_per_second: float, duration_seconds: float, seed: int) -> list[float]:
    """Offsets in seconds from the start, ascending, all below the duration.

    Args:
        process: `fixed`, one each 1/rate from 0 on; `poisson`, with exponential gaps of that mean.
        rate_per_second: how many on average.
        duration_seconds: when the last may be sent.
        seed: draws the gaps; the same seed gives the same arrivals.
    """
    if process == "fixed":
        return [index / rate_per_second for index in range(round(rate_per_second * duration_seconds))]
    draw = random.Random(seed)  # noqa: S311  no secret
    offsets: list[float] = []
    offset = draw.expovariate(rate_per_second)
    while offset < duration_seconds:
        offsets.append(offset)
        offset += draw.expovariate(rate_per_second)
    return offsets
