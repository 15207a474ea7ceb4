"""B2: the highest rate of 1 MB requests of each leg within a latency limit."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.loopback.fleet import PACED, Work
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.load import Load
from benchmarks.loopback.sides import ours, supersonic
from benchmarks.result_table import Row
from benchmarks.statistics import interval, percentile, quotient, significant
from benchmarks.traffic.paired_blocks import DIRECT, OURS, THEIRS

KEY = "B2"

_THROUGHPUT_MIN = 0.95
_MEGABYTE = 1_000_000
PACE_MS = 30.0
"""Time of an average model on a GPU."""
UNLOADED_RATE_PER_SECOND = 10.0
_SECONDS = 4.0
"""Of each attempt: some 120 requests."""
LATENCY_FACTOR_MAX = 2.0
_SHARES = tuple(share / 100 for share in range(70, 101, 2))
"""Rates to try, as fractions of the rate of a server that only runs its model."""


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """The highest rate with p99 at most twice that of a direct request without load, the same bar for every leg.

    One server that works for 30 ms on each request, one at a time, and takes in and gives out 1 MB each. Requests come
    evenly spaced. Envoys and server share one CPU here, as no pods do, so what a proxy needs of it is taken from the
    server's own transport.
    """

    blocks: int

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return self.blocks

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.blocks * (5 + 13 * (_SECONDS + 2))

    def run(self, lab: Lab) -> list[Row]:
        """Measure it."""
        rates = [self._block(lab, number) for number in range(self.blocks)]

        def relative(leg: str, to: str) -> str:
            return str(interval([quotient(block[leg], block[to]) for block in rates]))

        reached = interval([quotient(block[OURS], block[DIRECT]) for block in rates])
        direct = interval([block[DIRECT] for block in rates])
        return [
            Row(
                benchmark=KEY,
                measure=f"1 MB, server works {PACE_MS:g} ms: highest rate with p99 ≤ twice the unloaded, / direct's "
                f"({significant(direct.median)} per s)",
                theirs=relative(THEIRS, DIRECT),
                ours=str(reached),
                ratio=relative(OURS, THEIRS),
                aim=f"≥ {_THROUGHPUT_MIN}",
                reached=reached.median >= _THROUGHPUT_MIN,
            )
        ]

    def _block(self, lab: Lab, number: int) -> dict[str, float]:
        """Requests per second of each leg."""
        name = f"throughput-{number}"
        with lab.progress.step(f"throughput: block {number + 1} of {self.blocks}"):
            lab.serve({1: Work(model=PACED, pace_ms=PACE_MS)})
            with lab.envoy(supersonic(), 1) as theirs, lab.envoy(ours(), 1) as own:
                targets = {DIRECT: lab.fleet[1].target, THEIRS: theirs.target, OURS: own.target}

                def p99_seconds(leg: str, rate_per_second: float) -> float:
                    load = paced_load(targets[leg], rate_per_second)
                    samples = lab.send(load, f"{name}-{leg}-{rate_per_second:.1f}")
                    return percentile([sample.latency_seconds for sample in samples], 99)

                bar = LATENCY_FACTOR_MAX * p99_seconds(DIRECT, UNLOADED_RATE_PER_SECOND)
                # One leg after the other, in another order each time.
                order = [*targets][number % 3 :] + [*targets][: number % 3]
                return {leg: highest_rate(partial(p99_seconds, leg), bar) for leg in order}


def highest_rate(p99_seconds: Callable[[float], float], bar_seconds: float) -> float:
    """Return the highest rate whose p99 is within the limit, by bisection; 0 if none is."""
    low, high = -1, len(_SHARES)
    while high - low > 1:
        middle = (low + high) // 2
        borne = p99_seconds(_SHARES[middle] * 1000 / PACE_MS) <= bar_seconds
        low, high = (middle, high) if borne else (low, middle)
    return _SHARES[low] * 1000 / PACE_MS if low >= 0 else 0.0


def paced_load(target: str, rate_per_second: float) -> Load:
    """Return evenly spaced requests of 1 MB for one attempt."""
    return Load(
        targets=(target,),
        rate_per_second=rate_per_second,
        duration_seconds=_SECONDS,
        seed=0,
        process="fixed",
        model=PACED,
        body_bytes=_MEGABYTE,
        connections=4,
    )


def scenarios(quick: bool) -> list[Throughput]:
    """The search; quick, once."""
    return [Throughput(blocks=1 if quick else 3)]
