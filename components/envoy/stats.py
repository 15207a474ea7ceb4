"""Envoy's metrics and readiness on a read-only port, and the labels of the metrics."""

from components.envoy.typed import Config, extension, socket_address

READY_PATH = "/ready"
METRICS_PATH = "/stats/prometheus"

_ADMIN_CLUSTER = "admin"


def stats_listener(address: str, port: int) -> Config:
    """Return the listener: it forwards GET of two paths to the admin interface and answers 404 to the rest."""
    manager = extension(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="stats",
        use_remote_address=True,
        internal_address_config={},
        generate_request_id=False,
        route_config={
            "name": "stats",
            "virtual_hosts": [
                {"name": "stats", "domains": ["*"], "routes": [_get(path) for path in (READY_PATH, METRICS_PATH)]}
            ],
        },
        http_filters=[
            extension(
                "envoy.filters.http.router", "extensions.filters.http.router.v3.Router", suppress_envoy_headers=True
            )
        ],
    )
    return {
        "name": "stats",
        "address": socket_address(address, port),
        # Probes and metrics work while an overloaded Envoy rejects clients.
        "bypass_overload_manager": True,
        "filter_chains": [{"filters": [manager]}],
    }


def admin_cluster(address: str, port: int) -> Config:
    """Return the cluster by which the stats listener reaches the admin interface."""
    return {
        "name": _ADMIN_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": _ADMIN_CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address(address, port)}}]}],
        },
    }


def stats_config() -> Config:
    """Return the rules that turn parts of counter names into labels.

    Envoy then shows `cluster.servers.grpc.inference.GRPCInferenceService.ModelInfer.14` as
    `envoy_cluster_grpc{grpc_method="ModelInfer",grpc_status="14"}`. Its default rule for gRPC splits the service's name
    at its dot, so the other default rules are listed here without that one.
    """
    return {
        "use_all_default_tags": False,
        "stats_tags": [
            *({"tag_name": name} for name in _DEFAULT_TAGS),
            {"tag_name": "grpc_method", "regex": r"^cluster\.[^.]+\.grpc(\.inference\.GRPCInferenceService\.(\w+))\."},
            {"tag_name": "grpc_status", "regex": r"^cluster\.[^.]+\.grpc\..*?(\.(\d+))$"},
        ],
    }


_DEFAULT_TAGS = (
    "envoy.cluster_name",
    "envoy.http_conn_manager_prefix",
    "envoy.listener_address",
    "envoy.response_code",
    "envoy.response_code_class",
    "envoy.route",
    "envoy.virtual_host",
    "envoy.worker_id",
)


def _get(path: str) -> Config:
    method = {"name": ":method", "string_match": {"exact": "GET"}}
    return {"match": {"path": path, "headers": [method]}, "route": {"cluster": _ADMIN_CLUSTER}}
