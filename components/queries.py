"""Every PromQL query that KEDA and the admission controller put, and arithmetic that rules, dashboards and views share.

A query selects a pool's servers by `namespace` and `pod`, the two labels that both the stack's own Prometheus and a
site's (annotation discovery, PodMonitors) put on every series. Labels of the pod itself are spelt differently
everywhere. Each pool tells its namespace and the pattern of its pods' names. KEDA takes a query only if it returns one
element, so the outermost operator of each query is an aggregation. A server that two scrape jobs see counts once:
`max by (pod, …)` comes before each sum.

Triton's series, by model. The counters move when a response is complete.

| series                             | type    | meaning                                                             |
|------------------------------------|---------|---------------------------------------------------------------------|
| `nv_inference_pending_request_count` | gauge | requests enqueued and not yet in execution                          |
| `nv_inference_request_success`     | counter | requests answered                                                   |
| `nv_inference_exec_count`          | counter | executions: a batch is one                                          |
| `nv_inference_compute_*_duration_us` | counter | input, infer, output; each request of a batch adds the batch's time |
| `nv_gpu_utilization`               | gauge   | 0 to 1; missing without a GPU and on MIG slices                      |
"""

from collections.abc import Sequence
from typing import Literal

from components.envoy.cluster import CLUSTER
from components.envoy.refusals import NO_SERVER
from components.server_pool import ServerPool
from stacks.schema.experiment import PLACES_IN_QUERY

COMPUTE_PARTS = ("input", "infer", "output")
"""Parts of the time of a request in execution, as Triton counts them."""
Change = Literal["rate", "increase"]
"""Growth of a counter: per second, or in the whole window."""

_JOULES_PER_KWH = 3.6e6
_FRESH_SECONDS = 60
"""Twice the slowest scrape interval in use at sites."""
_WINDOW = "2m"
"""Time over which rates are taken: at least three samples of the slowest scrape interval in use at sites."""
_LOOK_SECONDS = 10
_LOOKS = 13
"""Moments at which samples must be there: from more than `_WINDOW` ago until now."""


def pending_requests(pool: ServerPool) -> str:
    """Requests that wait for execution in a pool's servers, over all models. Empty while no server is scraped."""
    return f"sum({_each(_pending(pool))})"


def waiting_work_ms(pool: ServerPool, *, service_time_ms: float, request_max_ms: float | None = None) -> str:
    """Time that one server would need for all requests that wait in a pool's queues, in milliseconds.

    It is the sum over servers and models of

        waiting requests x service time of the model / executions that the server does at the same time (at least 1)

    Each model's service time is measured over all servers of the pool. `service_time_ms` stands for a model of which no
    request was completed in two minutes. A service time above `request_max_ms` counts as that. The result is empty, not
    zero, while no server is scraped.
    """
    pending = _each(_pending(pool))
    measured = f"(1e3 * {service_seconds(pool, _WINDOW)})"
    if request_max_ms is not None:
        measured = f"clamp_max({measured}, {request_max_ms:g})"
        service_time_ms = min(service_time_ms, request_max_ms)
    known = f"{pending} * on (model) group_left () {measured}"
    work = f"sum by (pod) ({known} or {pending} * {service_time_ms:g})"
    together = f"clamp_min(sum by (pod) ({executing(servers(pool), _WINDOW)}) or sum by (pod) ({pending}) * 0, 1)"
    return f"sum({work} / {together})"


def busy_servers(pool: ServerPool, *, executions_per_server: int) -> str:
    """Servers of a pool that execute, as a sum of fractions: 1.5 are two servers at 75 %.

    A server's fraction is its executions in progress / `executions_per_server`, or the utilisation of its GPUs where
    that is less, and 1 at most. The result is empty, not zero, while no server is scraped.
    """
    executions = f"sum by (pod) ({executing(servers(pool), _WINDOW)}) / {executions_per_server}"
    gpu = f"avg by (pod) (avg_over_time(nv_gpu_utilization{servers(pool)}[{_WINDOW}]))"
    both = f"{_marked(executions, 'executions')} or {_marked(gpu, 'gpu')} and on (pod) {executions}"
    idle = f"sum by (pod) ({_each(_pending(pool))}) * 0"
    return f"sum(clamp_max(min by (pod) ({both}), 1) or {idle})"


def refused_without_server(pool: ServerPool, *, envoys: str) -> str:
    """1 if Envoy refused a request within two minutes because there was no server, 0 if it did not."""
    return f"sum(increase({NO_SERVER.counter}{_proxies(pool, envoys)}[{_WINDOW}])) > bool 0"


def whole_window(pool: ServerPool) -> str:
    """One element if samples of a pool reach over the whole window of its rates, without a gap of more than a minute.

    `rate` takes time without samples for time without requests: after an outage of Prometheus loaded servers read idle.
    The samples of one server are enough, since one that is new among others was idle before. So are those of a server
    that is gone.
    """
    servers_seen = f"count(count_over_time({_pending(pool)}[{_FRESH_SECONDS}s]))"
    return f"count_over_time({servers_seen}[{_LOOKS * _LOOK_SECONDS}s:{_LOOK_SECONDS}s]) >= {_LOOKS}"


def or_no_server(query: str, pool: ServerPool, *, envoys: str) -> str:
    """Return the query, and 0 in place of nothing while the Envoys know of no server."""
    return f"{query} or sum(envoy_cluster_membership_total{_proxies(pool, envoys)} == 0)"


def queue_wait_ms(pools: Sequence[ServerPool], *, service_time_ms: float) -> str:
    """Wait of a request that joins the queues of all pools now, in milliseconds; `autoscaling` has the arithmetic.

    The result is empty when no server was scraped within the last minute; Prometheus itself would repeat the last
    sample for five.
    """
    fresh = " or ".join(_fresh(_pending(pool)) for pool in pools)
    waiting = f"sum(max by (pod, model, version) ({fresh}))"
    return f"{waiting} / count(count by (pod) ({fresh})) * {service_time_ms:g}"


def service_seconds(pool: ServerPool, window: str) -> str:
    """Time in execution of one request of a model, its part of a batch, by model."""
    requests = rate("request_success", pool, window)
    return f"sum by (model) ({executing(servers(pool), window)}) / sum by (model) ({requests} > 0)"


def executing(selector: str, window: str, change: Change = "rate") -> str:
    """Time of executions in seconds, by pod, model and version. Per second it is the mean number in progress.

    A batch of b requests adds b times its duration to the sum of durations, and executions / requests is 1 / b. Without
    a request there is none.
    """
    executions, requests = (_grown(change, name, selector, window) for name in ("exec_count", "request_success"))
    return f"({computing(selector, window, change)}) * {executions} / ({requests} > 0) / 1e6"


def computing(selector: str, window: str, change: Change = "rate") -> str:
    """Time of requests in execution, in microseconds, by pod, model and version.

    A batch counts once for each of its requests.
    """
    return " + ".join(_grown(change, f"compute_{part}_duration_us", selector, window) for part in COMPUTE_PARTS)


def rate(counter: str, pool: ServerPool, window: str, *further: str) -> str:
    """Rate of `nv_inference_<counter>` by pod, model, version and further labels."""
    return _grown("rate", counter, servers(pool), window, *further)


def gpus(selector: str) -> str:
    """GPUs that servers report, each once."""
    return f"count(count by (gpu_uuid) (nv_gpu_utilization{selector}))"


def gpu_watts(selector: str) -> str:
    """Power of the GPUs that servers report, each once."""
    return f"sum(max by (gpu_uuid) (rate(nv_energy_consumption{selector}[5m])))"


def hours(summed: str, step_seconds: int) -> str:
    """Hours, from a number of things summed over a time in steps."""
    return f"{summed} * {step_seconds} / 3600"


def kilowatt_hours(summed: str, step_seconds: int) -> str:
    """Energy, from a power in watts summed over a time in steps."""
    return f"{summed} * {step_seconds} / {_JOULES_PER_KWH:g}"


def servers(pool: ServerPool, *matchers: str) -> str:
    """Selector of the series of a pool's servers."""
    return pods(pool.metrics.namespace, pool.pod_pattern, *matchers)


def pods(namespace: str, pattern: str, *matchers: str) -> str:
    """Selector of the series of pods whose whole names match a regular expression (RE2)."""
    both = (f'namespace="{namespace}"', f'pod=~"{pattern}"')
    return f"{{{','.join((*both, *matchers))}}}"


def filled(query: str, *, pool: ServerPool, envoys: str) -> str:
    """Return an experiment's own query with the pods of one pool and of the proxy."""
    for place, value in zip(PLACES_IN_QUERY, (pool.metrics.namespace, pool.pod_pattern, envoys), strict=True):
        query = query.replace(place, value)
    return query.strip()


def _grown(change: Change, counter: str, selector: str, window: str, *further: str) -> str:
    return _each(f"{change}(nv_inference_{counter}{selector}[{window}])", *further)


def _each(series: str, *further: str) -> str:
    return f"max by ({', '.join(('pod', 'model', 'version', *further))}) ({series})"


def _marked(expression: str, source: str) -> str:
    """The series with a label that keeps those of two sources apart."""
    return f'label_replace({expression}, "source", "{source}", "", "")'


def _pending(pool: ServerPool) -> str:
    return f"nv_inference_pending_request_count{servers(pool)}"


def _proxies(pool: ServerPool, envoys: str) -> str:
    return pods(pool.metrics.namespace, envoys, f'envoy_cluster_name="{CLUSTER}"')


def _fresh(series: str) -> str:
    # `timestamp` takes a plain selector only: of any other expression it gives the time of the evaluation.
    return f"({series} and (time() - timestamp({series}) < {_FRESH_SECONDS}))"
