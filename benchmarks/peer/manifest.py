"""Objects of SuperSONIC's chart: names, labels, Deployments."""

from collections.abc import Mapping
from typing import Any

from benchmarks.peer.values import Values

Manifest = dict[str, Any]


def deployment(name: str, values: Values, component: str, replicas: int, pod: Manifest) -> Manifest:
    """Return a Deployment of pods with this spec."""
    selected = labels(values, component)
    template = {"metadata": {"labels": selected}, "spec": pod}
    spec = {"replicas": replicas, "selector": {"matchLabels": selected}, "template": template}
    return manifest("apps/v1", "Deployment", name, values, component, spec=spec)


def manifest(version: str, kind: str, name: str, values: Values, component: str, **content: Any) -> Manifest:
    """Return an object of the release's namespace."""
    metadata = {"name": name, "namespace": values.namespace, "labels": labels(values, component)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def labels(values: Values, component: str) -> dict[str, str]:
    """Return the labels by which the chart, its Services and its Prometheus know a component."""
    return {
        "app.kubernetes.io/name": "supersonic",
        "app.kubernetes.io/instance": values.name,
        "app.kubernetes.io/component": component,
    }


def resources(values: Values, limits: Mapping[str, str]) -> Manifest:
    """Return the resources of a container: what it may use, and little CPU requested."""
    return {"limits": dict(limits), "requests": {**limits, "cpu": values.requested_cpu}}
