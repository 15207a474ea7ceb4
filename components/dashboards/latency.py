"""Rows on latency, and on calls that did not succeed."""

from components.dashboards.board import Panel, Query, Row, Shape, Unit
from components.dashboards.demand import INFER, NOT_OK, OF_MODEL, SUCCESS, quantile
from components.dashboards.facts import StackFacts
from components.dashboards.families import WINDOW, ratio
from components.envoy.refusals import NO_TOKEN, NOT_ALLOWED, OF_CLIENTS, REFUSALS, TO_SERVERS, Refusal
from components.queries import COMPUTE_PARTS
from stacks.schema.clients import CertificateClients, TokenClients

_PER_MODEL = ("model",)


def latency(facts: StackFacts) -> Row:
    """Return the row on latency and its parts."""
    models = facts.models
    requests = models.rate(SUCCESS, OF_MODEL, by=_PER_MODEL)
    computed = models.sum(
        " + ".join(
            f"rate({models.series(f'nv_inference_compute_{part}_duration_us', OF_MODEL)}[{WINDOW}])"
            for part in COMPUTE_PARTS
        ),
        by=_PER_MODEL,
    )
    queued = models.rate("nv_inference_queue_duration_us", OF_MODEL, by=_PER_MODEL)
    in_server = models.rate("nv_inference_request_duration_us", by=("pod",))
    executions = models.rate("nv_inference_exec_count", OF_MODEL, by=_PER_MODEL)
    return Row(
        title="Latency",
        panels=(
            Panel(
                title="Latency by part",
                description="Mean time of a ModelInfer call, from the arrival at a proxy to the end of the answer. "
                "Client to proxy: the call's body arrives, and the proxy holds it. Proxy to server: the network, and "
                "gRPC in the server. The rest is Triton's. Streams, and calls of other methods, add their times. Steps "
                "of an ensemble count as requests of their own, so the parts of a stack with ensembles overlap.",
                queries=tuple(Query(expression=expression, legend=part) for part, expression in _parts(facts).items()),
                unit=Unit.SECONDS,
                shape=Shape.AREAS,
                columns=12,
            ),
            Panel(
                title="Latency at the proxy",
                description="Time of the clients' calls at the proxies, all methods; a refusal is a call, too.",
                queries=(
                    *(Query(expression=quantile(facts, each / 100), legend=f"{each} %") for each in (50, 95, 99)),
                    Query(
                        expression=ratio(
                            facts.downstream.rate("envoy_http_downstream_rq_time_sum"),
                            facts.downstream.rate("envoy_http_downstream_rq_time_count"),
                            "/ 1e3",
                        ),
                        legend="mean",
                    ),
                ),
                unit=Unit.SECONDS,
                columns=12,
            ),
            Panel(
                title="Time in the queue by model",
                description="Mean wait of a request in the queue of its server. It is known when the request is done.",
                queries=(Query(expression=ratio(queued, requests, "/ 1e6"), legend="{{model}}"),),
                unit=Unit.SECONDS,
                columns=6,
            ),
            Panel(
                title="Compute time by model",
                description="Mean time of a request in execution: input, inference and output. A request has the time "
                "of its whole batch.",
                queries=(Query(expression=ratio(computed, requests, "/ 1e6"), legend="{{model}}"),),
                unit=Unit.SECONDS,
                columns=6,
            ),
            Panel(
                title="Time in each server",
                description="Mean time of a request in Triton, queue included, all models.",
                queries=(
                    Query(expression=ratio(in_server, models.rate(SUCCESS, by=("pod",)), "/ 1e6"), legend="{{pod}}"),
                ),
                unit=Unit.SECONDS,
                columns=6,
            ),
            Panel(
                title="Batch size by model",
                description="Mean number of inputs that are computed together.",
                queries=(
                    Query(
                        expression=ratio(models.rate("nv_inference_count", OF_MODEL, by=_PER_MODEL), executions),
                        legend="{{model}}",
                    ),
                ),
                columns=6,
            ),
        ),
    )


def refusals(facts: StackFacts) -> Row:
    """Return the row on calls that did not succeed."""
    upstream = facts.upstream
    failures = facts.failures.rate("nv_inference_request_failure", OF_MODEL, by=("model", "reason"))
    statuses = facts.calls.rate("envoy_cluster_grpc", NOT_OK, by=("grpc_method", "grpc_status"))
    return Row(
        title="Refusals and failures",
        panels=(
            Panel(
                title="Refused requests by cause",
                description="Calls that never reached a model. Limit: admission's, or that of a proxy's memory. New "
                "jobs are refused while servers are full. docs/admission.md says what to do.",
                queries=tuple(Query(expression=rate, legend=cause) for cause, rate in _refused(facts).items()),
                unit=Unit.REQUESTS_PER_SECOND,
            ),
            Panel(
                title="Failed calls by status",
                description="Calls at the proxies that did not end with OK, by method and gRPC status: 4 deadline "
                "exceeded, 8 resource exhausted, 13 internal, 14 unavailable.",
                queries=(Query(expression=statuses, legend="{{grpc_method}} {{grpc_status}}"),),
                unit=Unit.REQUESTS_PER_SECOND,
            ),
            Panel(
                title="Failed requests by model",
                description="Requests that Triton failed. REJECTED: its queue was full, or the request waited too long "
                "there. CANCELED: the client had gone. BACKEND: the model failed.",
                queries=(Query(expression=failures, legend="{{model}} {{reason}}"),),
                unit=Unit.REQUESTS_PER_SECOND,
            ),
            Panel(
                title="Retries and broken connections",
                description="Calls that a proxy sent to a second server; connections to servers that failed; calls "
                "that ran into their time limit; calls that the client gave up.",
                queries=(
                    Query(
                        expression=upstream.rate("envoy_cluster_upstream_rq_retry"), legend="sent to a second server"
                    ),
                    Query(
                        expression=upstream.rate("envoy_cluster_upstream_cx_connect_fail"), legend="failed connections"
                    ),
                    Query(
                        expression=upstream.rate("envoy_cluster_upstream_rq_max_duration_reached"),
                        legend="over the limit",
                    ),
                    Query(
                        expression=facts.downstream.rate("envoy_http_downstream_rq_rx_reset"),
                        legend="given up by the client",
                    ),
                ),
                unit=Unit.REQUESTS_PER_SECOND,
                columns=12,
            ),
            Panel(
                title="Servers as the proxies see them",
                description="Servers that DNS names, and those of them that pass the checks of each proxy.",
                queries=(
                    Query(expression=_members(facts, "total", "max"), legend="known"),
                    Query(expression=_members(facts, "healthy", "max"), legend="healthy at one proxy at least"),
                    Query(expression=_members(facts, "healthy", "min"), legend="healthy at every proxy"),
                ),
                columns=12,
            ),
        ),
    )


def _parts(facts: StackFacts) -> dict[str, str]:
    """Return part -> its mean time per call, in seconds."""
    models = facts.models
    calls, requests = facts.calls.rate("envoy_cluster_grpc", INFER), models.rate(SUCCESS)
    arrived = facts.downstream.rate("envoy_http_downstream_rq_time_sum")
    sent = facts.upstream.rate("envoy_cluster_upstream_rq_time_sum")
    in_triton = models.rate("nv_inference_request_duration_us")
    return {
        "client to proxy": f"clamp_min({ratio(f'({arrived} - {sent})', calls, '/ 1e3')}, 0)",
        "proxy to server": f"clamp_min({ratio(f'({sent} / 1e3 - {in_triton} / 1e6)', calls)}, 0)",
        "queue": ratio(models.rate("nv_inference_queue_duration_us"), requests, "/ 1e6"),
        **{
            f"compute: {part}": ratio(models.rate(f"nv_inference_compute_{part}_duration_us"), requests, "/ 1e6")
            for part in COMPUTE_PARTS
        },
    }


def _refused(facts: StackFacts) -> dict[str, str]:
    """Return cause -> calls per second."""
    shown = [each for each in REFUSALS if each not in {NO_TOKEN, NOT_ALLOWED} or each in _of_identity(facts)]
    families = {OF_CLIENTS: facts.downstream, TO_SERVERS: facts.upstream}
    return {
        **{each.cause: families[each.matcher].rate(each.counter) for each in shown},
        "too many connections": facts.proxies.rate("envoy_listener_downstream_global_cx_overflow"),
        "full queue of a server": facts.failures.rate("nv_inference_request_failure", 'reason="REJECTED"'),
    }


def _of_identity(facts: StackFacts) -> tuple[Refusal, ...]:
    match facts.clients:
        case TokenClients():
            return (NO_TOKEN, NOT_ALLOWED)
        case CertificateClients():
            return (NOT_ALLOWED,)
        case _:
            return ()


def _members(facts: StackFacts, which: str, among: str) -> str:
    return f"{among} ({facts.upstream.each(facts.upstream.series(f'envoy_cluster_membership_{which}'))})"
