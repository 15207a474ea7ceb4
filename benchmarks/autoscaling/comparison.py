"""A policy, or the bound, on a load with several seeds; and the table of their scores."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.autoscaling.clairvoyant import Clairvoyant
from benchmarks.autoscaling.policies import our_times
from benchmarks.autoscaling.policy import Autoscaler, Policy
from benchmarks.autoscaling.pool import ServerTimes
from benchmarks.autoscaling.routing import shortest_queue
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


def follow(
    policy: Policy, trace: Trace, kind: ServerKind, seeds: Sequence[int], *, decision_seconds: float | None = None
) -> Result:
    """Run a policy once for each seed, with one of its decisions at this moment if there is one."""

    def run(seed: int) -> Run:
        return simulate(
            trace,
            Autoscaler(policy, servers_min=trace.servers_min, servers_max=trace.servers_max),
            kind=kind,
            times=policy.times,
            scrape_seconds=policy.scrape_seconds,
            routing=policy.routing,
            seed=seed,
            decision_seconds=decision_seconds,
        )

    return _repeated(run, seeds)


def foresee(trace: Trace, kind: ServerKind, seeds: Sequence[int], times: ServerTimes | None = None) -> Result:
    """Run the bound once for each seed; its servers start and stop at these times, by default at ours."""
    times = times or our_times()
    bound = Clairvoyant(
        trace.load,
        seconds=trace.seconds,
        servers_min=trace.servers_min,
        start_seconds=times.start_seconds(kind),
        stop_seconds=times.stop_seconds,
    )

    def run(seed: int) -> Run:
        return simulate(
            trace,
            bound,
            kind=kind,
            times=times,
            scrape_seconds=_BOUND_SCRAPE_SECONDS,
            routing=shortest_queue,
            seed=seed,
        )

    return _repeated(run, seeds)


def _repeated(run: Callable[[int], Run], seeds: Sequence[int]) -> Result:
    first: Run | None = None
    scores = []
    for seed in seeds:
        found = run(seed)
        first = first or found
        scores.append(score(found))
    if first is None:
        msg = "there is no seed: name one at least"
        raise ValueError(msg)
    return Result(run=first, scores=scores)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the table."""

    scores: Scores
    bound: Scores
    """Scores of the bound on the same load."""
    reference: Scores | None = None
    """Scores whose waits are 1.0 x; None: no ratio is given."""


def table(first: str, lines: Mapping[str, Line]) -> str:
    """Return the scores as Markdown.

    Args:
        first: heading of the first column.
        lines: first cell -> line.
    """
    body = [
        (
            name,
            _seconds(line, lambda each: each.first_server_seconds),
            _seconds(line, lambda each: each.new_requests_seconds),
            _seconds(line, lambda each: each.cleared_seconds),
            _seconds(line, lambda each: each.mean_wait_seconds),
            f"{line.scores.slow_seconds:,.0f}",
            f"{line.scores.gpu_seconds:,.0f}",
            f"{line.scores.gpu_seconds / line.bound.gpu_seconds:.2f}",
            f"{line.scores.changes_per_step:.2f}",
            f"{line.scores.most_servers:g}",
            f"{line.scores.at_max_seconds:,.0f}",
            f"{line.scores.lost:,.0f}",
        )
        for name, line in lines.items()
    ]
    return markdown([(first, *_HEADER), *body])


def _seconds(line: Line, figure: Callable[[Scores], float]) -> str:
    value, reference = figure(line.scores), line.reference
    if math.isnan(value):
        return "-"
    if reference is None or not figure(reference):
        return significant(value)
    return f"{significant(value)} ({significant(value / figure(reference), 2)} x)"
