"""Policies: SuperSONIC's, Purdue's, ours and the bound, on every load."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.autoscaling.comparison import CLAIRVOYANT, Line, Result, follow, foresee, table
from benchmarks.autoscaling.plot import draw
from benchmarks.autoscaling.policies import (
    OURS,
    SUPERSONIC,
    ours,
    ours_before,
    purdue,
    supersonic,
    supersonic_pr_85,
)
from benchmarks.autoscaling.policy import Policy
from benchmarks.autoscaling.scores import Scores
from benchmarks.autoscaling.server import ServerKind
from benchmarks.autoscaling.traces import Trace
from benchmarks.bench import Bench
from benchmarks.result_table import Row
from benchmarks.statistics import interval, ratio, significant
from stacks.schema.experiment import Scaling

KEY = "policies"

FIRST_SERVER_MAX = 0.33
CLEARED_MAX = 0.12
GPU_SECONDS_MAX = 1.25
TURNS_MAX = 1.0

Figure = Callable[[Scores], float]


def policies(scaling: Scaling) -> list[Policy]:
    """Return the policies that are compared, the reference first."""
    return [supersonic(), supersonic_pr_85(), purdue(), ours_before(scaling), ours(scaling)]


@dataclass(frozen=True, kw_only=True)
class PolicyComparison:
    """One load."""

    trace: Trace
    repetitions: int
    """Seeds: moments of scrapes and decisions, and arrivals."""

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return 1

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.repetitions * 6 * self.trace.seconds / self.trace.step_seconds * 3e-5

    def run(self, bench: Bench) -> list[Row]:
        """Simulate it."""
        seeds = range(bench.seed, bench.seed + self.repetitions)
        with bench.progress.step(f"{self.trace.name}: {len(seeds)} seeds"):
            results = compare(self.trace, ServerKind(), seeds)
            bound = results[CLAIRVOYANT].median
            reference = results[SUPERSONIC].median
            lines = {
                name: Line(scores=result.median, bound=bound, reference=reference) for name, result in results.items()
            }
            text = table("policy", lines)
            bench.results.file(f"{self.trace.name}.md").write_text(f"{text}\n")
            runs = {name: result.run for name, result in results.items()}
            draw(runs, file=bench.results.file(f"{self.trace.name}.svg"))
            return rows(self.trace, results)


def compare(trace: Trace, kind: ServerKind, seeds: Sequence[int]) -> dict[str, Result]:
    """Run every policy on a load, and the bound."""
    scaling = Scaling(servers_max=trace.servers_max)
    results = {policy.name: follow(policy, trace, kind, seeds) for policy in policies(scaling)}
    return {**results, CLAIRVOYANT: foresee(trace, kind, seeds)}


def rows(trace: Trace, results: Mapping[str, Result]) -> list[Row]:
    """Return SuperSONIC's defaults and ours; the aims are those for a surge."""
    theirs, own = results[SUPERSONIC], results[OURS]
    bound = results[CLAIRVOYANT].median.gpu_seconds
    surge = trace.surge is not None and not trace.waves
    found = []
    if surge:
        found += [
            _ratio_row(trace, theirs, own, "first new server, s", lambda s: s.first_server_seconds, FIRST_SERVER_MAX),
            _ratio_row(trace, theirs, own, "new requests wait ≤ 1 s again, s", lambda s: s.new_requests_seconds, None),
            _ratio_row(trace, theirs, own, "backlog cleared, s", lambda s: s.cleared_seconds, CLEARED_MAX),
        ]
    found += [
        _ratio_row(trace, theirs, own, "mean wait, s", lambda s: s.mean_wait_seconds, None),
        _plain_row(trace, theirs, own, "GPU-seconds / clairvoyant", lambda s: s.gpu_seconds / bound, GPU_SECONDS_MAX),
        _plain_row(trace, theirs, own, "changes of direction a step", lambda s: s.changes_per_step, TURNS_MAX),
    ]
    return found


def _ratio_row(trace: Trace, theirs: Result, own: Result, measure: str, figure: Figure, aim: float | None) -> Row:
    found = ratio([figure(each) for each in own.scores], [figure(each) for each in theirs.scores])
    return Row(
        benchmark=KEY,
        measure=f"{trace.title}: {measure}",
        theirs=significant(figure(theirs.median)),
        ours=significant(figure(own.median)),
        ratio=str(found),
        aim="-" if aim is None else f"≤ {aim:g} x",
        reached=None if aim is None else found.median <= aim,
    )


def _plain_row(trace: Trace, theirs: Result, own: Result, measure: str, figure: Figure, aim: float) -> Row:
    found = interval([figure(each) for each in own.scores])
    return Row(
        benchmark=KEY,
        measure=f"{trace.title}: {measure}",
        theirs=significant(figure(theirs.median)),
        ours=str(found),
        aim=f"≤ {aim:g}",
        reached=found.median <= aim,
    )
