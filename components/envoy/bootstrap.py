"""Envoy's whole configuration, as a pure function from facts to a dict.

It is static but for the addresses of the servers, which come from DNS: a change of anything else is a new ConfigMap and
a rolling, drained restart, so that what runs is always what was reviewed and validated.
"""

from collections.abc import Sequence

from components.envoy.admission import AdmissionArgs, limit_of_configuration, runtime
from components.envoy.cluster import cluster
from components.envoy.identity import issuer_clusters
from components.envoy.listener import clients_listener
from components.envoy.memory import overload_manager, requests_max
from components.envoy.stats import admin_cluster, stats_config, stats_listener
from components.envoy.typed import Config, socket_address
from components.server_pool import ServerPool
from components.timing import Timing
from stacks.schema.clients import Clients
from stacks.schema.experiment import Traffic
from stacks.schema.site import Proxy

GRPC_PORT = 8001
"""Where clients call."""
STATS_PORT = 9902
"""Where the kubelet asks `/ready` and Prometheus `/stats/prometheus`, and nothing else is answered."""
ADMIN_PORT = 9901
"""Envoy's admin interface, on the pod's own loopback only."""

LOOPBACK = "127.0.0.1"
ANY = "0.0.0.0"  # noqa: S104  within the pod; who may reach it is the NetworkPolicy's to say


def bootstrap(
    *,
    pools: Sequence[ServerPool],
    proxy: Proxy,
    traffic: Traffic,
    timing: Timing,
    clients: Clients,
    tls: bool,
    admission: AdmissionArgs | None = None,
    stateful: bool = False,
) -> Config:
    """The bootstrap of one Envoy, API v3, in the spelling of its JSON.

    Args:
        pools: where the servers are, with priorities 0, 1, … without a gap.
        proxy: memory, from which the limits on connections, requests and heap follow.
        traffic: the largest message and the attempts per request.
        timing: every time.
        clients: who may call.
        tls: whether clients speak TLS to it.
        admission: what is let in; None: all that fits into the memory.
        stateful: whether a model keeps state between requests, so that none may be repeated that a server has seen.
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
                    stateful=stateful,
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
        "overload_manager": overload_manager(proxy, traffic),
    }
