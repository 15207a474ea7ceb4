"""Envoy's admin interface, on loopback."""

import http.client
import json
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any, NamedTuple

from .limits import Decision, Load, servers_in_use
from .policy import CLUSTER, NEXT_CLUSTER, REFUSE_NEW_JOBS_KEY, Policy, limit_key, refuse_key, spill_key
from .shares import Counts
from .spill import Flow

ADMIN_TIMEOUT_SECONDS = 1.0
ROUTES = "vhost.servers.route"
"""Prefix of Envoy's counters of each tenant's requests."""
SENT, COMPLETED, OVERFLOWED = "total", "completed", "active_overflow"
"""Ends of Envoy's counters of a cluster; the last one counts the requests refused by the limit."""


class Counters(NamedTuple):
    """Counters of Envoy's that shares and spill are measured by."""

    flows: Mapping[str, Flow]
    """Cluster -> its traffic."""
    counts: Counts
    """Those of the tenants."""


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


def observe(policy: Policy) -> Mapping[str, Load]:
    """Return the load of each cluster of servers, by name.

    Raises:
        OSError, http.client.HTTPException, ValueError, KeyError: Envoy does not answer, or not in the expected form.
    """
    clusters = {
        cluster["name"]: cluster.get("host_statuses", [])
        for cluster in json.loads(ask_envoy(policy, "GET", "/clusters?format=json"))["cluster_statuses"]
    }
    wanted = [CLUSTER] if policy.spill_ms is None else [CLUSTER, NEXT_CLUSTER]
    return {name: Load(_in_flight(clusters[name]), servers_in_use(clusters[name])) for name in wanted}


def count(policy: Policy, loads: Mapping[str, Load]) -> Counters:
    """Return the counters of tenants, and of the clusters whose loads are given.

    Raises:
        OSError, http.client.HTTPException, ValueError, KeyError: Envoy does not answer, or not in the expected form.
    """
    stats, now = _stats(policy), time.monotonic()

    def of_tenant(tenant: str, what: str) -> int:
        return stats.get(f"{ROUTES}.{tenant}.upstream_rq_{what}", 0)

    def of_cluster(name: str, what: str) -> int:
        return stats.get(f"cluster.{name}.upstream_rq_{what}", 0)

    flows = {
        name: Flow(now, of_cluster(name, SENT), of_cluster(name, COMPLETED), load.in_flight, load.servers)
        for name, load in loads.items()
    }
    counts = Counts(
        at_seconds=now,
        overflowed=sum(of_cluster(name, OVERFLOWED) for name in loads),
        served=sum(of_tenant(tenant, "2xx") for tenant in policy.weights),
        let_through={tenant: of_tenant(tenant, "total") + of_tenant(tenant, "503") for tenant in policy.weights},
    )
    return Counters(flows, counts)


def _in_flight(hosts: list[dict[str, Any]]) -> int:
    active = [stat for host in hosts for stat in host["stats"] if stat["name"] == "rq_active"]
    return sum(int(stat.get("value", 0)) for stat in active)


def _stats(policy: Policy) -> Mapping[str, int]:
    counters = "|".join((SENT, COMPLETED, OVERFLOWED))
    pattern = rf"^({ROUTES}|cluster\.({CLUSTER}|{NEXT_CLUSTER})\.upstream_rq_({counters})$)"
    words = urllib.parse.urlencode({"format": "json", "filter": pattern})
    answer = json.loads(ask_envoy(policy, "GET", f"/stats?{words}"))
    return {stat["name"]: int(stat["value"]) for stat in answer["stats"] if "value" in stat}


def tell_envoy(policy: Policy, decision: Decision, refused: Mapping[str, float], spilled: float) -> None:
    """Set Envoy's runtime keys.

    Args:
        policy: where Envoy is, and its tenants.
        decision: limits on requests in progress.
        refused: tenant -> fraction of its requests that is refused.
        spilled: fraction of the other requests that goes to the next pool.

    Raises:
        OSError, http.client.HTTPException: there is no answer in time, or its status is not 200.
    """
    keys: dict[str, object] = {limit_key(cluster): limit for cluster, limit in decision.requests_max.items()}
    keys[REFUSE_NEW_JOBS_KEY] = 100 if decision.refuse_new_jobs else 0
    for tenant in policy.weights:
        keys[refuse_key(tenant)] = _fraction(refused.get(tenant, 0))
    if policy.spill_ms is not None:
        over_share = {tenant: refused.get(tenant, 0) for tenant in policy.weights} or {"": 0.0}
        for tenant, fraction in over_share.items():
            keys[spill_key(tenant)] = _fraction(fraction + spilled * (1 - fraction) if spilled else 0)
    # Envoy does not decode a plus sign as a space.
    words = urllib.parse.urlencode(keys, quote_via=urllib.parse.quote)
    ask_envoy(policy, "POST", f"/runtime_modify?{words}")


def _fraction(value: float) -> str:
    return json.dumps({"numerator": round(1e6 * value), "denominator": "MILLION"})
