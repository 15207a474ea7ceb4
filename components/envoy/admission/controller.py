"""Decides once a second how much work the Envoy beside it lets in. Standard library only: a pod runs this very file.

No request waits for this program: it writes runtime keys of Envoy, and Envoy decides by these alone.

| what is seen                                   | requests in progress          | new jobs                       |
|------------------------------------------------|-------------------------------|--------------------------------|
| servers that Envoy uses                        | limit per server x servers    |                                |
|                                                | / Envoys, for one at least    |                                |
| wait in the queues at the threshold or above   |                               | refused                        |
| 90 % of the limit in progress, or more         |                               | refused                        |
| all that is known is below half of that        |                               | taken                          |
| in between                                     |                               | as before; after a start taken |
| wait unknown: Prometheus down, slow, empty,    | as ever: nothing of it is     | by what is in progress alone   |
| stale, NaN; of several series the worst counts | Prometheus' to say            |                                |
| Envoy's admin interface does not answer        | as it was                     | as it was                      |
| this program ends, crashes or hangs            | as Envoy's configuration says | taken                          |

What is over the limit, and a new job (`RepositoryIndex`), is refused with UNAVAILABLE: "try elsewhere".

Where tenants are told apart, of each some fraction of its requests is refused with RESOURCE_EXHAUSTED: "send less".

| what is seen                                              | of a tenant's requests                       |
|-----------------------------------------------------------|----------------------------------------------|
| none was refused for the limit                            | all are taken                                |
| in the last two rounds some were                          | what is over its share is refused            |
| then less than half of the limit is in progress           | shares double each second, until all are     |
|                                                           | taken                                        |
| Envoy has counted from 0 again                            | all are taken, until it is seen to be full   |
| Envoy's admin interface does not answer                   | as it was                                    |
| this program ends, crashes or hangs                       | all are taken                                |

Shares are max-min fair by weight, of what was served while full: none gets more than it offers, and what one leaves
goes to the others. We admit 5 % more than was served, so the limit keeps being reached and capacity measured.
"""

import http.client
import json
import math
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

CLUSTER = "servers"
"""Envoy's name of the cluster of all servers."""
LIMIT_KEY = f"circuit_breakers.{CLUSTER}.default.max_requests"
"""Envoy's runtime key of that cluster's circuit breaker."""
REFUSE_NEW_JOBS_KEY = "admission.refuse_new_jobs"
"""Per cent of the calls of RepositoryIndex that are refused: 0 or 100."""
ROUTES = "vhost.servers.route"
"""Prefix of Envoy's counters of the requests of each tenant."""
OVERFLOWS = f"cluster.{CLUSTER}.upstream_rq_active_overflow"
"""Envoy's counter of what was refused for the limit."""

FULL_SHARE = 0.9
"""Of the limit: with so much in progress no new job comes in, before requests of those that run are refused."""
HYSTERESIS = 0.5
"""New jobs come in again below this share of what refuses them."""
HEADROOM = 1.05
"""Requests admitted, as a multiple of those served."""
REFUSED_MAX = 0.999
"""Upper bound of the refused fraction. If we refused everything we could not see that the tenant still sends."""
SMOOTHING = 0.3
"""Weight of the last round in what is offered and served."""
OVERPROVISIONING = 1.4
"""Envoy's own factor: with 1 / 1.4 of its servers healthy a pool takes all requests, with fewer the next helps."""

PERIOD_SECONDS = 1.0
ADMIN_TIMEOUT_SECONDS = 1.0
PROMETHEUS_TIMEOUT_SECONDS = 2.0
STALE_SECONDS = 30.0
"""An answer about another time than the last half minute says nothing of now."""
ANSWER_BYTES_MAX = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is declared."""

    requests_in_flight_per_server_max: int | None
    """Requests in progress for each server that Envoy uses, over all Envoys; None: no limit but Envoy's memory."""
    envoys: int
    """Envoys that share the servers."""
    requests_max: int
    """The limit in Envoy's configuration, which none that is computed exceeds."""
    queue_refuse_new_jobs_ms: float | None
    """Wait from which on new jobs are refused; None: the wait is not asked for."""
    prometheus_url: str
    """Asked only where a wait refuses."""
    query: str
    """The wait in the queues in milliseconds, in PromQL."""
    admin_port: int
    """Of Envoy, on loopback."""
    weights: Mapping[str, float]
    """Tenant -> its share, to that of the others; empty where nobody is told apart."""


class Observation(NamedTuple):
    """What is seen at one time."""

    in_flight: int
    """Requests in progress in this Envoy."""
    servers: int
    """Servers that Envoy uses."""
    queue_ms: float | None
    """Wait in the servers' queues; None: nobody knows."""


class Decision(NamedTuple):
    """What Envoy is told."""

    requests_max: int
    """Requests that may be in progress."""
    refuse_new_jobs: bool
    """Whether a job that asks what is served is sent elsewhere."""


class Counts(NamedTuple):
    """What Envoy has counted since it began."""

    at_seconds: float
    """When it was read."""
    overflowed: int
    """Refused for the limit."""
    served: int
    """Answered by the servers."""
    let_through: Mapping[str, int]
    """Tenant -> requests not refused by its share: forwarded, or refused by the limit."""


class Shares(NamedTuple):
    """Measurements of the tenants and decisions on them, after a round."""

    counts: Counts
    """The last ones."""
    full: bool = False
    """Whether there was more work than the limit."""
    served: float | None = None
    """Requests a second while full, smoothed where they fall; None while that is not known."""
    slack: float = 1.0
    """Multiplier on the shared capacity; doubles each idle second."""
    offered: Mapping[str, float] = {}
    """Tenant -> its requests a second while full, refused ones included, smoothed."""
    refused: Mapping[str, float] = {}
    """Tenant -> fraction of its requests that is refused; 0 for those that are not there."""


def refuse_key(tenant: str) -> str:
    """Envoy's runtime key of the fraction of the tenant's requests that is refused."""
    return f"admission.refuse.{tenant}"


def decide(seen: Observation, policy: Policy, *, refusing: bool) -> Decision:
    """The table above, as a function.

    Args:
        seen: what is seen now.
        policy: what is declared.
        refusing: whether new jobs are being refused; False after a start.
    """
    limit, loads = policy.requests_max, []
    if policy.requests_in_flight_per_server_max is not None:
        share = policy.requests_in_flight_per_server_max * max(seen.servers, 1) / policy.envoys
        limit = min(math.ceil(share), policy.requests_max)
        loads.append(seen.in_flight / (FULL_SHARE * limit))
    if policy.queue_refuse_new_jobs_ms is not None and seen.queue_ms is not None:
        loads.append(seen.queue_ms / policy.queue_refuse_new_jobs_ms)
    load = max(loads, default=0.0)
    return Decision(limit, load >= 1 or (refusing and load >= HYSTERESIS))


def share(capacity: float, offered: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    """Tenant -> what it gets of a capacity: max-min fair by weight, and nothing stays unused that anybody offers."""
    shares, left, waiting = {}, capacity, sum(weights[tenant] for tenant in offered)
    for tenant in sorted(offered, key=lambda tenant: offered[tenant] / weights[tenant]):
        shares[tenant] = min(offered[tenant], left * weights[tenant] / waiting)
        left -= shares[tenant]
        waiting -= weights[tenant]
    return shares


def next_shares(before: Shares, counts: Counts, weights: Mapping[str, float], *, half_empty: bool) -> Shares:
    """The second table above, as a function.

    Args:
        before: after the last round.
        counts: what is counted now.
        weights: of all tenants.
        half_empty: whether less than half of the limit is in progress.
    """
    overflowed = counts.overflowed - before.counts.overflowed
    if not before.full or overflowed < 0:
        return Shares(counts, full=overflowed > 0)
    seconds = counts.at_seconds - before.counts.at_seconds
    # An idle server shows its load, not its capacity.
    idle = half_empty and overflowed == 0
    slack = 2 * before.slack if idle else 1.0
    now_served = (counts.served - before.counts.served) / seconds
    # Up at once, down slowly: a second in which they stood still says little of the next.
    served = before.served if idle and before.served else max(now_served, smoothed(before.served, now_served))
    offered = {}
    for tenant in weights:
        let_through = counts.let_through.get(tenant, 0) - before.counts.let_through.get(tenant, 0)
        sent = let_through / seconds / (1 - before.refused.get(tenant, 0))
        offered[tenant] = smoothed(before.offered.get(tenant), sent)
    # Where they answered nothing at all, one a second is something to begin with.
    shares = share(slack * HEADROOM * max(served, 1.0), offered, weights)
    over = {tenant: 1 - shares[tenant] / offered[tenant] for tenant in weights if offered[tenant] > shares[tenant]}
    refused = {tenant: min(fraction, REFUSED_MAX) for tenant, fraction in over.items()}
    return Shares(counts, True, served, slack, offered, refused) if refused or not idle else Shares(counts)


def smoothed(before: float | None, now: float) -> float:
    """Exponentially weighted moving average; the first value as it is."""
    return now if before is None else before + SMOOTHING * (now - before)


def servers_in_use(hosts: Sequence[Mapping[str, Any]]) -> int:
    """Healthy servers of the pools that Envoy sends requests to, of `host_statuses` of its `/clusters`.

    A pool that stands by for others to fail takes nothing, so its servers are no reason to let more in.
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


def queue_ms_of(answer: bytes, *, now_seconds: float) -> float | None:
    """The wait that Prometheus tells, the longest if it tells several; None where it tells none that counts.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is no answer of Prometheus' HTTP API.
    """
    reply = json.loads(answer)
    if reply["status"] != "success":
        return None
    samples = [(float(at), float(value)) for at, value in (series["value"] for series in reply["data"]["result"])]
    fresh = [value for at, value in samples if abs(now_seconds - at) <= STALE_SECONDS and math.isfinite(value)]
    return max(fresh, default=None)


class Prometheus(threading.Thread):
    """Asks once a second, in a thread of its own: however long an answer takes, nothing waits for it."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(daemon=True)
        words = urllib.parse.urlencode({"query": policy.query})
        self._url = f"{policy.prometheus_url.rstrip('/')}/api/v1/query?{words}"
        self._last: tuple[float, float | None] = (-math.inf, None)

    def queue_ms(self) -> float | None:
        """The last wait that was told, unless it is stale."""
        at_seconds, queue_ms = self._last
        return queue_ms if time.monotonic() - at_seconds <= STALE_SECONDS else None

    def run(self) -> None:
        """Ask for ever."""
        while True:
            try:
                with urllib.request.urlopen(self._url, timeout=PROMETHEUS_TIMEOUT_SECONDS) as answer:  # noqa: S310
                    queue_ms = queue_ms_of(answer.read(ANSWER_BYTES_MAX), now_seconds=time.time())
            except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError, AttributeError):
                queue_ms = None
            self._last = (time.monotonic(), queue_ms)
            time.sleep(PERIOD_SECONDS)


def ask_envoy(policy: Policy, method: str, path: str) -> bytes:
    """The answer of Envoy's admin interface.

    Raises:
        OSError, http.client.HTTPException: there is none, or not in time.
    """
    connection = http.client.HTTPConnection("127.0.0.1", policy.admin_port, timeout=ADMIN_TIMEOUT_SECONDS)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        msg = f"{method} {path} was answered {answer.status}"
        raise OSError(msg)
    return body


def observe(policy: Policy, queue_ms: float | None) -> Observation:
    """What Envoy's admin interface shows.

    Raises:
        OSError, http.client.HTTPException, ValueError, KeyError: it does not answer, or not as it should.
    """
    clusters = json.loads(ask_envoy(policy, "GET", "/clusters?format=json"))["cluster_statuses"]
    hosts = next(cluster for cluster in clusters if cluster["name"] == CLUSTER).get("host_statuses", [])
    active = [stat for host in hosts for stat in host["stats"] if stat["name"] == "rq_active"]
    return Observation(sum(int(stat.get("value", 0)) for stat in active), servers_in_use(hosts), queue_ms)


def count(policy: Policy) -> Counts:
    """What Envoy's admin interface has counted.

    Raises:
        OSError, http.client.HTTPException, ValueError, KeyError: it does not answer, or not as it should.
    """
    words = urllib.parse.urlencode({"format": "json", "filter": rf"^({ROUTES}|{OVERFLOWS})"})
    answer = json.loads(ask_envoy(policy, "GET", f"/stats?{words}"))
    stats = {stat["name"]: int(stat["value"]) for stat in answer["stats"] if "value" in stat}

    def counted(tenant: str, what: str) -> int:
        return stats.get(f"{ROUTES}.{tenant}.upstream_rq_{what}", 0)

    return Counts(
        at_seconds=time.monotonic(),
        overflowed=stats.get(OVERFLOWS, 0),
        served=sum(counted(tenant, "2xx") for tenant in policy.weights),
        let_through={tenant: counted(tenant, "total") + counted(tenant, "503") for tenant in policy.weights},
    )


def tell_envoy(policy: Policy, decision: Decision, refused: Mapping[str, float]) -> None:
    """Set the runtime keys.

    Raises:
        OSError, http.client.HTTPException: Envoy's admin interface does not answer, or refuses.
    """
    keys = {LIMIT_KEY: decision.requests_max, REFUSE_NEW_JOBS_KEY: 100 if decision.refuse_new_jobs else 0} | {
        refuse_key(tenant): json.dumps({"numerator": round(1e6 * refused.get(tenant, 0)), "denominator": "MILLION"})
        for tenant in policy.weights
    }
    # Envoy takes a plus for a plus.
    words = urllib.parse.urlencode(keys, quote_via=urllib.parse.quote)
    ask_envoy(policy, "POST", f"/runtime_modify?{words}")


def control(policy: Policy) -> None:
    """Observe, decide and tell, for ever; a byte on stdout after each round is the sign of life.

    Envoy is told in every round, not only of changes: one that was started again has forgotten.
    """
    prometheus = Prometheus(policy)
    if policy.queue_refuse_new_jobs_ms is not None:
        prometheus.start()
    decision, told = Decision(policy.requests_max, refuse_new_jobs=False), ""
    shares: Shares | None = None
    while True:
        try:
            seen = observe(policy, prometheus.queue_ms())
            decision = decide(seen, policy, refusing=decision.refuse_new_jobs)
            if policy.weights:
                counts, half_empty = count(policy), seen.in_flight < HYSTERESIS * decision.requests_max
                shares = next_shares(shares or Shares(counts), counts, policy.weights, half_empty=half_empty)
            refused = shares.refused if shares else {}
            tell_envoy(policy, decision, refused)
            jobs = "refused" if decision.refuse_new_jobs else "taken"
            news = f"at most {decision.requests_max} requests in progress, new jobs {jobs}"
            if policy.weights:
                news += f", over their share: {', '.join(sorted(refused)) or 'nobody'}"
            facts = {**seen._asdict(), **({"refused": refused} if refused else {})}
        except (OSError, http.client.HTTPException, ValueError, KeyError, StopIteration) as error:
            news, facts = f"Envoy's admin interface: {error!r}", {}
        if news != told:
            say(news, facts)
            told = news
        sys.stdout.write(".")
        sys.stdout.flush()
        time.sleep(PERIOD_SECONDS)


def say(news: str, facts: Mapping[str, object]) -> None:
    """One JSON line of log; where there is no room for it, the work goes on."""
    line = {"time": time.strftime("%FT%TZ", time.gmtime()), "admission": news, **facts}
    with suppress(OSError):
        sys.stderr.write(json.dumps(line) + "\n")
        sys.stderr.flush()


if __name__ == "__main__":
    control(Policy(**json.loads(Path(sys.argv[1]).read_text())))
