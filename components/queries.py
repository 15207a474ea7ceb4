"""Every PromQL query of the program.

A query selects a pool's servers by `namespace` and `pod`, the two labels that both the stack's own Prometheus and a
site's (annotation discovery, PodMonitors) put on what they scrape; labels of the pod itself are spelt differently
everywhere. KEDA takes a query only if it returns one element, so the outermost operator of each is an aggregation.
"""

from collections.abc import Sequence

_FRESH_SECONDS = 60
"""Twice the slowest scrape interval in use at sites."""
_NAME_BASE_LENGTH_MAX = 58
"""The API server cuts the generated part off a pod's name here, and puts five random characters behind."""


def pending_requests(namespace: str, deployment_name: str) -> str:
    """Requests that wait for their turn in the servers of one Deployment, over all models; see `autoscaling`.

    Empty, not zero, while no server is scraped. A server that two scrape jobs see counts once.
    """
    series = f'nv_inference_pending_request_count{{namespace="{namespace}",pod=~"{_pod_pattern(deployment_name)}"}}'
    return f"sum(max by (pod, model, version) ({series}))"


def queue_wait_ms(namespace: str, deployment_names: Sequence[str], *, service_time_ms: float) -> str:
    """How long a request waits that joins the queues now, in milliseconds; see `autoscaling` for the arithmetic.

    Empty while no server was scraped within the last minute: by itself Prometheus would go on for five.
    """
    pods = "|".join(_pod_pattern(name) for name in deployment_names)
    series = f'nv_inference_pending_request_count{{namespace="{namespace}",pod=~"{pods}"}}'
    fresh = f"({series} and (time() - timestamp({series}) < {_FRESH_SECONDS}))"
    waiting = f"sum(max by (pod, model, version) ({fresh}))"
    return f"{waiting} / count(count by (pod) ({fresh})) * {service_time_ms:g}"


def _pod_pattern(deployment_name: str) -> str:
    # A pod is called <deployment>-<hash of its ReplicaSet>-<five characters>; of a long name, what is left of that.
    # The bounds keep pool `gpu` from matching the pods of a pool `gpu-large`.
    stem = f"{deployment_name}-"[:_NAME_BASE_LENGTH_MAX]
    return f"{stem}[a-z0-9]{{1,15}}(-[a-z0-9]{{5}})?"
