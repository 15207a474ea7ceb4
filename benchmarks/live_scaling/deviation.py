"""The distance of the simulator's curves from those that were measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, median, quantiles

from benchmarks.autoscaling.simulation import Run, Timeline

OfTimeline = Callable[[Timeline], Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Band:
    """A curve of several runs of the simulator, one value a second."""

    low: Sequence[float]
    """5th percentile of each second."""
    middle: Sequence[float]
    """Median of each second."""
    high: Sequence[float]
    """95th percentile of each second."""
    runs: Sequence[Sequence[float]]
    """Curve of each run."""

    @property
    def own_deviation(self) -> float:
        """Median deviation of one of its runs from its median curve, by what the seeds draw."""
        return median(deviation(run, self.middle) for run in self.runs)


def band(runs: Sequence[Run], values: OfTimeline) -> Band:
    """Return a curve of at least two runs, whose time step is a part of a second."""
    curves = [values(run.timeline)[:: round(1 / run.trace.step_seconds)] for run in runs]
    cuts = [quantiles(instant, n=20, method="inclusive") for instant in zip(*curves, strict=True)]
    middle = [median(instant) for instant in zip(*curves, strict=True)]
    return Band(low=[cut[0] for cut in cuts], middle=middle, high=[cut[-1] for cut in cuts], runs=curves)


def deviation(measured: Sequence[float], predicted: Sequence[float]) -> float:
    """Return the mean absolute difference, as a part of the measured mean.

    Raises:
        ValueError: the curves are of different length, or the measured one is zero.
    """
    if not any(measured):
        msg = "the measured curve is zero: a difference has no relation to it"
        raise ValueError(msg)
    return mean(abs(one - other) for one, other in zip(measured, predicted, strict=True)) / mean(measured)
