"""What the pods of a stack have in common: no privilege that they do not need, and replicas on different nodes."""

from collections.abc import Mapping
from typing import Any

from components.base import Manifest

CONTAINER_SECURITY: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""`securityContext` of a container, as the Pod Security level `restricted` wants it, on a read-only root."""


def pod_security(user_id: int) -> dict[str, Any]:
    """`securityContext` of a pod, as the Pod Security level `restricted` wants it: an ordinary user and its group."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user_id,
        "runAsGroup": user_id,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def pull_secrets(name: str | None) -> dict[str, Any]:
    """`imagePullSecrets` of a pod spec, where the site has one."""
    return {"imagePullSecrets": [{"name": name}]} if name else {}


def spread_over_nodes(selector: Mapping[str, str]) -> list[dict[str, Any]]:
    """`topologySpreadConstraints`: replicas of one template on different nodes, as far as there are nodes.

    On the one node that is left, two replicas are still two.
    """
    return [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector},
            "matchLabelKeys": ["pod-template-hash"],
        }
    ]


def scrape_annotations(port: int, path: str) -> dict[str, str]:
    """Annotations of a pod by which a Prometheus that is not the stack's own finds its metrics."""
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(port), "prometheus.io/path": path}


def disruption_budget_spec(selector: Mapping[str, str]) -> Manifest:
    """Spec of a PodDisruptionBudget: drained nodes take one pod at a time; one that is not ready is no loss."""
    return {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": selector},
    }
