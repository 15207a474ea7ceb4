"""The admission controller: decides once a second how much work the Envoy beside it admits.

A pod runs this file as it is, so it imports the standard library only. It sets runtime keys of Envoy, and Envoy decides
by these alone: no request waits for this program.

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

With tenants, Envoy also refuses a fraction of each tenant's requests with RESOURCE_EXHAUSTED: the tenant sends less.

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
"""Name of the cluster of all servers in Envoy's configuration."""
LIMIT_KEY = f"circuit_breakers.{CLUSTER}.default.max_requests"
"""Envoy's runtime key of that cluster's circuit breaker."""
REFUSE_NEW_JOBS_KEY = "admission.refuse_new_jobs"
"""Envoy's runtime key of the percentage of RepositoryIndex calls that are refused: 0 or 100."""
ROUTES = "vhost.servers.route"
"""Prefix of Envoy's counters of each tenant's requests."""
OVERFLOWS = f"cluster.{CLUSTER}.upstream_rq_active_overflow"
"""Envoy's counter of requests refused by the limit."""

FULL_SHARE = 0.9
"""Fraction of the limit from which on new jobs are refused, so that requests of running jobs are refused later."""
HYSTERESIS = 0.5
"""Fraction of the refusing load below which new jobs are admitted again."""
HEADROOM = 1.05
"""Requests admitted, as a multiple of those served."""
REFUSED_MAX = 0.999
"""Upper bound of the refused fraction. If we refused everything we could not see that the tenant still sends."""
SMOOTHING = 0.3
"""Weight of the last round in the moving averages of offered and served requests."""
OVERPROVISIONING = 1.4
"""Envoy's default: with 1 / 1.4 of its servers healthy a pool gets all requests, and with fewer the next pool helps."""

PERIOD_SECONDS = 1.0
ADMIN_TIMEOUT_SECONDS = 1.0
PROMETHEUS_TIMEOUT_SECONDS = 2.0
STALE_SECONDS = 30.0
"""Age from which on a sample of Prometheus does not count."""
ANSWER_BYTES_MAX = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The experiment's declarations and the addresses that this program needs."""

    requests_in_flight_per_server_max: int | None
    """Requests in progress per healthy server, over all Envoys; None: Envoy's memory is the only limit."""
    envoys: int
    """Envoys that share the servers."""
    requests_max: int
    """The limit in Envoy's configuration: upper bound of the computed one."""
    queue_refuse_new_jobs_ms: float | None
    """Wait from which on new jobs are refused; None: Prometheus is not queried."""
    prometheus_url: str
    """Base URL of Prometheus."""
    query: str
    """PromQL of the wait in the servers' queues, in milliseconds."""
    credentials_folder: str | None
    """Folder with the name and the value of a header that Prometheus requires, in the files `header` and `value`; None:
    it requires none."""
    admin_port: int
    """Port of Envoy's admin interface on loopback."""
    weights: Mapping[str, float]
    """Tenant -> weight of its share; empty without tenants."""


class Observation(NamedTuple):
    """The load of one round."""

    in_flight: int
    """Requests in progress in this Envoy."""
    servers: int
    """Healthy servers of the pools that get requests."""
    queue_ms: float | None
    """Wait in the servers' queues; None: unknown."""


class Decision(NamedTuple):
    """The values of two runtime keys."""

    requests_max: int
    """Limit on requests in progress in this Envoy."""
    refuse_new_jobs: bool
    """True: every RepositoryIndex call is refused."""


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


def refuse_key(tenant: str) -> str:
    """Return Envoy's runtime key of the fraction of the tenant's requests that is refused."""
    return f"admission.refuse.{tenant}"


def decide(seen: Observation, policy: Policy, *, refusing: bool) -> Decision:
    """Apply the first table of this module.

    Args:
        seen: the load of this round.
        policy: the declared limits.
        refusing: True if the last round refused new jobs; False after a start.
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


def queue_ms_of(answer: bytes, *, now_seconds: float) -> float | None:
    """Return the longest wait in an answer of Prometheus; None without a fresh and finite sample.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: the answer is not one of Prometheus' HTTP API.
    """
    reply = json.loads(answer)
    if reply["status"] != "success":
        return None
    samples = [(float(at), float(value)) for at, value in (series["value"] for series in reply["data"]["result"])]
    fresh = [value for at, value in samples if abs(now_seconds - at) <= STALE_SECONDS and math.isfinite(value)]
    return max(fresh, default=None)


class Prometheus(threading.Thread):
    """Queries Prometheus once a second in a thread of its own, so that a slow answer delays no round."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(daemon=True)
        words = urllib.parse.urlencode({"query": policy.query})
        url = f"{policy.prometheus_url.rstrip('/')}/api/v1/query?{words}"
        self._request = urllib.request.Request(url)  # noqa: S310
        if policy.credentials_folder is not None:
            folder = Path(policy.credentials_folder)
            # A server that Prometheus redirects to does not get the header.
            self._request.add_unredirected_header((folder / "header").read_text(), (folder / "value").read_text())
        self._last: tuple[float, float | None] = (-math.inf, None)

    def queue_ms(self) -> float | None:
        """Return the last known wait in milliseconds; None if it is stale."""
        at_seconds, queue_ms = self._last
        return queue_ms if time.monotonic() - at_seconds <= STALE_SECONDS else None

    def run(self) -> None:
        """Query for ever."""
        while True:
            try:
                with urllib.request.urlopen(self._request, timeout=PROMETHEUS_TIMEOUT_SECONDS) as answer:  # noqa: S310
                    queue_ms = queue_ms_of(answer.read(ANSWER_BYTES_MAX), now_seconds=time.time())
            except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError, AttributeError):
                queue_ms = None
            self._last = (time.monotonic(), queue_ms)
            time.sleep(PERIOD_SECONDS)


def ask_envoy(policy: Policy, method: str, path: str) -> bytes:
    """Return the body of an answer of Envoy's admin interface.

    Raises:
        OSError, http.client.HTTPException: there is no answer in time, or its status is not 200.
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
    """Return the load that Envoy's admin interface shows, with the wait that Prometheus knows.

    Raises:
        OSError, http.client.HTTPException, ValueError, KeyError: Envoy does not answer, or not in the expected form.
        StopIteration: Envoy has no cluster of servers.
    """
    clusters = json.loads(ask_envoy(policy, "GET", "/clusters?format=json"))["cluster_statuses"]
    hosts = next(cluster for cluster in clusters if cluster["name"] == CLUSTER).get("host_statuses", [])
    active = [stat for host in hosts for stat in host["stats"] if stat["name"] == "rq_active"]
    return Observation(sum(int(stat.get("value", 0)) for stat in active), servers_in_use(hosts), queue_ms)


def count(policy: Policy) -> Counts:
    """Return the counters of Envoy's admin interface.

    Raises:
        OSError, http.client.HTTPException, ValueError, KeyError: Envoy does not answer, or not in the expected form.
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
    """Set Envoy's runtime keys.

    Raises:
        OSError, http.client.HTTPException: there is no answer in time, or its status is not 200.
    """
    keys = {LIMIT_KEY: decision.requests_max, REFUSE_NEW_JOBS_KEY: 100 if decision.refuse_new_jobs else 0} | {
        refuse_key(tenant): json.dumps({"numerator": round(1e6 * refused.get(tenant, 0)), "denominator": "MILLION"})
        for tenant in policy.weights
    }
    # Envoy does not decode a plus sign as a space.
    words = urllib.parse.urlencode(keys, quote_via=urllib.parse.quote)
    ask_envoy(policy, "POST", f"/runtime_modify?{words}")


def control(policy: Policy) -> None:
    """Observe, decide and set the runtime keys, for ever.

    The supervisor takes the byte on stdout after each round as a heartbeat. Each round sets all keys, because an Envoy
    that restarted has none.
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
    """Log one JSON line. A full disk does not stop the controller."""
    line = {"time": time.strftime("%FT%TZ", time.gmtime()), "admission": news, **facts}
    with suppress(OSError):
        sys.stderr.write(json.dumps(line) + "\n")
        sys.stderr.flush()


if __name__ == "__main__":
    control(Policy(**json.loads(Path(sys.argv[1]).read_text())))
