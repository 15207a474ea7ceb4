"""A policy, or the bound, on a load with several seeds; and the table of their scores."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.autoscaling.clairvoyant import Clairvoyant
from benchmarks.autoscaling.policies import our_times
from benchmarks.autoscaling.policy import Autoscaler, Policy, Scaler
from benchmarks.autoscaling.pool import ServerTimes
from benchmarks.autoscaling.routing import Routing, shortest_queue
from benchmarks.autoscaling.scores import Scores, median, score
from benchmarks.autoscaling.server import ServerKind
from benchmarks.autoscaling.simulation import Run, simulate
from benchmarks.autoscaling.traces import Trace
from benchmarks.result_table import markdown
from benchmarks.statistics import significant

CLAIRVOYANT = "clairvoyant"

_BOUND_SCRAPE_SECONDS = 15.0
"""Any: the bound reads no metric."""

_HEADER = (
    "first new server, s",
    "new requests served at once, s",
    "backlog cleared, s",
    "mean wait, s",
    "over 1 s, s",
    "GPU-s",
    "/ clairvoyant",
    "turns a step",
    "most servers",
    "at the maximum, s",
    "lost",
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """A policy on a load."""

    run: Run
    """That of the first seed."""
    scores: Sequence[Scores]
    """Those of each seed."""

    @property
    def median(self) -> Scores:
        """The median of each figure."""
        return median(self.scores)


def follow(policy: Policy, trace: Trace, kind: ServerKind, seeds: Sequence[int]) -> Result:
    """Run a policy once for each seed."""

    def scaler() -> Scaler:
        return Autoscaler(policy, servers_min=1, servers_max=trace.servers_max)

    return _repeated(scaler, trace, kind, policy.times, policy.scrape_seconds, policy.routing, seeds)


def foresee(trace: Trace, kind: ServerKind, seeds: Sequence[int]) -> Result:
    """Run the bound once for each seed, with servers that start and stop like ours."""
    times = our_times()

    def scaler() -> Scaler:
        return Clairvoyant(
            trace.load,
            seconds=trace.seconds,
            start_seconds=times.start_seconds(kind),
            stop_seconds=times.stop_seconds,
        )

    return _repeated(scaler, trace, kind, times, _BOUND_SCRAPE_SECONDS, shortest_queue, seeds)


def _repeated(
    scaler: Callable[[], Scaler],
    trace: Trace,
    kind: ServerKind,
    times: ServerTimes,
    scrape_seconds: float,
    routing: Routing,
    seeds: Sequence[int],
) -> Result:
    first: Run | None = None
    scores = []
    for seed in seeds:
        run = simulate(
            trace, scaler(), kind=kind, times=times, scrape_seconds=scrape_seconds, routing=routing, seed=seed
        )
        first = first or run
        scores.append(score(run))
    if first is None:
        msg = "there is no seed: name one at least"
        raise ValueError(msg)
    return Result(run=first, scores=scores)


def table(first: str, lines: Mapping[str, tuple[Scores, Scores]], *, reference: Scores | None = None) -> str:
    """Return the scores as Markdown; with a reference, waits are followed by their ratio to its.

    Args:
        first: heading of the first column.
        lines: first cell -> scores, and those of the bound on the same load.
        reference: figures that are 1.0.
    """
    body = [
        (
            name,
            _seconds(scores, reference, lambda each: each.first_server_seconds),
            _seconds(scores, reference, lambda each: each.new_requests_seconds),
            _seconds(scores, reference, lambda each: each.cleared_seconds),
            _seconds(scores, reference, lambda each: each.mean_wait_seconds),
            f"{scores.slow_seconds:,.0f}",
            f"{scores.gpu_seconds:,.0f}",
            f"{scores.gpu_seconds / bound.gpu_seconds:.2f}",
            f"{scores.changes_per_step:.2f}",
            f"{scores.most_servers:g}",
            f"{scores.at_max_seconds:,.0f}",
            f"{scores.lost:,.0f}",
        )
        for name, (scores, bound) in lines.items()
    ]
    return markdown([(first, *_HEADER), *body])


def _seconds(scores: Scores, reference: Scores | None, figure: Callable[[Scores], float]) -> str:
    value = figure(scores)
    if math.isnan(value):
        return "-"
    if reference is None or not figure(reference):
        return significant(value)
    return f"{significant(value)} ({significant(value / figure(reference), 2)} x)"
