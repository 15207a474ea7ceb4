"""Envoy's whole configuration, as a pure function from facts to a dict.

It is static but for the addresses of the servers, which come from DNS: a change of anything else is a new ConfigMap and
a rolling, drained restart, so that what runs is always what was reviewed and validated.
"""

from components.envoy.args import EnvoyProxyArgs
from components.envoy.cluster import clusters
from components.envoy.features import features
from components.envoy.listener import clients_listener
from components.envoy.memory import requests_max
from components.envoy.ports import ADMIN_PORT, ANY, ANY_IPV4, GRPC_PORT, LOOPBACK, STATS_PORT
from components.envoy.stats import admin_cluster, stats_config, stats_listener
from components.envoy.typed import Config, socket_address


def bootstrap(args: EnvoyProxyArgs) -> Config:
    """Return the bootstrap of one Envoy, API v3, in the spelling of its JSON."""
    parts = features(args)
    memory_max = requests_max(args.proxy)
    address = ANY if "IPv6" in args.naming.ip_families else ANY_IPV4
    limits = [part.requests_max for part in parts if part.requests_max is not None]
    layers = [layer for part in parts for layer in part.runtime_layers]
    overload_managers = [part.overload_manager for part in parts if part.overload_manager]
    return {
        "admin": {"address": socket_address(LOOPBACK, ADMIN_PORT)},
        "static_resources": {
            "listeners": [clients_listener(address, GRPC_PORT, args, parts), stats_listener(address, STATS_PORT)],
            "clusters": [
                *clusters(
                    args.pools,
                    args.timing,
                    requests_max=min([memory_max, *limits]),
                    memory_max=memory_max,
                    filters=[each for part in parts for each in part.upstream_filters],
                ),
                *(further for part in parts for further in part.clusters),
                admin_cluster(LOOPBACK, ADMIN_PORT),
            ],
        },
        **({"layered_runtime": {"layers": layers}} if layers else {}),
        "stats_config": stats_config(),
        **({"overload_manager": overload_managers[0]} if overload_managers else {}),
    }
