"""Every PromQL query of the program.

A query selects a pool's servers by `namespace` and `pod`, the two labels that both the stack's own Prometheus and a
site's (annotation discovery, PodMonitors) put on what they scrape; labels of the pod itself are spelt differently
everywhere. KEDA takes a query only if it returns one element, so the outermost operator of each is an aggregation.
"""

_NAME_BASE_LENGTH_MAX = 58
"""The API server cuts the generated part off a pod's name here, and puts five random characters behind."""


def pending_requests(namespace: str, deployment_name: str) -> str:
    """Requests that wait for their turn in the servers of one Deployment, over all models; see `autoscaling`.

    Empty, not zero, while no server is scraped. A server that two scrape jobs see counts once.
    """
    series = f'nv_inference_pending_request_count{{namespace="{namespace}",pod=~"{_pod_pattern(deployment_name)}"}}'
    return f"sum(max by (pod, model, version) ({series}))"


def _pod_pattern(deployment_name: str) -> str:
    # A pod is called <deployment>-<hash of its ReplicaSet>-<five characters>; of a long name, what is left of that.
    # The bounds keep pool `gpu` from matching the pods of a pool `gpu-large`.
    stem = f"{deployment_name}-"[:_NAME_BASE_LENGTH_MAX]
    return f"{stem}[a-z0-9]{{1,15}}(-[a-z0-9]{{5}})?"
