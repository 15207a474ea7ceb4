"""The listener for clients: HTTP/2 in, one route table, local replies, log of failed calls."""

from collections.abc import Sequence

from components.envoy.access_log import failed_calls
from components.envoy.args import EnvoyProxyArgs
from components.envoy.cluster import CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES
from components.envoy.feature import Feature
from components.envoy.routes import METHODS, SERVICE, routes
from components.envoy.typed import Config, extension, seconds, socket_address
from stacks.schema.stack import STACK_HEADER

STAT_PREFIX = "clients"
"""Value of the label `envoy_http_conn_manager_prefix` of the clients' metrics."""


def clients_listener(address: str, port: int, args: EnvoyProxyArgs, features: Sequence[Feature]) -> Config:
    """Return the listener: HTTP/2 on one port, every connection in the same filter chain.

    Only gRPC is routed; any other request is answered 404.
    """
    timing = args.timing
    transport = [feature.transport_socket for feature in features if feature.transport_socket]
    manager = extension(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=STAT_PREFIX,
        codec_type="HTTP2",
        http2_protocol_options={
            "initial_stream_window_size": STREAM_WINDOW_BYTES,
            "initial_connection_window_size": CONNECTION_WINDOW_BYTES,
            "connection_keepalive": {
                "interval": seconds(timing.client_keepalive_interval_seconds),
                "timeout": seconds(timing.client_keepalive_timeout_seconds),
            },
        },
        stream_idle_timeout=seconds(timing.stream_idle_timeout_seconds),
        # The peer of the connection is the client, whatever x-forwarded-for it sends; nobody's x-envoy-* is obeyed.
        use_remote_address=True,
        internal_address_config={},
        # Nothing reads a random id per request: traces are drawn by an id of their own.
        generate_request_id=False,
        route_config={
            "name": "servers",
            "response_headers_to_add": [
                {"header": {"key": STACK_HEADER, "value": args.stack}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            ],
            "virtual_hosts": [{"name": "servers", "domains": ["*"], "routes": _routes(args, features)}],
        },
        local_reply_config={"mappers": [reply for feature in features for reply in feature.local_replies]},
        http_filters=[
            extension(
                "envoy.filters.http.grpc_stats",
                "extensions.filters.http.grpc_stats.v3.FilterConfig",
                # Counted one by one; calls of any other method are counted together.
                individual_method_stats_allowlist={"services": [{"name": SERVICE, "method_names": METHODS}]},
            ),
            *(http_filter for feature in features for http_filter in feature.http_filters),
            extension(
                "envoy.filters.http.router", "extensions.filters.http.router.v3.Router", suppress_envoy_headers=True
            ),
        ],
        access_log=[failed_calls({k: v for feature in features for k, v in feature.log_fields.items()})],
        **{field: value for feature in features for field, value in feature.connection_manager.items()},
    )
    return {
        "name": "clients",
        "address": socket_address(address, port),
        # Drain when told to drain, not already when told to fail the readiness: between the two, clients that are sent
        # away would come straight back.
        "drain_type": "MODIFY_ONLY",
        # Connections of jobs are few and long: give them to the workers in turn, not by chance.
        "connection_balance_config": {"exact_balance": {}},
        "filter_chains": [{"filters": [manager], **({"transport_socket": transport[0]} if transport else {})}],
    }


def _routes(args: EnvoyProxyArgs, features: Sequence[Feature]) -> Sequence[Config]:
    """Return the routes after the patches of all features, in their order."""
    patched: Sequence[Config] = routes(args)
    for feature in features:
        patched = feature.patch_routes(patched)
    return patched
