"""Rows of the table: SuperSONIC's autoscaler and ours in the cluster, and each beside its prediction."""

import math
from collections.abc import Callable

from benchmarks.autoscaling.policy_comparison import CLEARED_MAX, FIRST_SERVER_MAX, GPU_SECONDS_MAX, TURNS_MAX
from benchmarks.autoscaling.scores import Scores
from benchmarks.autoscaling.traces import Trace
from benchmarks.live_scaling.curves_plot import Curves
from benchmarks.live_scaling.deviation import Band, deviation
from benchmarks.result_table import Row
from benchmarks.statistics import quotient, significant

PREDICTED = ("simulated", "measured")
"""Headings of the rows of a prediction."""

_DEVIATION_MAX = 0.2

Figure = Callable[[Scores], float]

_FIGURES: dict[str, Figure] = {
    "first new server, s": lambda each: each.first_server_seconds,
    "new requests wait ≤ 1 s again, s": lambda each: each.new_requests_seconds,
    "backlog cleared, s": lambda each: each.cleared_seconds,
    "mean wait, s": lambda each: each.mean_wait_seconds,
    "server-seconds": lambda each: each.gpu_seconds,
}


def compared_rows(key: str, trace: Trace, theirs: Scores, ours: Scores, bound: Scores, *, rejected: str) -> list[Row]:
    """Return the figures of both sides in the cluster.

    Args:
        key: name of the benchmark.
        trace: the load.
        theirs: SuperSONIC's.
        ours: ours.
        bound: those of the bound, simulated.
        rejected: reason to reject them; empty if there is none.
    """
    aims = {"first new server, s": FIRST_SERVER_MAX, "backlog cleared, s": CLEARED_MAX}
    found = []
    for measure, figure in _FIGURES.items():
        aim, ratio = aims.get(measure), quotient(figure(ours), figure(theirs))
        found.append(
            Row(
                benchmark=key,
                measure=f"{trace.title}: {measure}",
                theirs=significant(figure(theirs)),
                ours=significant(figure(ours)),
                ratio=f"{significant(ratio)} x",
                aim="-" if aim is None else f"≤ {aim:g} x",
                reached=None if aim is None else ratio <= aim,
                rejected=rejected,
            )
        )

    def plain(measure: str, figure: Figure, aim: float) -> Row:
        return Row(
            benchmark=key,
            measure=f"{trace.title}: {measure}",
            theirs=significant(figure(theirs)),
            ours=significant(figure(ours)),
            aim=f"≤ {aim:g}",
            reached=figure(ours) <= aim,
            rejected=rejected,
        )

    return [
        *found,
        plain("server-seconds / clairvoyant", lambda each: each.gpu_seconds / bound.gpu_seconds, GPU_SECONDS_MAX),
        plain("changes of direction a step", lambda each: each.changes_per_step, TURNS_MAX),
        plain("requests lost", lambda each: each.lost, 0),
    ]


def predicted_rows(
    key: str, name: str, predicted: Scores, measured: Scores, curves: Curves, *, rejected: str
) -> list[Row]:
    """Return the figures of one side beside the simulator's, and the distance of the curves.

    Args:
        key: name of the benchmark.
        name: name of the side.
        predicted: medians of the simulator.
        measured: those of the cluster.
        curves: both over time.
        rejected: reason to reject them; empty if there is none.
    """
    figures = [
        _predicted(key, f"{name}: {measure}", figure(predicted), figure(measured), rejected)
        for measure, figure in _FIGURES.items()
    ]
    timeline = curves.measured.timeline
    return [
        *figures,
        _curve(key, f"{name}: servers, mean difference", timeline.pods, curves.servers, rejected),
        _curve(key, f"{name}: waiting requests, mean difference", timeline.waiting, curves.waiting, rejected),
    ]


def _predicted(key: str, measure: str, predicted: float, measured: float, rejected: str) -> Row:
    both_never = math.isinf(predicted) and math.isinf(measured)
    ratio = 1.0 if predicted == measured else quotient(measured, predicted)
    return Row(
        benchmark=key,
        measure=measure,
        compared=PREDICTED,
        theirs=significant(predicted),
        ours=significant(measured),
        ratio="-" if both_never else f"{significant(ratio)} x",
        aim=f"{1 - _DEVIATION_MAX:g} to {1 + _DEVIATION_MAX:g} x",
        reached=None if both_never else math.isfinite(ratio) and abs(ratio - 1) <= _DEVIATION_MAX,
        rejected=rejected,
    )


def _curve(key: str, measure: str, measured: list[float] | list[int], predicted: Band, rejected: str) -> Row:
    """Return the distance from the simulator's median; beside it, that of one of the simulator's own runs."""
    found = deviation(measured, predicted.middle)
    return Row(
        benchmark=key,
        measure=measure,
        compared=PREDICTED,
        theirs=f"{predicted.own_deviation:.0%}",
        ours=f"{found:.0%}",
        aim=f"≤ {_DEVIATION_MAX:.0%}",
        reached=found <= _DEVIATION_MAX,
        rejected=rejected,
    )
