"""The limit on requests in progress, and the refusal of new jobs.

| observation                                    | limit on requests in progress | new jobs                       |
|------------------------------------------------|-------------------------------|--------------------------------|
| n healthy servers in pools that get requests   | limit per server x n / Envoys |                                |
|                                                | (n is 1 at least)             |                                |
| wait in the queues at the threshold or above   |                               | refused                        |
| 90 % of the limit in progress, or more         |                               | refused                        |
| all known loads below half of these values     |                               | admitted                       |
| a load in between                              |                               | as before; admitted at a start |
| wait unknown: Prometheus down, slow, empty,    | does not depend on the wait   | by requests in progress alone  |
| stale or NaN                                   |                               |                                |
| Prometheus returns several series              | does not depend on the wait   | by the longest wait            |
| Envoy's admin interface does not answer        | as before                     | as before                      |
| this program ends, crashes or hangs            | that of Envoy's configuration | admitted                       |

Envoy refuses requests over the limit, and the first call of a new job (`RepositoryIndex`), with UNAVAILABLE: the client
tries another site.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .policy import Policy

FULL_SHARE = 0.9
"""Fraction of the limit from which on new jobs are refused, so that requests of running jobs are refused later."""
HYSTERESIS = 0.5
"""Fraction of the refusing load below which new jobs are admitted again."""
OVERPROVISIONING = 1.4
"""Envoy's default: with 1 / 1.4 of its servers healthy a pool gets all requests, and with fewer the next pool helps."""


class Load(NamedTuple):
    """The load of one cluster of Envoy's."""

    in_flight: int
    """Requests in progress in this Envoy."""
    servers: int
    """Healthy servers of the pools that get requests."""


class Decision(NamedTuple):
    """The values of Envoy's runtime keys."""

    requests_max: Mapping[str, int]
    """Cluster -> limit on requests in progress in this Envoy."""
    refuse_new_jobs: bool
    """True: every RepositoryIndex call is refused."""


def decide(loads: Mapping[str, Load], queue_ms: float | None, policy: Policy, *, refusing: bool) -> Decision:
    """Apply the table of this module.

    Args:
        loads: cluster -> its load in this round.
        queue_ms: wait in the servers' queues; None: unknown.
        policy: the declared limits.
        refusing: True if the last round refused new jobs; False after a start.
    """
    all_in_flight = sum(load.in_flight for load in loads.values())
    # All clusters share Envoy's memory.
    limits = {
        cluster: min(_share(load, policy), max(1, policy.requests_max - (all_in_flight - load.in_flight)))
        for cluster, load in loads.items()
    }
    fractions = []
    if policy.requests_in_flight_per_server_max is not None:
        fractions.append(all_in_flight / (FULL_SHARE * sum(limits.values())))
    if policy.queue_refuse_new_jobs_ms is not None and queue_ms is not None:
        fractions.append(queue_ms / policy.queue_refuse_new_jobs_ms)
    fraction = max(fractions, default=0.0)
    return Decision(limits, fraction >= 1 or (refusing and fraction >= HYSTERESIS))


def _share(load: Load, policy: Policy) -> int:
    if policy.requests_in_flight_per_server_max is None:
        return policy.requests_max
    return math.ceil(policy.requests_in_flight_per_server_max * max(load.servers, 1) / policy.envoys)


def servers_in_use(hosts: Sequence[Mapping[str, Any]]) -> int:
    """Count the healthy servers of the pools that get requests, from `host_statuses` of Envoy's `/clusters`.

    A reserve pool gets no requests while the pools before it are healthy, so its servers do not raise the limit.
    """
    servers, missing = 0, 1.0
    for priority in sorted({host.get("priority", 0) for host in hosts}):
        health = [host["health_status"] for host in hosts if host.get("priority", 0) == priority]
        checked = [status for status in health if "pending_active_hc" not in status]
        healthy = sum(status == {"eds_health_status": "HEALTHY"} for status in checked)
        servers += healthy
        missing -= OVERPROVISIONING * healthy / max(len(checked), 1)
        if missing <= 0:
            break
    return servers
