"""Traces of calls: which are sampled, what the servers learn of them, and where Envoy's spans go.

One decision holds for a whole call. Envoy draws it, or takes it over from the client as far as the site lets it, and
Triton follows: docs/adr, "Triton traces what it is told of".
"""

from collections.abc import Iterator
from typing import Any

from components.envoy.args import EnvoyProxyArgs
from components.envoy.cluster import outside_cluster
from components.envoy.feature import Feature
from components.envoy.typed import Config, extension, seconds, typed
from components.network import edge_to_url
from stacks.schema.tracing import Tracing
from stacks.schema.url import cluster_service, endpoint

CLUSTER = "collector"
"""Name of the collector's cluster, and value of the label `envoy_cluster_name` of its metrics."""

_PARENT, _STATE = "traceparent", "tracestate"
"""Headers of W3C Trace Context. The first ends with `-01` where the caller has sampled the trace."""
_DRAW, _FOLLOWED = "x-sonic-trace-draw", "x-sonic-trace-parent"
"""Headers that exist while Envoy decides whether it follows a client."""
_SEND_TIMEOUT_SECONDS = 5


def feature(args: EnvoyProxyArgs) -> Feature:
    """Return the tracer, its policy and the way to the collector; off where the site traces nothing.

    Without a collector the spans are lost, and no call waits: Envoy keeps a few and sends them in the background.
    """
    tracing = args.tracing
    if tracing is None:
        return Feature()
    return Feature(
        connection_manager={
            "tracing": {
                "provider": _provider(args, tracing),
                # Otherwise every span would be called `ingress`.
                "operation": "%REQ(:path)%",
                "custom_tags": [{"tag": "upstream_address", "value": "%UPSTREAM_HOST%"}],
            },
            # The sampler of the tracer decides alone; by default the connection manager draws by a request id first.
            "request_id_extension": {
                "typed_config": typed(
                    "extensions.request_id.uuid.v3.UuidRequestIdConfig", use_request_id_for_trace_sampling=False
                )
            },
            **_of_clients(tracing.client_sampling_percent),
        },
        upstream_filters=[_unsampled_calls_are_untold()],
        clusters=[outside_cluster(CLUSTER, _collector_host(args, tracing), endpoint(tracing.url).port, args.timing)],
        egress=[edge_to_url(tracing.url)],
    )


def _provider(args: EnvoyProxyArgs, tracing: Tracing) -> Config:
    sampler = "extensions.tracers.opentelemetry.samplers.v3"
    share = {"numerator": round(tracing.sampling_percent * 10_000), "denominator": "MILLION"}
    return extension(
        "envoy.tracers.opentelemetry",
        "config.trace.v3.OpenTelemetryConfig",
        http_service={
            "http_uri": {
                "uri": tracing.spans_url,
                "cluster": CLUSTER,
                "timeout": seconds(_SEND_TIMEOUT_SECONDS),
            }
        },
        service_name=args.name,
        # A call that brings a trace is sampled where that is, any other one by the share.
        sampler=extension(
            "envoy.tracers.opentelemetry.samplers.parent_based",
            f"{sampler}.ParentBasedSamplerConfig",
            wrapped_sampler=extension(
                "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
                f"{sampler}.TraceIdRatioBasedSamplerConfig",
                sampling_percentage=share,
            ),
        ),
    )


def _of_clients(percent: float) -> dict[str, Any]:
    """Return the change of clients' headers before the tracer reads them: it keeps a share of their decisions."""
    if percent == 100:
        return {}
    changes = [*_draw(percent)] if percent else [_removed(_PARENT), _removed(_STATE)]
    mutation = extension(
        "envoy.http.early_header_mutation.header_mutation",
        "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=changes,
    )
    return {"early_header_mutation_extensions": [mutation]}


def _draw(percent: float) -> Iterator[Config]:
    """Yield changes that drop `traceparent` unless a random number is below a share.

    A UUID is the one random value that headers can have; its first eight digits are compared as text.
    """
    below = f"{round(percent / 100 * 2**32):08x}"
    yield _removed(_FOLLOWED)
    yield _set(_DRAW, "%UNIQUE_ID%")
    yield _set(_FOLLOWED, _cel(f"request.headers['{_DRAW}'] < '{below}' ? request.headers['{_PARENT}'] : ''"))
    yield _removed(_PARENT)
    yield _set(_PARENT, f"%REQ({_FOLLOWED})%")
    yield _removed(_DRAW)
    yield _removed(_FOLLOWED)


def _unsampled_calls_are_untold() -> Config:
    """Return the filter of attempts that empties the header of a call that is not sampled, which Envoy adds always.

    Triton traces every request that has one, sampled or not.
    """
    told = _cel(f"request.headers['{_PARENT}'].endsWith('-01') ? request.headers['{_PARENT}'] : ''")
    return extension(
        "envoy.filters.http.header_mutation",
        "extensions.filters.http.header_mutation.v3.HeaderMutation",
        mutations={"request_mutations": [_set(_PARENT, told, keep_empty_value=True)]},
    )


def _cel(expression: str) -> str:
    return f"%CEL({expression})%"


def _removed(header: str) -> Config:
    return {"remove": header}


def _set(header: str, value: str, **options: Any) -> Config:
    """Return the change that gives a header one value. An empty one changes nothing without `keep_empty_value`."""
    entry = {"header": {"key": header, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD", **options}
    return {"append": entry}


def _collector_host(args: EnvoyProxyArgs, tracing: Tracing) -> str:
    """Return the collector's DNS name in full: Envoy's resolver has no search list."""
    host = endpoint(tracing.url).host
    service = cluster_service(host)
    if service is None:
        return host
    namespace = service.namespace or args.naming.namespace
    return f"{service.name}.{namespace}.svc.{args.naming.cluster_domain}"
