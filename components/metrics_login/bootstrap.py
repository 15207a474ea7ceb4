"""Configuration of the Envoy that asks for a password before the stack's own Prometheus."""

from components.envoy.feature import CONFIG_FOLDER
from components.envoy.ports import ADMIN_PORT, ANY, ANY_IPV4, LOOPBACK, STATS_PORT
from components.envoy.stats import admin_cluster, stats_listener
from components.envoy.typed import Config, extension, seconds, socket_address

PORT = 9091
"""Port on which it asks."""
USERS_FILE = "users"
"""File with the users and their passwords' hashes, in htpasswd's format, beside the bootstrap."""

_CLUSTER = "prometheus"
_ANSWER_SECONDS = 130
"""Time for an answer: Prometheus ends a query after two minutes."""


def bootstrap(*, host: str, port: int, ipv6: bool) -> Config:
    """Return the bootstrap. Nothing of Prometheus is answered without the password, its pages and health included.

    Args:
        host: DNS name of Prometheus.
        port: its port.
        ipv6: listen on IPv6 too.
    """
    address = ANY if ipv6 else ANY_IPV4
    return {
        "admin": {"address": socket_address(LOOPBACK, ADMIN_PORT)},
        "static_resources": {
            "listeners": [_listener(address), stats_listener(address, STATS_PORT)],
            "clusters": [_prometheus(host, port), admin_cluster(LOOPBACK, ADMIN_PORT)],
        },
    }


def _listener(address: str) -> Config:
    manager = extension(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="people",
        use_remote_address=True,
        internal_address_config={},
        generate_request_id=False,
        route_config={
            "name": "prometheus",
            "request_headers_to_remove": ["authorization"],
            "virtual_hosts": [
                {
                    "name": "prometheus",
                    "domains": ["*"],
                    "routes": [
                        {
                            "match": {"prefix": "/"},
                            "route": {"cluster": _CLUSTER, "timeout": seconds(_ANSWER_SECONDS)},
                        }
                    ],
                }
            ],
        },
        http_filters=[
            extension(
                "envoy.filters.http.basic_auth",
                "extensions.filters.http.basic_auth.v3.BasicAuth",
                users={"filename": f"{CONFIG_FOLDER}/{USERS_FILE}"},
            ),
            extension(
                "envoy.filters.http.router", "extensions.filters.http.router.v3.Router", suppress_envoy_headers=True
            ),
        ],
    )
    return {
        "name": "people",
        "address": socket_address(address, PORT),
        "filter_chains": [{"filters": [manager]}],
    }


def _prometheus(host: str, port: int) -> Config:
    return {
        "name": _CLUSTER,
        "cluster_type": extension(
            "envoy.clusters.dns",
            "extensions.clusters.dns.v3.DnsCluster",
            dns_refresh_rate="30s",
            dns_lookup_family="V4_PREFERRED",
        ),
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": _CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address(host, port)}}]}],
        },
    }
