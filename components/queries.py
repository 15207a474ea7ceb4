"""Every PromQL query that KEDA and the admission controller put; those of rules are in `monitoring.rules`.

A query selects a pool's servers by `namespace` and `pod`, the two labels that both the stack's own Prometheus and a
site's (annotation discovery, PodMonitors) put on every series. Labels of the pod itself are spelt differently
everywhere. Each pool tells its namespace and the pattern of its pods' names. KEDA takes a query only if it returns one
element, so the outermost operator of each query is an aggregation.
"""

from collections.abc import Sequence

from components.server_pool import ServerPool

_FRESH_SECONDS = 60
"""Twice the slowest scrape interval in use at sites."""


def pending_requests(pool: ServerPool) -> str:
    """Sum of the requests that wait for execution in one pool's servers, over all models; see `autoscaling`.

    The result is empty, not zero, while no server is scraped. A server that two scrape jobs see counts once.
    """
    return f"sum(max by (pod, model, version) ({_pending(pool)}))"


def queue_wait_ms(pools: Sequence[ServerPool], *, service_time_ms: float) -> str:
    """Wait of a request that joins the queues of all pools now, in milliseconds; `autoscaling` has the arithmetic.

    The result is empty when no server was scraped within the last minute; Prometheus itself would repeat the last
    sample for five.
    """
    fresh = " or ".join(_fresh(_pending(pool)) for pool in pools)
    waiting = f"sum(max by (pod, model, version) ({fresh}))"
    return f"{waiting} / count(count by (pod) ({fresh})) * {service_time_ms:g}"


def filled(query: str, *, pool: ServerPool, envoys: str) -> str:
    """Return an experiment's own query with the pods of one pool and of the proxy."""
    places = {"{namespace}": pool.metrics.namespace, "{pods}": pool.pod_pattern, "{envoys}": envoys}
    for place, value in places.items():
        query = query.replace(place, value)
    return query.strip()


def _pending(pool: ServerPool) -> str:
    return f'nv_inference_pending_request_count{{namespace="{pool.metrics.namespace}",pod=~"{pool.pod_pattern}"}}'


def _fresh(series: str) -> str:
    # `timestamp` takes a plain selector only: of any other expression it gives the time of the evaluation.
    return f"({series} and (time() - timestamp({series}) < {_FRESH_SECONDS}))"
