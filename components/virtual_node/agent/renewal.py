"""Renewal: servers that reach their time limit soon are replaced before it, by a restart of their Deployment.

A Deployment starts new pods and, once these are ready, ends those with the lowest `pod-deletion-cost`. Each pod has the
minute of its job's end as that cost. So a restart, like the autoscaler, ends the job first that would end first, and
the next restart finds the ends as far apart as the queue and the models' loading make them.

A replacement takes one wait in the queue and one start, and a Deployment replaces `at_once` pods at the same time. With
the ends e1 <= e2 <= ... of the jobs, the restart begins when

    e(i) - now < ceil(i / at_once) x (wait + start) + margin      for an i

which is when the i-th server would otherwise end before its turn. Without the agent a job drains at its limit, and its
successor begins to wait then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MARGIN_SECONDS = 120
"""Two looks of the agent."""


def due(ends: Sequence[float], *, now: float, step_seconds: float, at_once: int) -> bool:
    """Return True when the servers must be replaced.

    Args:
        ends: time limits of the running jobs of a pool, in seconds since 1970.
        now: time in seconds since 1970.
        step_seconds: wait in the queue and start of one server.
        at_once: servers that the Deployment replaces at the same time.
    """
    turns = ((number // at_once + 1, end) for number, end in enumerate(sorted(ends)))
    return any(end - now < turn * step_seconds + MARGIN_SECONDS for turn, end in turns)


def cost(end: float) -> str:
    """Return the `pod-deletion-cost` of a pod by the end of its job: minutes since 1970, which 32 bits hold."""
    return str(int(end // 60))
