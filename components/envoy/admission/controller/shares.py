"""Shares of tenants while the servers are full.

Envoy refuses a fraction of each tenant's requests with RESOURCE_EXHAUSTED: the tenant sends less.

| observation                                               | requests of a tenant                         |
|-----------------------------------------------------------|----------------------------------------------|
| no request was refused by the limit                       | all are admitted                             |
| requests were refused by the limit: from the next round   | those over its share are refused             |
| afterwards less than half of the limit is in progress     | shares double each second until all are      |
|                                                           | admitted                                     |
| Envoy's counters restarted from 0                         | all are admitted until it is full again      |
| Envoy's admin interface does not answer                   | as before                                    |
| this program ends, crashes or hangs                       | all are admitted                             |

Shares divide the requests per second that were served under overload, max-min fair by weight: no tenant gets more than
it offers, and the others share the rest. We admit 5 % more than was served, so the limit keeps being reached and
capacity keeps being measured.
"""

from collections.abc import Mapping
from typing import NamedTuple

HEADROOM = 1.05
"""Requests admitted, as a multiple of those served."""
REFUSED_MAX = 0.999
"""Upper bound of the refused fraction. If we refused everything we could not see that the tenant still sends."""
SMOOTHING = 0.3
"""Weight of the last round in the moving averages of offered and served requests."""


class Counts(NamedTuple):
    """Envoy's counters since its start."""

    at_seconds: float
    """Monotonic time of the reading."""
    overflowed: int
    """Requests refused by the limit."""
    served: int
    """Requests of tenants that the servers answered."""
    let_through: Mapping[str, int]
    """Tenant -> requests not refused by its share: forwarded, or refused by the limit."""


class Shares(NamedTuple):
    """Measurements of the tenants and the resulting fractions, after a round."""

    counts: Counts
    """Counters of this round."""
    full: bool = False
    """True: requests were refused by the limit, and shares apply."""
    served: float | None = None
    """Capacity in requests per second: a moving average where it falls; None before the first measurement."""
    slack: float = 1.0
    """Multiplier on the shared capacity; doubles each idle second."""
    offered: Mapping[str, float] = {}
    """Tenant -> its requests per second while full, refused ones included, as a moving average."""
    refused: Mapping[str, float] = {}
    """Tenant -> fraction of its requests that is refused; a missing tenant has 0."""


def share(capacity: float, offered: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    """Divide a capacity among tenants, max-min fair by weight.

    Each tenant gets the smaller of its offer and its part by weight; tenants that want more divide the rest again. With
    equal weights, offers of 500 and 40 get 160 and 40 of a capacity of 200.

    Args:
        capacity: requests per second.
        offered: tenant -> requests per second that it sends.
        weights: tenant -> weight, for each tenant of `offered` at least.
    """
    shares, left, waiting = {}, capacity, sum(weights[tenant] for tenant in offered)
    for tenant in sorted(offered, key=lambda tenant: offered[tenant] / weights[tenant]):
        shares[tenant] = min(offered[tenant], left * weights[tenant] / waiting)
        left -= shares[tenant]
        waiting -= weights[tenant]
    return shares


def next_shares(before: Shares, counts: Counts, weights: Mapping[str, float], *, half_empty: bool) -> Shares:
    """Apply the second table of this module.

    Args:
        before: the result of the last round.
        counts: the counters of this round.
        weights: tenant -> weight, for all tenants.
        half_empty: True if less than half of the limit is in progress.
    """
    overflowed = counts.overflowed - before.counts.overflowed
    if not before.full or overflowed < 0:
        return Shares(counts, full=overflowed > 0)
    seconds = counts.at_seconds - before.counts.at_seconds
    # An idle server shows its load, not its capacity.
    idle = half_empty and overflowed == 0
    slack = 2 * before.slack if idle else 1.0
    now_served = (counts.served - before.counts.served) / seconds
    # The capacity rises at once and falls slowly: servers that stall for a second are fast again in the next.
    served = before.served if idle and before.served else max(now_served, smoothed(before.served, now_served))
    offered = {}
    for tenant in weights:
        let_through = counts.let_through.get(tenant, 0) - before.counts.let_through.get(tenant, 0)
        sent = let_through / seconds / (1 - before.refused.get(tenant, 0))
        offered[tenant] = smoothed(before.offered.get(tenant), sent)
    # 1 per second at least: doubled shares of 0 would stay 0.
    shares = share(slack * HEADROOM * max(served, 1.0), offered, weights)
    over = {tenant: 1 - shares[tenant] / offered[tenant] for tenant in weights if offered[tenant] > shares[tenant]}
    refused = {tenant: min(fraction, REFUSED_MAX) for tenant, fraction in over.items()}
    return Shares(counts, True, served, slack, offered, refused) if refused or not idle else Shares(counts)


def smoothed(before: float | None, now: float) -> float:
    """Return the exponentially weighted moving average; without a value before, the new one."""
    return now if before is None else before + SMOOTHING * (now - before)
