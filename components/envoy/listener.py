"""The listener for clients: HTTP/2 in, one route table, retries, limits, log of what failed."""

from collections.abc import Sequence

from components.envoy.access_log import failed_calls
from components.envoy.admission import refusal_of_new_jobs, refusal_of_requests
from components.envoy.cluster import CLUSTER, CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES
from components.envoy.identity import HEALTH_CHECK_PATH, identity_filters, log_fields, refusals
from components.envoy.memory import refusal_without_memory
from components.envoy.tenants import routes_by_tenant
from components.envoy.tls import server_side
from components.envoy.typed import Config, extension, mib, seconds, socket_address
from components.timing import Timing
from stacks.schema.clients import CertificateClients, Clients, Tenant, tenants_of
from stacks.schema.experiment import Traffic

STAT_PREFIX = "clients"
"""Value of the label `envoy_http_conn_manager_prefix` of the clients' metrics."""

_SERVICE = "inference.GRPCInferenceService"
_INFER, _STREAM = "ModelInfer", "ModelStreamInfer"
_QUESTIONS = (
    *("ServerLive", "ServerReady", "ServerMetadata", "RepositoryIndex"),
    *("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics"),
)
"""Methods that clients may call, which are all that do not change a server: model control, settings of log and trace,
and shared memory would each let one client decide for all. They are counted one by one; calls of any other method are
counted together."""

_SAFE_ALWAYS = "connect-failure,refused-stream"
"""What no server has begun: any call may be made again that met this."""
_SAFE_WITHOUT_STATE = f"{_SAFE_ALWAYS},reset,unavailable,cancelled"
"""What else a call is repeated on that leaves no state. A call that got no answer may be made again: when the
connection broke, when the server says UNAVAILABLE, and when it says CANCELLED, as one does that stops (a client's own
cancellation never comes from upstream). Not on RESOURCE_EXHAUSTED, INTERNAL or DEADLINE_EXCEEDED: they would be so on
every server, and repeating them multiplies an overload."""


def clients_listener(
    address: str,
    port: int,
    *,
    traffic: Traffic,
    timing: Timing,
    clients: Clients,
    tls: bool,
    sheds: bool,
    stateful: bool,
) -> Config:
    """HTTP/2 on one port, with TLS or without, every connection in the same filter chain.

    Only gRPC is routed; any other request is answered 404. Where it `sheds`, runtime keys say what is refused. With
    `stateful` models no inference is repeated that a server may have begun.
    """
    own_words = [refusal_without_memory(), *refusals(clients), *([refusal_of_requests()] if sheds else [])]
    routes = _routes(traffic, timing, tenants=tenants_of(clients), sheds=sheds, stateful=stateful)
    mutual = isinstance(clients, CertificateClients)
    transport = {"transport_socket": server_side(certificates_of_clients=mutual)} if tls else {}
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
        # No tracing here, so no random id per request either.
        generate_request_id=False,
        route_config={
            "name": "servers",
            "virtual_hosts": [{"name": "servers", "domains": ["*"], "routes": routes}],
        },
        local_reply_config={"mappers": own_words},
        http_filters=[
            extension(
                "envoy.filters.http.grpc_stats",
                "extensions.filters.http.grpc_stats.v3.FilterConfig",
                individual_method_stats_allowlist={
                    "services": [{"name": _SERVICE, "method_names": [_INFER, _STREAM, *_QUESTIONS]}]
                },
            ),
            *identity_filters(clients),
            extension(
                "envoy.filters.http.router", "extensions.filters.http.router.v3.Router", suppress_envoy_headers=True
            ),
        ],
        access_log=[failed_calls(log_fields(clients))],
    )
    return {
        "name": "clients",
        "address": socket_address(address, port),
        # Drain when told to drain, not already when told to fail the readiness: between the two, clients that are sent
        # away would come straight back.
        "drain_type": "MODIFY_ONLY",
        # Connections of jobs are few and long: give them to the workers in turn, not by chance.
        "connection_balance_config": {"exact_balance": {}},
        "filter_chains": [{"filters": [manager], **transport}],
    }


def _routes(
    traffic: Traffic, timing: Timing, *, tenants: Sequence[Tenant], sheds: bool, stateful: bool
) -> list[Config]:
    """What may be called, most frequent first; then what is answered here.

    Streams live as long as they are used and are not repeated once begun; every other call is one request. Which model
    a request is for stands in its body, which Envoy does not read: one stateful model decides for all. A stream counts
    for no tenant: how much work it will bring nobody knows.
    """
    longest = seconds(timing.request_duration_max_seconds)
    stream = {
        "match": {"path": f"/{_SERVICE}/{_STREAM}", "grpc": {}},
        "route": {**_to_servers(timing), "retry_policy": _retry_policy(_SAFE_ALWAYS, traffic)},
    }

    def request(retry_on: str = _SAFE_WITHOUT_STATE) -> Config:
        return {
            "route": {
                **_to_servers(timing),
                # Without the second, Envoy would tell the server its own limit in the place of the client's deadline.
                "max_stream_duration": {"max_stream_duration": longest, "grpc_timeout_header_max": longest},
                "retry_policy": _retry_policy(retry_on, traffic),
            },
            # To be sent again a request must be held until its answer begins. The default holds no more than one
            # window. The largest message gets 1 MiB more, for its frame and for the fields beside the tensors.
            "request_body_buffer_limit": mib(traffic.largest_message_mib + 1),
        }

    infer = request(_SAFE_ALWAYS if stateful else _SAFE_WITHOUT_STATE)
    # One by one: as a regular expression they are more than Envoy takes.
    questions = [*(f"/{_SERVICE}/{method}" for method in _QUESTIONS), HEALTH_CHECK_PATH]
    return [
        *routes_by_tenant({"match": {"path": f"/{_SERVICE}/{_INFER}", "grpc": {}}, **infer}, tenants),
        stream,
        *([refusal_of_new_jobs()] if sheds else []),
        *({"match": {"path": path, "grpc": {}}, **request()} for path in questions),
        _answered(
            f"/{_SERVICE}/",
            403,
            "clients may ask for inference, health, metadata, configuration, index and statistics: model control, log "
            "and trace settings and shared memory are the operator's",
        ),
        # So a client's own health watch hears, as from Triton, that there is none, and does without.
        _answered("/", 404, "there is no such method here"),
    ]


def _answered(prefix: str, http_status: int, sentence: str) -> Config:
    """Envoy's own answer, which it translates for gRPC: 403 is PERMISSION_DENIED, 404 is UNIMPLEMENTED."""
    return {
        "match": {"prefix": prefix, "grpc": {}},
        "direct_response": {"status": http_status, "body": {"inline_string": sentence}},
    }


def _to_servers(timing: Timing) -> Config:
    return {"cluster": CLUSTER, "timeout": seconds(timing.route_timeout_seconds)}


def _retry_policy(retry_on: str, traffic: Traffic) -> Config:
    return {
        "retry_on": retry_on,
        "num_retries": traffic.attempts_max - 1,
        "retry_host_predicate": [
            extension(
                "envoy.retry_host_predicates.previous_hosts",
                "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ],
        # Drawn again while the draw is a server that has failed this request.
        "host_selection_retry_max_attempts": 5,
        # A server that just died has the fewest requests in progress, so a full scan draws it again until all workers
        # know of its ejection. On a busy machine that took longer than three attempts within 100 ms: 2 of 200 requests
        # were lost in every fourth crash. The waits are drawn at random from 0 to 0.1, 0.3, 0.7 and 1 s.
        "retry_back_off": {"base_interval": seconds(0.1), "max_interval": seconds(1)},
    }
