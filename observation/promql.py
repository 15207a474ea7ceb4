"""Queries of the view and of the report. Those of KEDA are in `components.queries`, those of rules in `monitoring`.

One question brings many values: each part of a query has a label `value` with its name. Two scrape jobs may see one
server, so `max by (pod, …)` comes before each sum.

| value       | unit | labels             | formula                                                                    |
|-------------|------|--------------------|----------------------------------------------------------------------------|
| `requests`  | 1/s  | pod, model         | successful requests                                                        |
| `failed`    | 1/s  | pod, model         | failed requests                                                            |
| `pending`   | 1    | pod, model         | requests that wait in Triton's queue                                       |
| `total`     | 1    | pod, model         | seconds of requests in the server a second: the requests in it, on average |
| `queue`     | 1    | pod, model         | the same for the wait in the queue                                         |
| `executing` | 1    | pod, model         | executions in progress: a batch counts once                                |
| `gpu`       | 1    | pod                | utilisation of its GPUs, 0 to 1; absent without a GPU                      |

`total` and `queue` by `requests` are a mean latency. An ensemble counts beside its steps.

Envoy has no series of a pool. `latency` is that of a call in a server, with all its attempts, from Envoy's buckets.
"""

from collections.abc import Mapping

from components import queries
from components.envoy.refusals import OF_CLIENTS, REFUSALS, TO_SERVERS
from observation.stack_names import Pool, StackNames

VALUE = "value"
"""Label with the name of a value."""

_RATE_SECONDS_MIN = 60
"""Shortest window of the view's rates: over less than a minute they jump."""

REFUSALS_SECONDS = 600
"""Time in which refusals are counted."""

QUANTILES: Mapping[str, float] = {"latency_p50_ms": 0.5, "latency_p99_ms": 0.99}
"""Name of a value -> quantile of the latency."""


def server_values(names: StackNames) -> str:
    """Return the query of the servers' values."""
    window = _window(names)
    place = f'namespace="{names.namespace}",pod=~"{names.servers}"'

    def of_model(expression: str) -> str:
        return f"sum by (pod, model) (max by (pod, model, version, reason) ({expression}))"

    def rate(series: str) -> str:
        return f"rate({series}{{{place}}}[{window}])"

    return _named(
        {
            "requests": of_model(rate("nv_inference_request_success")),
            "failed": of_model(rate("nv_inference_request_failure")),
            "pending": of_model(f"nv_inference_pending_request_count{{{place}}}"),
            "total": of_model(f"{rate('nv_inference_request_duration_us')} / 1e6"),
            "queue": of_model(f"{rate('nv_inference_queue_duration_us')} / 1e6"),
            "executing": f"sum by (pod, model) ({queries.executing(f'{{{place}}}', window)})",
            "gpu": f"avg by (pod) (max by (pod, gpu_uuid) (nv_gpu_utilization{{{place}}}))",
        }
    )


def envoy_values(names: StackNames) -> str:
    """Return the query of Envoy's values; those of refusals are counts of the last `REFUSALS_SECONDS`."""
    place = f'namespace="{names.namespace}",pod=~"{names.envoys}"'
    window = _window(names)
    return _named(
        {
            "calls": _of_all(f"rate(envoy_http_downstream_rq_completed{{{place},{OF_CLIENTS}}}[{window}])"),
            "in_progress": _of_all(f"envoy_http_downstream_rq_active{{{place},{OF_CLIENTS}}}"),
            **_latencies(place, window),
            **_refusals(place, f"{REFUSALS_SECONDS}s"),
        }
    )


def pool_history(names: StackNames, pool: Pool, step_seconds: int) -> Mapping[str, str]:
    """Return the query of each value of a pool over time, without labels of pods: servers come and go.

    They are those of `server_values`, `requests` by model and `failed` by reason, and `servers` and `gpus`, which are
    the numbers of servers that answer the scrape and of GPUs that these report.
    """
    place, window = f'namespace="{names.namespace}",pod=~"{pool.pod_pattern}"', f"{step_seconds}s"

    def rate(series: str, *labels: str) -> str:
        by = ", ".join(("pod", "model", "version", *labels))
        return f"max by ({by}) (rate({series}{{{place}}}[{window}]))"

    return {
        "requests": f"sum by (model) ({rate('nv_inference_request_success')})",
        "failed": f"sum by (reason) ({rate('nv_inference_request_failure', 'reason')})",
        "pending": f"sum(max by (pod, model, version) (nv_inference_pending_request_count{{{place}}}))",
        "total": f"sum({rate('nv_inference_request_duration_us')}) / 1e6",
        "queue": f"sum({rate('nv_inference_queue_duration_us')}) / 1e6",
        "servers": f"count(count by (pod) (nv_inference_request_success{{{place}}}))",
        "gpus": queries.gpus(f"{{{place}}}"),
    }


def envoy_history(names: StackNames, step_seconds: int) -> Mapping[str, str]:
    """Return the query of each of Envoy's values over time. Answered, refused and failed calls are those of a step."""
    place, window = f'namespace="{names.namespace}",pod=~"{names.envoys}"', f"{step_seconds}s"
    failed = f'envoy_cluster_grpc{{{place},{TO_SERVERS},grpc_status!="0"}}'
    # Envoy makes a counter of a status at its first call, which an increase does not see. A pod that was not scraped a
    # step before may bring the calls of its whole life: it does not count.
    scraped = f"envoy_http_downstream_rq_active{{{place},{OF_CLIENTS}}} offset {step_seconds}s"
    first = f"(({failed} unless {failed} offset {step_seconds}s) and on (pod) ({scraped}))"
    answered = f'increase(envoy_cluster_grpc{{{place},{TO_SERVERS},grpc_status="0"}}[{window}])'
    return {
        **_latencies(place, window),
        "answered": f"sum(max by (pod, envoy_cluster_name, grpc_method) ({answered}))",
        "ended": f"sum by (grpc_status) (max by (pod, envoy_cluster_name, grpc_method, grpc_status) "
        f"({first} or increase({failed}[{window}])))",
        **_refusals(place, window),
    }


def _latencies(place: str, window: str) -> Mapping[str, str]:
    buckets = f"envoy_cluster_upstream_rq_time_bucket{{{place},{TO_SERVERS}}}"
    return {
        name: f"histogram_quantile({quantile}, sum by (le) (rate({buckets}[{window}])))"
        for name, quantile in QUANTILES.items()
    }


def _refusals(place: str, window: str) -> Mapping[str, str]:
    return {each.cause: _of_all(f"increase({each.counter}{{{place},{each.matcher}}}[{window}])") for each in REFUSALS}


def _of_all(expression: str) -> str:
    return f"sum(max by (pod, envoy_cluster_name) ({expression}))"


def _window(names: StackNames) -> str:
    return f"{max(names.rate_seconds, _RATE_SECONDS_MIN)}s"


def _named(parts: Mapping[str, str]) -> str:
    return " or ".join(f'label_replace({part}, "{VALUE}", "{name}", "", "")' for name, part in parts.items())
