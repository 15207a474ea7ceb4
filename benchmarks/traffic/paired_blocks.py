"""Blocks in which the same request goes directly, through their Envoy and through ours, in turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from benchmarks.loopback.fleet import Work
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.paired import PairedPlan
from benchmarks.loopback.side_envoy import Envoy
from benchmarks.loopback.sides import ours, supersonic
from benchmarks.statistics import drift, percentile

DIRECT, THEIRS, OURS = "direct", "theirs", "ours"
"""The legs."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """Request and server of one turn of a leg."""

    work: Work
    """Model and speed of the one server."""
    body_bytes: int
    rounds: int
    """Turns of each leg in a block."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Seconds of each turn, and CPU seconds of each Envoy in all, by leg."""

    turns_seconds: Mapping[str, Sequence[float]]
    cpu_seconds: Mapping[str, float]


def run_blocks(lab: Lab, name: str, count: int, exchange: Exchange) -> list[Block]:
    """Run so many blocks, each a step of progress, with fresh Envoys before one server."""
    blocks = []
    for number in range(count):
        with lab.progress.step(f"{name}: block {number + 1} of {count}"):
            lab.serve({1: exchange.work})
            with lab.envoy(supersonic(), 1) as theirs, lab.envoy(ours(), 1) as own:
                blocks.append(_run_block(lab, f"{name}-{number}", exchange, {THEIRS: theirs, OURS: own}, number))
    return blocks


def quantile_ms(blocks: Sequence[Block], leg: str, percent: float) -> float:
    """A percentile of a leg's turns, of all blocks together."""
    turns = list(chain.from_iterable(block.turns_seconds[leg] for block in blocks))
    return percentile(turns, percent) * 1000


def added_ms(blocks: Sequence[Block], leg: str, percent: float) -> float:
    """Return a leg's percentile less that of the direct leg."""
    return quantile_ms(blocks, leg, percent) - quantile_ms(blocks, DIRECT, percent)


def rejected(blocks: Sequence[Block]) -> str:
    """Return the reason to reject the figures; empty if there is none."""
    return drift(quantile_ms(blocks[:1], DIRECT, 50), quantile_ms(blocks[-1:], DIRECT, 50))


def _run_block(lab: Lab, name: str, exchange: Exchange, envoys: Mapping[str, Envoy], number: int) -> Block:
    plan = PairedPlan(
        legs={DIRECT: lab.fleet[1].target, **{leg: envoy.target for leg, envoy in envoys.items()}},
        model=exchange.work.model,
        body_bytes=exchange.body_bytes,
        rounds=exchange.rounds,
        seed=lab.seed + number,
    )
    before = {leg: envoy.process.usage().cpu_seconds for leg, envoy in envoys.items()}
    turns = lab.take_turns(plan, name)
    used = {leg: envoy.process.usage().cpu_seconds - before[leg] for leg, envoy in envoys.items()}
    return Block(turns_seconds=turns, cpu_seconds=used)
