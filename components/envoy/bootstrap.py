"""Envoy's whole configuration, as a pure function from facts to a dict.

It is static but for the addresses of the servers, which come from DNS: a change of anything else is a new ConfigMap and
a rolling, drained restart, so that what runs is always what was reviewed and validated.
"""

from collections.abc import Sequence

from components.envoy.admission import AdmissionArgs, limit_of_configuration, runtime
from components.envoy.cluster import PoolEndpoint, cluster
from components.envoy.identity import issuer_clusters
from components.envoy.listener import clients_listener
from components.envoy.stats import admin_cluster, stats_config, stats_listener
from components.envoy.typed import Config, extension, socket_address
from components.timing import Timing
from stacks.schema.clients import Clients
from stacks.schema.experiment import Traffic
from stacks.schema.site import PROXY_BASE_MEMORY_MIB, Proxy

GRPC_PORT = 8001
"""Where clients call."""
STATS_PORT = 9902
"""Where the kubelet asks `/ready` and Prometheus `/stats/prometheus`, and nothing else is answered."""
ADMIN_PORT = 9901
"""Envoy's admin interface, on the pod's own loopback only."""

LOOPBACK = "127.0.0.1"
ANY = "0.0.0.0"  # noqa: S104  within the pod; who may reach it is the NetworkPolicy's to say

CONNECTION_KIB = 64
"""Memory of one client connection. 17 KiB were measured of an idle one; its buffers come on top."""
REQUEST_KIB = 32
"""Memory of one request in progress without its body. 21 KiB were measured."""


def bootstrap(
    *,
    pools: Sequence[PoolEndpoint],
    proxy: Proxy,
    traffic: Traffic,
    timing: Timing,
    clients: Clients,
    tls: bool,
    admission: AdmissionArgs | None = None,
) -> Config:
    """The bootstrap of one Envoy, API v3, in the spelling of its JSON.

    Args:
        pools: where the servers are, with priorities 0, 1, … without a gap.
        proxy: memory, from which the limits on connections and requests follow.
        traffic: the largest message and the attempts per request.
        timing: every time.
        clients: who may call.
        tls: whether clients speak TLS to it.
        admission: what is let in; None: all that fits into the memory.
    """
    memory_max = requests_max(proxy)
    return {
        "admin": {"address": socket_address(LOOPBACK, ADMIN_PORT)},
        "static_resources": {
            "listeners": [
                clients_listener(
                    ANY,
                    GRPC_PORT,
                    traffic=traffic,
                    timing=timing,
                    clients=clients,
                    tls=tls,
                    sheds=admission is not None,
                ),
                stats_listener(ANY, STATS_PORT),
            ],
            "clusters": [
                cluster(
                    pools,
                    timing,
                    requests_max=limit_of_configuration(admission, envoys=proxy.replicas, memory_max=memory_max),
                    memory_max=memory_max,
                ),
                *issuer_clusters(clients, timing),
                admin_cluster(LOOPBACK, ADMIN_PORT),
            ],
        },
        **({"layered_runtime": runtime()} if admission else {}),
        "stats_config": stats_config(),
        "overload_manager": _connection_limit(connections_max(proxy)),
    }


def connections_max(proxy: Proxy) -> int:
    """How many client connections one Envoy takes: as many as fit into a quarter of its spare memory.

    Beyond it new connections are refused, and those that stand go on.
    """
    return _spare_mib(proxy) * 1024 // 4 // CONNECTION_KIB


def requests_max(proxy: Proxy) -> int:
    """How many requests may be in progress in one Envoy: as many as fit, bodies left out, into half of that memory."""
    return _spare_mib(proxy) * 1024 // 2 // REQUEST_KIB


def _spare_mib(proxy: Proxy) -> int:
    return proxy.memory_mib - PROXY_BASE_MEMORY_MIB


def _connection_limit(connections: int) -> Config:
    return {
        "resource_monitors": [
            extension(
                "envoy.resource_monitors.global_downstream_max_connections",
                "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                max_active_downstream_connections=connections,
            )
        ]
    }
