"""The fraction of requests that goes to the next pool because the first one is full.

A pool is full when it has more requests in progress than both of these:

- so many that one spends `spill_ms` in the pool: requests completed per second x `spill_ms` / 1000, by Little's law;
- `spill_in_flight_per_server` for each healthy server. Long requests are no queue: without this, a pool that executes
  one of them would be full.

| observation                                      | requests to the next pool                                  |
|--------------------------------------------------|------------------------------------------------------------|
| the first pool is not full                       | none                                                       |
| the first pool is full                           | those that would leave it full in a second                 |
| afterwards it is less than half full             | a quarter more per second go to the first pool until all do|
| the next pools are full                          | as many as do not leave them full, and a quarter more per  |
|                                                  | second while they are less than half full                  |
| the next pools, or the first, have no healthy    | none: Envoy itself sends all requests to the other pools   |
| server                                           |                                                            |
| Envoy's counters restarted from 0                | none, until the first pool is full again                   |
| Envoy's admin interface does not answer          | as before                                                  |
| this program ends, crashes or hangs              | none                                                       |
"""

import math
from typing import NamedTuple

from .policy import PERIOD_SECONDS, Policy

GROWTH = 1.25
"""Requests admitted to a pool that is less than half full, as a multiple of those completed."""
DRAIN = 0.25
"""Requests admitted at least to a full pool, as a multiple of those completed: what it does is measured by them."""
SMALLEST = 0.01
"""Fraction below which none goes to the next pool."""


class Flow(NamedTuple):
    """Traffic of one cluster of Envoy's."""

    at_seconds: float
    """Monotonic time of the reading."""
    sent: int
    """Requests sent to its servers since Envoy's start."""
    completed: int
    """Requests that they completed since then, failures included."""
    in_flight: int
    """Requests in progress in this Envoy."""
    servers: int
    """Healthy servers of the pools that get requests."""


class Spill(NamedTuple):
    """The flows of a round, and the fraction that results from them."""

    first: Flow
    """The cluster that prefers the first pool."""
    following: Flow
    """The cluster that prefers the pools after it."""
    fraction: float = 0.0
    """Fraction of the requests that goes to the next pool."""
    ceiling: float = math.inf
    """Requests per second that the next pool gets at most: known once it was full."""


def next_spill(before: Spill, first: Flow, following: Flow, policy: Policy) -> Spill:
    """Apply the table of this module.

    Args:
        before: the result of the last round.
        first: the first pool's traffic.
        following: the traffic of the pools after it.
        policy: what makes a pool full.
    """
    none = Spill(first, following)
    here, there = _Round.between(before.first, first, policy), _Round.between(before.following, following, policy)
    offered = here.sent + there.sent
    usable = offered > 0 and here.sent >= 0 and there.sent >= 0 and first.servers and following.servers
    if not usable or not (before.fraction or here.in_flight > here.room):
        return none
    ceiling = before.ceiling * GROWTH if there.in_flight < there.room / 2 else there.admitted
    fraction = min(1 - here.admitted / offered, ceiling / offered, 1.0)
    return none if fraction < SMALLEST else Spill(first, following, fraction, ceiling)


class _Round(NamedTuple):
    """A round of one cluster."""

    sent: float
    """Requests per second."""
    completed: float
    """Requests per second."""
    in_flight: int
    """Requests in progress at its end."""
    room: float
    """Requests in progress with which the pool is full."""

    @classmethod
    def between(cls, before: Flow, now: Flow, policy: Policy) -> "_Round":
        seconds = max(now.at_seconds - before.at_seconds, 1e-3)
        completed = (now.completed - before.completed) / seconds
        crowd = policy.spill_in_flight_per_server * now.servers / policy.envoys
        room = max(crowd, completed * (policy.spill_ms or 0) / 1000)
        return cls((now.sent - before.sent) / seconds, completed, now.in_flight, room)

    @property
    def admitted(self) -> float:
        """Requests per second with which the pool is exactly full after one more round.

        In a round the requests in progress change by those admitted less those completed.
        """
        if self.in_flight < self.room / 2:
            return self.completed * GROWTH
        wanted = self.completed + (self.room - self.in_flight) / PERIOD_SECONDS
        return min(max(wanted, self.completed * DRAIN), self.completed * GROWTH)
