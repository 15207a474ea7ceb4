"""Servers as each Envoy sees them, read from its metrics through a forwarded port."""

import http.client
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from access.cluster import ClusterError, Object
from access.kubeconfig import KubeContext
from access.port_forward import forwarded_port
from components.envoy.cluster import CLUSTER
from components.envoy.ports import STATS_PORT
from components.envoy.stats import METRICS_PATH
from components.labels import POOL_LABEL
from diagnosis.cause import Cause
from diagnosis.jobs import is_server
from diagnosis.snapshot import Snapshot, conditions, name_of, parse_time

HEALTH_PATH = f"{METRICS_PATH}?filter=endpoint.*healthy$"
"""Metrics of the servers' health alone."""
_HEALTHY = re.compile(
    rf'envoy_cluster_endpoint_healthy\{{envoy_cluster_name="{CLUSTER}",envoy_endpoint_address="(?P<ip>\S+?):\d+".*\}} '
    r"(?P<healthy>[01])$"
)
_SETTLED_SECONDS = 60
"""Time that a server may be ready before Envoy must know it: the age of a DNS answer, and a health check."""
_CALL_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class EnvoyView:
    """One Envoy's view of the servers."""

    envoy: str
    """Name of its pod."""
    healthy: Mapping[str, bool]
    """IP of each server that it knows -> it may get requests."""
    error: str = ""
    """Reason for which the Envoy could not be asked; empty if it was."""


def ask_envoys(context: KubeContext, snapshot: Snapshot, namespace: str) -> list[EnvoyView]:
    """Ask each ready Envoy."""
    return [_ask(context, namespace, name_of(pod)) for pod in _ready(snapshot) if _is_envoy(pod)]


def _ask(context: KubeContext, namespace: str, pod: str) -> EnvoyView:
    try:
        with forwarded_port(context, namespace, pod, STATS_PORT) as port:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_CALL_SECONDS)
            connection.request("GET", HEALTH_PATH)
            return EnvoyView(envoy=pod, healthy=read_health(connection.getresponse().read().decode()))
    except (ClusterError, OSError, http.client.HTTPException) as error:
        return EnvoyView(envoy=pod, healthy={}, error=str(error))


def read_health(metrics: str) -> dict[str, bool]:
    """Return the health of each server by its IP, from Envoy's metrics in Prometheus' format."""
    found = map(_HEALTHY.match, metrics.splitlines())
    return {match["ip"].strip("[]"): match["healthy"] == "1" for match in found if match}


def view_lines(snapshot: Snapshot, views: Sequence[EnvoyView]) -> Iterator[str]:
    """Yield a line for each Envoy and pool, such as `sonic-cms-envoy-5d8f-x2x4q: 2 of 2 ready servers of pool af`."""
    for view in views:
        if view.error:
            yield f"{view.envoy} was not asked: {view.error}"
            continue
        for pool, servers in _pools(snapshot).items():
            healthy = sum(view.healthy.get(ip, False) for ip in map(_ip, servers))
            yield f"{view.envoy} sees {healthy} of {len(servers)} ready servers of pool {pool} healthy"


def view_causes(snapshot: Snapshot, views: Sequence[EnvoyView]) -> Iterator[Cause]:
    """Yield the ready servers that an Envoy does not know, or counts as unhealthy."""
    for view in views:
        for pool, ready in _pools(snapshot).items() if not view.error else ():
            servers = [server for server in ready if _settled(snapshot, server)]
            unknown = [name_of(server) for server in servers if _ip(server) not in view.healthy]
            unhealthy = [name_of(server) for server in servers if view.healthy.get(_ip(server)) is False]
            of = f"of {len(ready)} ready servers of pool {pool}"
            if unknown:
                yield Cause(
                    subject=f"pod {view.envoy}",
                    finding=f"Envoy does not know {len(unknown)} {of}: {', '.join(unknown)}",
                    way_out="see that the cluster's DNS answers Envoy with all addresses of the Service of these "
                    "servers: kubectl get endpoints, site.access.cluster_domain, site.dns_ttl_seconds",
                )
            if unhealthy:
                yield Cause(
                    subject=f"pod {view.envoy}",
                    finding=f"Envoy counts {len(unhealthy)} {of} as unhealthy: {', '.join(unhealthy)}",
                    way_out="see whether a NetworkPolicy or a firewall between the nodes keeps Envoy from their gRPC "
                    "port, or whether their Triton is older than 23.02 and answers no health check (the release is in "
                    "its log); python -m acceptance asks each server by itself",
                )


def _pools(snapshot: Snapshot) -> Mapping[str, Sequence[Object]]:
    """Return the ready servers by pool."""
    pools = defaultdict[str, list[Object]](list)
    for pod in filter(is_server, _ready(snapshot)):
        pools[pod["metadata"]["labels"][POOL_LABEL]].append(pod)
    return pools


def _ready(snapshot: Snapshot) -> Iterator[Object]:
    for pod in snapshot.pods:
        stops = "deletionTimestamp" in pod["metadata"]
        if conditions(pod).get("Ready", {}).get("status") == "True" and not stops:
            yield pod


def _is_envoy(pod: Object) -> bool:
    return bool(pod["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "envoy")


def _settled(snapshot: Snapshot, pod: Object) -> bool:
    since = parse_time(conditions(pod)["Ready"]["lastTransitionTime"])
    return (snapshot.now - since) / timedelta(seconds=1) > _SETTLED_SECONDS


def _ip(pod: Object) -> str:
    return str(pod["status"]["podIP"])
