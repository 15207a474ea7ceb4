"""Stand-ins of what interLink's virtual kubelet makes for pods of a virtual node: a tunnel pod for each."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.labels import JOB_COMPONENT, TUNNEL_LABEL
from components.pod import scrape_annotations

Manifest = Mapping[str, Any]
_COMPONENT = "app.kubernetes.io/component"


def tunnels(manifests: Sequence[Manifest]) -> list[dict[str, Any]]:
    """Return a Deployment of a tunnel pod for each Deployment of virtual pods."""
    return [_tunnel(each) for each in manifests if each["kind"] == "Deployment" and _is_of_jobs(each)]


def _is_of_jobs(deployment: Manifest) -> bool:
    labels: Mapping[str, str] = deployment["spec"]["template"]["metadata"]["labels"]
    return labels[_COMPONENT] == JOB_COMPONENT


def _tunnel(deployment: Manifest) -> dict[str, Any]:
    metadata, template = deployment["metadata"], deployment["spec"]["template"]["metadata"]
    name = f"wstunnel-{metadata['name']}-7d4b9c6f5-x2lqp-{metadata['namespace']}"
    labels = {**template["labels"], _COMPONENT: name, **TUNNEL_LABEL}
    container = {"name": "tunnel", "image": "tunnel:1", "ports": [{"name": "metrics", "containerPort": 8002}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": metadata["namespace"], "labels": labels},
        "spec": {
            "selector": {"matchLabels": {_COMPONENT: name}},
            "template": {
                "metadata": {"labels": labels, "annotations": scrape_annotations(8002, "/metrics")},
                "spec": {"containers": [container]},
            },
        },
    }
