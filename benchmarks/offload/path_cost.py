"""Path: latency and throughput of one server in a job, directly, through its tunnel, and through Envoy and tunnel."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from benchmarks.loopback.fleet import SLEEP_IDENTITY
from benchmarks.loopback.paired import PairedPlan
from benchmarks.offload.legs import Turns, take_block
from benchmarks.offload.offload_lab import OffloadLab, grpc_target
from benchmarks.result_table import BASELINE, Row
from benchmarks.statistics import drift, interval, percentile, quotient, significant
from benchmarks.traffic.throughput import (
    LATENCY_FACTOR_MAX,
    PACE_MS,
    UNLOADED_RATE_PER_SECOND,
    highest_rate,
    paced_load,
)

KEY = "path"

DIRECT, TUNNEL, WHOLE = "direct", "tunnel", "Envoy and tunnel"
"""The legs."""

_P50_RATIO_MAX = 1.4
_THROUGHPUT_MIN = 0.9


def legs(lab: OffloadLab) -> Mapping[str, str]:
    """Return the `host:port` of each leg."""
    server = lab.server()
    return {
        DIRECT: grpc_target(server.job.address),
        TUNNEL: grpc_target(server.tunnel_address),
        WHOLE: lab.stack.target,
    }


@dataclass(frozen=True, kw_only=True)
class PathLatency:
    """One request after the other, of one size; the answer has the same."""

    title: str
    """The size, as tables show it."""
    body_bytes: int
    rounds: int
    blocks: int

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return self.blocks

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.blocks * (4 + self.rounds * 3 * (0.002 + self.body_bytes * 15e-9))

    def run(self, lab: OffloadLab) -> list[Row]:
        """Measure it."""
        name = f"path-{self.body_bytes}b"
        lab.rest()
        busy, blocks = lab.busy(), []
        for number in range(self.blocks):
            with lab.progress.step(f"{name}: block {number + 1} of {self.blocks}"):
                plan = PairedPlan(
                    legs=legs(lab),
                    model=SLEEP_IDENTITY,
                    body_bytes=self.body_bytes,
                    rounds=self.rounds,
                    seed=lab.seed + number,
                )
                blocks.append(take_block(lab, plan, scenario=name, number=number, baseline=DIRECT))
        return self.rows(Turns(blocks=blocks), busy=busy)

    def rows(self, turns: Turns, *, busy: str = "") -> list[Row]:
        """Return the rows of the table, whose baseline is the direct leg; `busy` is a reason to reject them."""
        first, last = (Turns(blocks=[block]).quantile_ms(DIRECT, 50) for block in (turns.blocks[0], turns.blocks[-1]))
        rejected = busy or drift(first, last)
        rows = []
        for leg, aim in ((TUNNEL, _P50_RATIO_MAX), (WHOLE, None)):
            for percent, ratio in ((50, turns.p50_ratio(leg, DIRECT)), (99, turns.p99_ratio(leg, DIRECT))):
                aimed = aim if percent == 50 else None
                rows.append(
                    Row(
                        benchmark=KEY,
                        measure=f"{self.title}, {leg}: p{percent}, ms, / direct",
                        compared=BASELINE,
                        theirs=significant(turns.quantile_ms(DIRECT, percent)),
                        ours=significant(turns.quantile_ms(leg, percent)),
                        ratio=str(ratio),
                        aim="-" if aimed is None else f"≤ {aimed}",
                        reached=None if aimed is None else ratio.median <= aimed,
                        rejected=rejected,
                    )
                )
        return rows


@dataclass(frozen=True, kw_only=True)
class PathThroughput:
    """The highest rate of 1 MB requests as B2 finds it: p99 at most twice that of a direct request without load."""

    blocks: int

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return self.blocks

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.blocks * 95.0

    def run(self, lab: OffloadLab) -> list[Row]:
        """Measure it."""
        unloaded_ms, rates = [], []
        for number in range(self.blocks):
            with lab.progress.step(f"path-throughput: block {number + 1} of {self.blocks}"):
                bar, block = _rates(lab, number)
                unloaded_ms.append(bar / LATENCY_FACTOR_MAX * 1000)
                rates.append(block)
        rejected = drift(unloaded_ms[0], unloaded_ms[-1], what="unloaded direct p99")
        rows = []
        for leg, aim in ((TUNNEL, _THROUGHPUT_MIN), (WHOLE, None)):
            ratio = interval([quotient(block[leg], block[DIRECT]) for block in rates])
            rows.append(
                Row(
                    benchmark=KEY,
                    measure=f"1 MB, server works {PACE_MS:g} ms, {leg}: highest rate with p99 ≤ twice the unloaded, "
                    "per s, / direct",
                    compared=BASELINE,
                    theirs=significant(interval([block[DIRECT] for block in rates]).median),
                    ours=significant(interval([block[leg] for block in rates]).median),
                    ratio=str(ratio),
                    aim="-" if aim is None else f"≥ {aim}",
                    reached=None if aim is None else ratio.median >= aim,
                    rejected=rejected,
                )
            )
        return rows


def _rates(lab: OffloadLab, number: int) -> tuple[float, dict[str, float]]:
    """Return the limit of p99 in seconds, and leg -> requests per second."""
    targets = legs(lab)

    def p99_seconds(leg: str, rate_per_second: float) -> float:
        name = f"path-throughput-{number}-{leg.replace(' ', '-')}-{rate_per_second:.1f}"
        samples = lab.send(paced_load(targets[leg], rate_per_second), name)
        return percentile([sample.latency_seconds for sample in samples], 99)

    bar = LATENCY_FACTOR_MAX * p99_seconds(DIRECT, UNLOADED_RATE_PER_SECOND)
    # One leg after the other, in another order each time.
    order = [*targets][number % 3 :] + [*targets][: number % 3]
    return bar, {leg: highest_rate(partial(p99_seconds, leg), bar) for leg in order}


def scenarios(quick: bool) -> list[PathLatency | PathThroughput]:
    """All sizes and the throughput; quick, two short blocks of each size."""
    sizes = (("1 B", 1, 1500), ("100 kB", 100_000, 600), ("1 MB", 1_000_000, 200))
    latencies = [
        PathLatency(title=title, body_bytes=size, rounds=rounds // 5 if quick else rounds, blocks=2 if quick else 5)
        for title, size, rounds in sizes
    ]
    return [*latencies] if quick else [*latencies, PathThroughput(blocks=3)]
