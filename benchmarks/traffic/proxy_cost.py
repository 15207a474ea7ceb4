"""B2: what the proxy costs in time, CPU and throughput, beside the same request sent to Triton directly."""

import statistics
import sys
from dataclasses import dataclass

from benchmarks.loopback.envoy import Envoy
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.paired import PairedPlan, read_turns, write_plan
from benchmarks.loopback.process import Process
from benchmarks.loopback.sides import ours, supersonic
from benchmarks.loopback.triton import PACED, SLEEP_IDENTITY, Work
from benchmarks.statistics import Interval, drifted, interval, percentile, significant
from benchmarks.table import Row

KEY = "B2"

_DIRECT, _THEIRS, _OURS = "direct", "theirs", "ours"
_LATENCY_RATIO_MAX, _CPU_RATIO_MAX, _THROUGHPUT_MIN = 1.10, 1.15, 0.95
_THROUGHPUT_REQUESTS, _THROUGHPUT_IN_FLIGHT = 100, 4
_PACE_MS = 10.0


@dataclass(frozen=True, kw_only=True)
class Size:
    """One size of a request's tensor; the answer has the same."""

    title: str
    body_bytes: int
    rounds: int
    """In each block: enough for an Envoy to use many of the 10 ms in which CPU time is counted."""


SIZES = (
    Size(title="1 B", body_bytes=1, rounds=1500),
    Size(title="100 kB", body_bytes=100_000, rounds=600),
    Size(title="1 MB", body_bytes=1_000_000, rounds=150),
    Size(title="10 MB", body_bytes=10_000_000, rounds=25),
)


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block: seconds of each turn and CPU seconds, by leg."""

    turns: dict[str, list[float]]
    cpu_seconds: dict[str, float]

    def quantile_ms(self, leg: str, percent: float) -> float:
        """A percentile of a leg's turns."""
        return percentile(self.turns[leg], percent) * 1000

    def added_ms(self, leg: str, percent: float) -> float:
        """What a proxy adds to a percentile of the direct leg."""
        return self.quantile_ms(leg, percent) - self.quantile_ms(_DIRECT, percent)


@dataclass(frozen=True, kw_only=True)
class Latency:
    """One request after the other, of one size."""

    size: Size
    blocks: int

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return self.blocks

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.blocks * (8 + self.size.rounds * 3 * (0.0015 + self.size.body_bytes * 12e-9))

    def run(self, lab: Lab) -> list[Row]:
        """Measure it."""
        name = f"cost-{self.size.title.replace(' ', '')}"
        blocks = _blocks(
            lab, name, self.blocks, model=SLEEP_IDENTITY, body_bytes=self.size.body_bytes, rounds=self.size.rounds
        )
        rejected = _rejected(blocks)
        rows = [self._added_row(blocks, percent, rejected) for percent in (50, 99)]
        cpu = [block.cpu_seconds for block in blocks]
        return [*rows, self._cpu_row(cpu, rejected)]

    def _added_row(self, blocks: list[Block], percent: int, rejected: str) -> Row:
        def added(leg: str) -> list[float]:
            return [block.added_ms(leg, percent) for block in blocks]

        ratio = _ratio(added(_OURS), added(_THEIRS))
        direct = statistics.median(block.quantile_ms(_DIRECT, percent) for block in blocks)
        return Row(
            benchmark=KEY,
            measure=f"{self.size.title}: added p{percent}, ms (direct {significant(direct)})",
            theirs=significant(statistics.median(added(_THEIRS))),
            ours=significant(statistics.median(added(_OURS))),
            ratio=str(ratio) if ratio else "-",
            aim=f"≤ {_LATENCY_RATIO_MAX:.2f}",
            reached=ratio.median <= _LATENCY_RATIO_MAX if ratio else None,
            rejected=rejected,
        )

    def _cpu_row(self, cpu: list[dict[str, float]], rejected: str) -> Row:
        def per_1000(leg: str) -> list[float]:
            return [block[leg] / self.size.rounds * 1000 for block in cpu]

        ratio = _ratio(per_1000(_OURS), per_1000(_THEIRS))
        return Row(
            benchmark=KEY,
            measure=f"{self.size.title}: CPU seconds of Envoy per 1,000 requests",
            theirs=significant(statistics.median(per_1000(_THEIRS))),
            ours=significant(statistics.median(per_1000(_OURS))),
            ratio=str(ratio) if ratio else "-",
            aim=f"≤ {_CPU_RATIO_MAX:.2f}",
            reached=ratio.median <= _CPU_RATIO_MAX if ratio else None,
            rejected=rejected,
        )


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Requests of 1 MB, four in progress all the time, through each leg in turn."""

    pace_ms: float
    """How long the server works for each; 0: only the transport is at work, all of it on one CPU."""
    blocks: int

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return self.blocks

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.blocks * (6 + 3 * 3 * _THROUGHPUT_REQUESTS * (self.pace_ms + 5) / 1000)

    def run(self, lab: Lab) -> list[Row]:
        """Measure it."""
        blocks = _blocks(
            lab,
            f"throughput-{self.pace_ms:g}ms",
            self.blocks,
            model=PACED,
            body_bytes=1_000_000,
            rounds=3,
            pace_ms=self.pace_ms,
            requests=_THROUGHPUT_REQUESTS,
            in_flight=_THROUGHPUT_IN_FLIGHT,
        )

        def of_direct(leg: str) -> Interval:
            return interval([sum(block.turns[_DIRECT]) / sum(block.turns[leg]) for block in blocks])

        bound = self.pace_ms > 0
        work = f"server works {self.pace_ms:g} ms" if bound else "server does nothing, all on one CPU"
        return [
            Row(
                benchmark=KEY,
                measure=f"1 MB, 4 in flight, {work}: throughput / direct",
                theirs=str(of_direct(_THEIRS)),
                ours=str(of_direct(_OURS)),
                ratio=str(interval([sum(block.turns[_THEIRS]) / sum(block.turns[_OURS]) for block in blocks])),
                aim=f"≥ {_THROUGHPUT_MIN}" if bound else "-",
                reached=of_direct(_OURS).median >= _THROUGHPUT_MIN if bound else None,
                rejected=_rejected(blocks),
            )
        ]


def scenarios(quick: bool) -> list[Latency | Throughput]:
    """All sizes and the throughput; quick, two blocks of the small sizes."""
    if quick:
        return [Latency(size=size, blocks=2) for size in SIZES[:3]]
    return [
        *(Latency(size=size, blocks=9) for size in SIZES),
        *(Throughput(pace_ms=pace_ms, blocks=7) for pace_ms in (_PACE_MS, 0)),
    ]


def _blocks(
    lab: Lab,
    name: str,
    count: int,
    *,
    model: str,
    body_bytes: int,
    rounds: int,
    pace_ms: float = 0,
    requests: int = 1,
    in_flight: int = 1,
) -> list[Block]:
    """Blocks of one kind, each with fresh Envoys of both sides before one server."""
    blocks = []
    for number in range(count):
        with lab.progress.step(f"{name}: block {number + 1} of {count}"):
            lab.serve({1: Work(model=model, pace_ms=pace_ms)})
            with lab.envoy(supersonic(), 1) as theirs, lab.envoy(ours(), 1) as own:
                output = lab.results.directory / f"{name}-{number}.csv"
                plan = PairedPlan(
                    legs={_DIRECT: lab.fleet[1].target, _THEIRS: theirs.target, _OURS: own.target},
                    model=model,
                    body_bytes=body_bytes,
                    rounds=rounds,
                    requests=requests,
                    in_flight=in_flight,
                    seed=lab.seed + number,
                    output=str(output),
                )
                cpu_seconds = _run(lab, plan, {_THEIRS: theirs, _OURS: own}, name)
                blocks.append(Block(turns=read_turns(output), cpu_seconds=cpu_seconds))
    return blocks


def _run(lab: Lab, plan: PairedPlan, envoys: dict[str, Envoy], name: str) -> dict[str, float]:
    path = lab.scratch / f"{name}.plan.json"
    write_plan(plan, path)
    before = {leg: envoy.process.usage().cpu_seconds for leg, envoy in envoys.items()}
    client = Process(
        [sys.executable, "-m", "benchmarks.loopback.paired", str(path)],
        log=lab.scratch / f"{name}.log",
        core=lab.cores.client,
    )
    try:
        client.await_success(f"the turns of {name}", timeout_seconds=600)
    finally:
        client.kill()
    return {leg: envoy.process.usage().cpu_seconds - before[leg] for leg, envoy in envoys.items()}


def _ratio(ours_: list[float], theirs: list[float]) -> Interval | None:
    """The blocks' ratios; None where the other side's cost drowned in noise."""
    if min(theirs) <= 0:
        return None
    return interval([above / below for above, below in zip(ours_, theirs, strict=True)])


def _rejected(blocks: list[Block]) -> str:
    first, last = blocks[0].quantile_ms(_DIRECT, 50), blocks[-1].quantile_ms(_DIRECT, 50)
    if not drifted(first, last):
        return ""
    return f"the direct p50 moved from {first:.2f} to {last:.2f} ms between the first and the last block"
