"""Deployments of one pod with one HTTP port: Prometheus, Grafana, and the login before Prometheus."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.base import Manifest
from components.labels import Labels
from components.naming import Naming
from components.network import dual_stack
from components.pod import placement, pod_security, pull_secrets, spread_over_nodes
from stacks.schema.pod_settings import PodSettings

PORT_NAME = "http"
"""Name of the port, in the pod and in its Service."""


def service_spec(naming: Naming, labels: Labels, port: int) -> Manifest:
    """Return the spec of the Service, which has the pod's port."""
    return {
        "selector": labels.selector,
        **dual_stack(naming.ip_families),
        "ports": [{"name": PORT_NAME, "port": port, "targetPort": PORT_NAME, "protocol": "TCP"}],
    }


def deployment_spec(
    *,
    name: str,
    naming: Naming,
    labels: Labels,
    settings: PodSettings,
    strategy: Mapping[str, Any],
    user_id: int,
    container: Mapping[str, Any],
    volumes: Sequence[Mapping[str, Any]],
    with_token: bool = False,
) -> Manifest:
    """Return the spec of the Deployment. It keeps no old revision, whose ConfigMap would be gone.

    Args:
        name: name of the ServiceAccount.
        naming: instance and namespace of the stack.
        labels: labels of the pod.
        settings: the site's choices for the pod.
        strategy: how another revision replaces the pod.
        user_id: user and group of its processes and of its volumes.
        container: its only container.
        volumes: its volumes.
        with_token: the pod gets a token of the API server.
    """
    return {
        "replicas": 1,
        "strategy": strategy,
        "revisionHistoryLimit": 0,
        "selector": {"matchLabels": labels.selector},
        "template": {
            "metadata": {
                "labels": {**settings.pod_labels, **labels.all},
                **({"annotations": settings.pod_annotations} if settings.pod_annotations else {}),
            },
            "spec": {
                "serviceAccountName": name,
                "automountServiceAccountToken": with_token,
                "enableServiceLinks": False,
                "securityContext": {**pod_security(user_id), "fsGroup": user_id},
                **pull_secrets(naming.pull_secret),
                **placement(settings),
                "topologySpreadConstraints": spread_over_nodes(labels.selector),
                "containers": [container],
                "volumes": volumes,
            },
        },
    }


def probe(path: str, *, period_seconds: int, failure_threshold: int) -> Manifest:
    """Return a probe of the port; an answer may take 3 s."""
    return {
        "httpGet": {"path": path, "port": PORT_NAME},
        "periodSeconds": period_seconds,
        "failureThreshold": failure_threshold,
        "timeoutSeconds": 3,
    }
