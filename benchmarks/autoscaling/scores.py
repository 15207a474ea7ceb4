"""Scores of a run, and of the runs of several seeds."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.autoscaling.simulation import Run

_SLOW_SECONDS = 1.0
"""Wait from which a queue is a backlog. Poisson arrivals alone make shorter ones."""
_SURGE_FULL_SECONDS = 60.0
"""Time after which a surge has its whole load."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Figures of one run, or the medians of several."""

    first_server_seconds: float
    """From the surge until Envoy knows a new server; NaN where the load has no surge, 0 where there were enough,
    infinite if none came."""
    new_requests_seconds: float
    """From the surge until a new request waits no longer than the limit; 0 if none ever did."""
    cleared_seconds: float
    """From the surge until no queue is a backlog; 0 if none ever was."""
    mean_wait_seconds: float
    """Regret: the waiting requests, integrated over time, for each request."""
    slow_seconds: float
    """Time in which a new request waits longer than the limit."""
    gpu_seconds: float
    """Pods x time, with starts and drains."""
    changes_per_step: float
    """Changes of direction of the number of servers, for each rise or fall of the load."""
    most_servers: float
    at_max_seconds: float
    """Time with as many servers as are allowed."""
    lost: float
    """Requests that a removed server had not completed when its grace period ended."""


def score(run: Run) -> Scores:
    """Return the figures of one run."""
    timeline, step_seconds = run.timeline, run.trace.step_seconds
    return Scores(
        first_server_seconds=_first_server_seconds(run),
        new_requests_seconds=_recovery_seconds(run, timeline.next_seconds),
        cleared_seconds=_recovery_seconds(run, timeline.longest_seconds),
        mean_wait_seconds=sum(timeline.waiting) * step_seconds / run.arrived,
        slow_seconds=sum(wait > _SLOW_SECONDS for wait in timeline.next_seconds) * step_seconds,
        gpu_seconds=run.gpu_seconds,
        changes_per_step=_direction_changes(timeline.wanted) / run.trace.changes,
        most_servers=max(timeline.wanted),
        at_max_seconds=sum(number == run.trace.servers_max for number in timeline.wanted) * step_seconds,
        lost=run.lost,
    )


def median(scores: Sequence[Scores]) -> Scores:
    """Return the median of each figure; of the losses, the largest."""

    def middle(figure: Callable[[Scores], float]) -> float:
        return statistics.median(figure(each) for each in scores)

    return Scores(
        first_server_seconds=middle(lambda each: each.first_server_seconds),
        new_requests_seconds=middle(lambda each: each.new_requests_seconds),
        cleared_seconds=middle(lambda each: each.cleared_seconds),
        mean_wait_seconds=middle(lambda each: each.mean_wait_seconds),
        slow_seconds=middle(lambda each: each.slow_seconds),
        gpu_seconds=middle(lambda each: each.gpu_seconds),
        changes_per_step=middle(lambda each: each.changes_per_step),
        most_servers=middle(lambda each: each.most_servers),
        at_max_seconds=middle(lambda each: each.at_max_seconds),
        lost=max(each.lost for each in scores),
    )


def _first_server_seconds(run: Run) -> float:
    if run.trace.surge is None:
        return math.nan
    begin, _ = run.trace.surge
    serving = list(zip(run.timeline.seconds, run.timeline.serving, strict=True))
    before = max(servers for now, servers in serving if now <= begin)
    if before >= run.trace.load(begin + _SURGE_FULL_SECONDS):
        return 0.0
    return next((now - begin for now, servers in serving if now > begin and servers > before), math.inf)


def _recovery_seconds(run: Run, waits: Sequence[float]) -> float:
    """Return the time from the surge until a wait that rose above the limit is back below it.

    A wait that rises again later is in `slow_seconds` and in the mean wait.
    """
    if run.trace.surge is None:
        return math.nan
    begin, _ = run.trace.surge
    later = [(now, wait) for now, wait in zip(run.timeline.seconds, waits, strict=True) if now >= begin]
    risen = next((now for now, wait in later if wait > _SLOW_SECONDS), None)
    if risen is None:
        return 0.0
    return next((now - begin for now, wait in later if now > risen and wait <= _SLOW_SECONDS), math.inf)


def _direction_changes(numbers: Sequence[int]) -> int:
    directions = [after > before for before, after in pairwise(numbers) if after != before]
    return sum(one != other for one, other in pairwise(directions))
