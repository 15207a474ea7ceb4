"""Sentences on the values of a frame that an operator should look at first. Pure."""

from collections.abc import Iterator

from observation.facts import Unknown
from observation.frame import Frame
from observation.promql import REFUSALS_SECONDS
from observation.servers import State

_STUCK = (State.FAILING, State.UNPLACED)
"""States that do not pass by themselves."""
_LEAST_FAILED = 0.005
"""Failed requests a second that are shown as more than 0."""


def concerns(frame: Frame) -> list[str]:
    """Return what needs a look, in a few words each; empty: nothing does."""
    return [*_servers(frame), *_calls(frame), *_unknown(frame)]


def _servers(frame: Frame) -> Iterator[str]:
    decisions = [] if isinstance(frame.scaling, Unknown) else frame.scaling
    unwanted = {found.pool for found in decisions if found.wants == 0}
    for pool in frame.pools:
        if pool.counts and not pool.counts[State.READY] and pool.name not in unwanted:
            yield f"no ready server in pool {pool.name}"
        for state in _STUCK:
            if count := pool.counts.get(state, 0):
                yield f"{count} {state} server{'s' if count > 1 else ''} in pool {pool.name}"


def _calls(frame: Frame) -> Iterator[str]:
    if not isinstance(frame.entrance, Unknown) and frame.entrance.refusals:
        refused = sum(frame.entrance.refusals.values())
        yield f"{refused:.0f} calls refused in {REFUSALS_SECONDS // 60} minutes"
    for pool in frame.pools:
        if (pool.load.failed or 0) >= _LEAST_FAILED:
            yield f"failed requests in pool {pool.name}"


def _unknown(frame: Frame) -> Iterator[str]:
    parts = (frame.servers, frame.models, frame.entrance, frame.scaling, frame.happenings)
    if any(isinstance(part, Unknown) for part in parts):
        yield "not all could be asked"
