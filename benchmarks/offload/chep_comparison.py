"""CHEP: one client of a server in bare Kubernetes, in Kubernetes + Slurm, and in bare Slurm, by batch size."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.loopback.grpc_messages import PARTICLENET
from benchmarks.loopback.paired import PairedPlan
from benchmarks.offload.legs import Block, Turns, take_block
from benchmarks.offload.offload_lab import OffloadLab, grpc_target
from benchmarks.offload.plot import Curve, draw
from benchmarks.result_table import BASELINE, Row, markdown
from benchmarks.statistics import drift, significant

KEY = "chep"

KUBERNETES, BOTH, SLURM = "Kubernetes", "Kubernetes + Slurm", "Slurm"
DEPLOYMENTS = (KUBERNETES, BOTH, SLURM)
THROUGH_ENVOY = ", Envoy"
"""Ends the name of a leg with an Envoy before the server."""
LEGS = tuple(f"{name}{way}" for way in ("", THROUGH_ENVOY) for name in DEPLOYMENTS)

BATCHES = (1, 2, 5, 10, 20, 30, 40, 50)
_QUICK_BATCHES = (1, 10, 50)
_SECONDS_PER_JET = 0.005


@dataclass(frozen=True, kw_only=True)
class ChepComparison:
    """One request after the other through six legs, of each batch size."""

    batches: Sequence[int]
    rounds: int
    blocks: int

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return self.blocks

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        per_round = sum(0.012 + batch * _SECONDS_PER_JET for batch in self.batches) * len(LEGS)
        return self.blocks * (len(self.batches) * 4 + self.rounds * per_round)

    def run(self, lab: OffloadLab) -> list[Row]:
        """Measure it."""
        lab.rest()
        busy = lab.busy()
        found: dict[int, list[Block]] = {batch: [] for batch in self.batches}
        for number in range(self.blocks):
            with lab.progress.step(f"chep: block {number + 1} of {self.blocks}"), _legs(lab) as targets:
                for batch in self.batches:
                    plan = PairedPlan(
                        legs=targets,
                        model=PARTICLENET,
                        batch=batch,
                        rounds=self.rounds,
                        seed=lab.seed + number,
                    )
                    block = take_block(lab, plan, scenario=f"chep-{batch}", number=number, baseline=KUBERNETES)
                    found[batch].append(block)
                    lab.progress.waiting(f"batches larger than {batch}")
        turns = {batch: Turns(blocks=blocks) for batch, blocks in found.items()}
        lab.results.file("chep.md").write_text(f"{table(turns)}\n")
        curves = [Curve(name=leg, p50_ms={batch: turns[batch].quantile_ms(leg, 50) for batch in turns}) for leg in LEGS]
        draw(curves, baseline=KUBERNETES, file=lab.results.file("chep.svg"))
        return rows(turns, busy=busy)


def rows(turns: Mapping[int, Turns], *, busy: str = "") -> list[Row]:
    """Return the rows of the smallest and of the largest batch; the baseline is bare Kubernetes, the same way.

    Args:
        turns: those of each batch size.
        busy: reason to reject the figures; empty if there is none.
    """
    found = []
    for batch in (min(turns), max(turns)):
        of_batch = turns[batch]
        first, last = (
            Turns(blocks=[block]).quantile_ms(KUBERNETES, 50) for block in (of_batch.blocks[0], of_batch.blocks[-1])
        )
        for way in ("", THROUGH_ENVOY):
            baseline = f"{KUBERNETES}{way}"
            found += [
                Row(
                    benchmark=KEY,
                    measure=f"batch {batch}, {name}{way}: p50, ms, / {baseline}",
                    compared=BASELINE,
                    theirs=significant(of_batch.quantile_ms(baseline, 50)),
                    ours=significant(of_batch.quantile_ms(f"{name}{way}", 50)),
                    ratio=str(of_batch.p50_ratio(f"{name}{way}", baseline)),
                    rejected=busy or drift(first, last, what="p50 of bare Kubernetes"),
                )
                for name in (BOTH, SLURM)
            ]
    return found


def table(turns: Mapping[int, Turns]) -> str:
    """Return p50 in milliseconds and jets per second, by batch and leg."""
    lines = [("batch", *LEGS)]
    for batch, of_batch in turns.items():
        p50_ms = [of_batch.quantile_ms(leg, 50) for leg in LEGS]
        lines.append((str(batch), *(f"{significant(ms)} ms, {batch / ms * 1000:,.0f}/s" for ms in p50_ms)))
    return markdown(lines)


@contextmanager
def _legs(lab: OffloadLab) -> Iterator[dict[str, str]]:
    """Start an Envoy before each server, and yield the `host:port` of each leg."""
    server = lab.server()
    addresses = {KUBERNETES: lab.pod_address, BOTH: server.tunnel_address, SLURM: server.job.address}
    targets = {name: grpc_target(address) for name, address in addresses.items()}
    with ExitStack() as stack:
        for name, address in addresses.items():
            targets[f"{name}{THROUGH_ENVOY}"] = stack.enter_context(lab.envoy_before(address))
        yield targets


def scenarios(quick: bool) -> list[ChepComparison]:
    """The comparison; quick, two short blocks of three batch sizes."""
    if quick:
        return [ChepComparison(batches=_QUICK_BATCHES, rounds=10, blocks=2)]
    return [ChepComparison(batches=BATCHES, rounds=20, blocks=3)]
