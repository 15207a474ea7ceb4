"""The route table for clients: methods, time limits, retries, and the calls that Envoy answers itself."""

from collections.abc import Callable, Sequence

from components.envoy.args import EnvoyProxyArgs
from components.envoy.cluster import CLUSTER
from components.envoy.typed import Config, extension, mib, seconds
from components.timing import Timing
from stacks.schema.experiment import Traffic

SERVICE = "inference.GRPCInferenceService"
"""Triton's gRPC service."""
_QUESTIONS = (
    *("ServerLive", "ServerReady", "ServerMetadata", "RepositoryIndex"),
    *("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics"),
)
METHODS = ("ModelInfer", "ModelStreamInfer", *_QUESTIONS)
"""Methods that every client may call: all that do not change a server. Model control, settings of log and trace, and
shared memory would each let one client decide for all."""
CLOSED = (
    "forbidden: clients may ask for inference, health, metadata, configuration, index and statistics; model control, "
    "log and trace settings and shared memory are the operator's"
)
"""Answer to the other methods."""

INFER_PATH, STREAM_PATH = f"/{SERVICE}/ModelInfer", f"/{SERVICE}/ModelStreamInfer"
INDEX_PATH = f"/{SERVICE}/RepositoryIndex"
"""Path of a job's first call."""
HEALTH_CHECK_PATH = "/grpc.health.v1.Health/Check"

_SAFE_ALWAYS = "connect-failure,refused-stream"
"""Failures before any server has begun the call: any call may be repeated after them."""
_SAFE_WITHOUT_STATE = f"{_SAFE_ALWAYS},reset,cancelled,retriable-headers"
"""Failures after which a call that leaves no state is repeated: a broken connection, CANCELLED, which a stopping server
says (a client's own cancellation never comes from upstream), and the answers of `_STOPPING`."""
_STOPPING = (
    *("Server is stopping", "Server exiting", "Server not ready"),
    *("server is shutting down", "is not at ready state", "Cancelling all calls"),
)
"""Reasons in an answer of a server or model that stops, which is UNAVAILABLE. Sources: Triton's `core/src/server.cc`,
`core/src/dynamic_batch_scheduler.cc`, `core/src/model_repository_manager/model_lifecycle.cc` and
`server/src/grpc/infer_handler.cc`; gRPC's `src/core/server/server.cc`. Triton also answers UNAVAILABLE when a queue is
full or a request waited too long there. That, RESOURCE_EXHAUSTED, INTERNAL and DEADLINE_EXCEEDED are not repeated:
every server would answer the same, and repeating them multiplies an overload."""


def routes(args: EnvoyProxyArgs) -> list[Config]:
    """Return the routes for clients: the methods, most frequent first, then the answers to all other calls.

    A stream lives as long as it is used and is not repeated once begun; every other call is one request. The name of
    the model is in the request's body, which Envoy does not read: one stateful model decides for all.
    """
    stream = {
        "match": {"path": STREAM_PATH, "grpc": {}},
        "route": {**_to_servers(args.timing), "retry_policy": _retry_policy(_SAFE_ALWAYS, args.traffic)},
    }
    return [
        request(args, INFER_PATH, leaves_state=args.stateful),
        stream,
        # One by one: as a regular expression they are more than Envoy takes.
        *(request(args, f"/{SERVICE}/{method}") for method in _QUESTIONS),
        request(args, HEALTH_CHECK_PATH),
        _answered(f"/{SERVICE}/", 403, CLOSED),
        # So a client's own health watch hears, as from Triton, that there is none, and does without.
        _answered("/", 404, "unimplemented method: the servers have no such method"),
    ]


def request(args: EnvoyProxyArgs, path: str, *, leaves_state: bool = False) -> Config:
    """Return the route of a call that is one request; one that leaves state is not repeated once begun."""
    traffic = args.traffic
    longest = seconds(args.timing.request_duration_max_seconds)
    return {
        "match": {"path": path, "grpc": {}},
        "route": {
            **_to_servers(args.timing),
            # Without the second, Envoy would tell the server its own limit instead of the client's deadline.
            "max_stream_duration": {"max_stream_duration": longest, "grpc_timeout_header_max": longest},
            "retry_policy": _retry_policy(_SAFE_ALWAYS if leaves_state else _SAFE_WITHOUT_STATE, traffic),
        },
        # To be sent again a request must be held until its answer begins. The default holds no more than one window.
        # The largest message gets 1 MiB more, for its frame and for the fields beside the tensors.
        "request_body_buffer_limit": mib(traffic.largest_message_mib + 1),
    }


def replaced(routes: Sequence[Config], path: str, by: Callable[[Config], Sequence[Config]]) -> list[Config]:
    """Return the routes with each route of the path replaced."""
    return [new for route in routes for new in (by(route) if route["match"].get("path") == path else [route])]


def _answered(prefix: str, http_status: int, sentence: str) -> Config:
    """Return a route that Envoy answers itself. It translates for gRPC: 403 is PERMISSION_DENIED, 404 UNIMPLEMENTED."""
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
        # In the next pool, if there is one: the dead server may be the only one of its own.
        "retry_priority": extension(
            "envoy.retry_priorities.previous_priorities",
            "extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
            update_frequency=1,
        ),
        # Drawn again while the draw is a server that has failed this request. Of two servers, eight draws miss the one
        # that just died, whose queue is the shortest, once in 256 times.
        "host_selection_retry_max_attempts": 5000,
        "retriable_headers": [{"name": "grpc-message", "string_match": {"contains": reason}} for reason in _STOPPING],
        # Requests of a crashed server do not return all at once. The waits are drawn at random from 0 to 0.1, 0.3, 0.7
        # and 1 s.
        "retry_back_off": {"base_interval": seconds(0.1), "max_interval": seconds(1)},
    }
