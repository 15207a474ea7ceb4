"""Rows on who uses a stack, and what waits where."""

from dataclasses import replace

from components.dashboards.accounts import gpu_hours
from components.dashboards.board import Panel, Query, Row, Shape, Unit
from components.dashboards.capacity import servers
from components.dashboards.facts import StackFacts
from components.dashboards.families import WINDOW, ratio

SUCCESS, PENDING = "nv_inference_request_success", "nv_inference_pending_request_count"
OF_MODEL = 'model=~"$model"'
"""Matcher of the models that the reader chose."""
INFER = 'grpc_method="ModelInfer"'
NOT_OK = 'grpc_status!="0"'


def now(facts: StackFacts) -> Row:
    """Return the row with the state of the stack in numbers."""
    calls = facts.calls.rate("envoy_cluster_grpc", INFER)
    failed = facts.calls.rate("envoy_cluster_grpc", INFER, NOT_OK)
    hours = " + ".join(f"({gpu_hours(facts, pool)} or vector(0))" for pool in facts.pools)
    panels = (
        Panel(
            title="Servers",
            description="Servers whose metrics are read, by pool.",
            queries=tuple(Query(expression=servers([pool]), legend=pool.name) for pool in facts.pools),
        ),
        Panel(
            title="Requests per second",
            description="Requests that the servers answered, all models. The steps of an ensemble count beside it.",
            queries=(Query(expression=facts.models.rate(SUCCESS), legend="requests"),),
            unit=Unit.REQUESTS_PER_SECOND,
        ),
        Panel(
            title="Waiting requests",
            description="Requests in the queues of the servers, all models.",
            queries=(Query(expression=facts.models.now(PENDING), legend="waiting"),),
        ),
        Panel(
            title="Failed calls",
            description="Fraction of the ModelInfer calls that a proxy refused or a server failed.",
            queries=(Query(expression=ratio(f"({failed} or vector(0))", calls), legend="of all ModelInfer"),),
            unit=Unit.FRACTION,
        ),
        Panel(
            title="Latency at the proxy, 95 %",
            description="95 % of the calls end within this time, from their first byte at a proxy on.",
            queries=(Query(expression=quantile(facts, 0.95), legend="95 %"),),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="GPU hours",
            description="GPU hours of all pools in the chosen time.",
            queries=(Query(expression=hours, legend="GPU hours"),),
            unit=Unit.HOURS,
        ),
    )
    return Row(title="Now", panels=tuple(replace(panel, shape=Shape.NUMBERS, columns=4) for panel in panels))


def users(facts: StackFacts) -> Row:
    """Return the row on who uses the stack."""
    models, downstream = facts.models, facts.downstream
    return Row(
        title="Who uses it",
        panels=(
            *([_tenants(facts)] if facts.tenants else []),
            Panel(
                title="Requests per second by model",
                description="Requests that the servers answered.",
                queries=(Query(expression=models.rate(SUCCESS, OF_MODEL, by=("model",)), legend="{{model}}"),),
                unit=Unit.REQUESTS_PER_SECOND,
            ),
            Panel(
                title="Inferences per second by model",
                description="Inputs that were computed: a request with a batch of 32 counts 32 times.",
                queries=(
                    Query(expression=models.rate("nv_inference_count", OF_MODEL, by=("model",)), legend="{{model}}"),
                ),
            ),
            Panel(
                title="Inferences per second by server",
                description="Inputs that were computed, all models.",
                queries=(Query(expression=models.rate("nv_inference_count", by=("pod",)), legend="{{pod}}"),),
            ),
            Panel(
                title="Inferences per second",
                description="Inputs that were computed, all servers and models.",
                queries=(Query(expression=models.rate("nv_inference_count"), legend="inferences"),),
            ),
            Panel(
                title="Calls per second by method",
                description="Calls at the proxies, by gRPC method. A job calls RepositoryIndex when it starts.",
                queries=(
                    Query(
                        expression=facts.calls.rate("envoy_cluster_grpc", by=("grpc_method",)), legend="{{grpc_method}}"
                    ),
                ),
                unit=Unit.REQUESTS_PER_SECOND,
            ),
            Panel(
                title="Client connections",
                description="Open connections at each proxy. A job usually has one.",
                queries=(
                    Query(expression=downstream.now("envoy_http_downstream_cx_active", by=("pod",)), legend="{{pod}}"),
                ),
            ),
            Panel(
                title="Traffic of clients",
                description="Bytes from and to clients, at all proxies.",
                queries=(
                    Query(expression=downstream.rate("envoy_http_downstream_cx_rx_bytes_total"), legend="received"),
                    Query(expression=downstream.rate("envoy_http_downstream_cx_tx_bytes_total"), legend="sent"),
                ),
                unit=Unit.BYTES_PER_SECOND,
            ),
        ),
    )


def _tenants(facts: StackFacts) -> Panel:
    answers = facts.routes.rate(
        "envoy_vhost_route_upstream_rq",
        f'envoy_route=~"{"|".join(facts.tenants)}"',
        by=("envoy_route", "envoy_response_code"),
    )
    return Panel(
        title="Calls per second by tenant",
        description="ModelInfer calls within their tenant's share, by tenant and HTTP status. Those over it are among "
        "the refused requests.",
        queries=(Query(expression=answers, legend="{{envoy_route}} {{envoy_response_code}}"),),
        unit=Unit.REQUESTS_PER_SECOND,
    )


def waits(facts: StackFacts) -> Row:
    """Return the row on what waits where."""
    models = facts.models
    return Row(
        title="What waits where",
        panels=(
            Panel(
                title="Requests in progress, by place",
                description="Calls in progress at the proxies; those of them that were sent to a server; requests in "
                "the queues of the servers. What is sent and does not wait is being computed.",
                queries=(
                    Query(expression=facts.downstream.now("envoy_http_downstream_rq_active"), legend="at the proxies"),
                    Query(expression=facts.upstream.now("envoy_cluster_upstream_rq_active"), legend="sent to a server"),
                    Query(expression=models.now(PENDING), legend="in a server's queue"),
                ),
            ),
            Panel(
                title="Waiting requests by model",
                description="Requests in the queues of the servers.",
                queries=(Query(expression=models.now(PENDING, OF_MODEL, by=("model",)), legend="{{model}}"),),
            ),
            Panel(
                title="Waiting requests by server",
                description="Requests in the queues of each server.",
                queries=(Query(expression=models.now(PENDING, by=("pod",)), legend="{{pod}}"),),
            ),
        ),
    )


def quantile(facts: StackFacts, fraction: float) -> str:
    """Return the time within which a fraction of the calls ends, in seconds, as the proxies measure it."""
    buckets = facts.downstream.series("envoy_http_downstream_rq_time_bucket")
    each = f"max by (pod, le) (rate({buckets}[{WINDOW}]))"
    return f"histogram_quantile({fraction:g}, sum by (le) ({each})) / 1e3"
