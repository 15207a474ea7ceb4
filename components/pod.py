"""Parts that the pods of a stack share: security, spread over nodes, names, annotations and guards."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.base import Manifest, SonicComponent
from stacks.schema.pod_settings import PodSettings

CONTAINER_SECURITY: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""`securityContext` of a container for the Pod Security level `restricted`, with a read-only root."""

_NAME_BASE_LENGTH_MAX = 58
"""Characters that the API server keeps of a generated name before it appends five random ones."""


def pod_security(user_id: int) -> dict[str, Any]:
    """Return the `securityContext` of a pod for the Pod Security level `restricted`: an ordinary user and group."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user_id,
        "runAsGroup": user_id,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def placement(settings: PodSettings, *requirements: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a pod spec that choose nodes, runtime and priority; empty parts are left out.

    Args:
        settings: the site's choices.
        requirements: further `matchExpressions` that a node must meet.
    """
    expressions = [*requirements, *(each.model_dump(exclude_defaults=True) for each in settings.node_affinity)]
    terms = {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
    parts = {
        "nodeSelector": settings.node_selector,
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}} if expressions else {},
        "tolerations": [toleration.model_dump(exclude_none=True) for toleration in settings.tolerations],
        "runtimeClassName": settings.runtime_class,
        "priorityClassName": settings.priority_class,
    }
    return {key: value for key, value in parts.items() if value}


def pull_secrets(name: str | None) -> dict[str, Any]:
    """Return `imagePullSecrets` of a pod spec; empty without a secret."""
    return {"imagePullSecrets": [{"name": name}]} if name else {}


def spread_over_nodes(selector: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return `topologySpreadConstraints` that spread the replicas of one template over the nodes and their zones.

    The rules are soft: with one node left both replicas run on it. A pod with constraints of its own gets none of the
    scheduler's default ones, which spread over zones.
    """
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector},
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def guaranteed(resources: Mapping[str, str]) -> dict[str, Any]:
    """Return `resources` with equal requests and limits.

    A pod whose containers are all like this is of QoS class Guaranteed: on a node without memory the kernel kills the
    others first. The National Research Platform bans pods that use much more or less than they request.
    """
    return {"requests": dict(resources), "limits": dict(resources)}


def deployment_pod_pattern(deployment_name: str) -> str:
    """Return a regular expression for the names of a Deployment's pods.

    A pod is called `<deployment>-<hash of its ReplicaSet>-<five characters>`. The API server cuts all but the five
    characters at 58, so the pattern of a long name ends earlier. Its bounds keep pool `gpu` from matching the pods of a
    pool `gpu-large`.
    """
    stem = f"{deployment_name}-"[:_NAME_BASE_LENGTH_MAX]
    return f"{stem}[a-z0-9]{{1,15}}(-[a-z0-9]{{5}})?"


def scrape_annotations(port: int, path: str) -> dict[str, str]:
    """Return the annotations by which the stack's Prometheus and a site's find a pod's metrics."""
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(port), "prometheus.io/path": path}


def pod_guards(
    component: SonicComponent,
    metadata: Manifest,
    *,
    selector: Mapping[str, str],
    policy: Manifest,
    account_annotations: Mapping[str, str] | None = None,
) -> list[pulumi.Resource]:
    """Register what guards a Deployment's pods: a ServiceAccount without a token, a NetworkPolicy and a budget.

    Args:
        component: parent of the three.
        metadata: `metadata` of the three, and of the Deployment.
        selector: labels of the pods.
        policy: spec of the NetworkPolicy.
        account_annotations: annotations of the ServiceAccount.

    Returns:
        The account and the policy, which the Deployment depends on.
    """
    account = k8s.core.v1.ServiceAccount(
        component.child("account"),
        metadata={**metadata, "annotations": account_annotations} if account_annotations else metadata,
        automount_service_account_token=False,
        opts=component.options(),
    )
    network_policy = k8s.networking.v1.NetworkPolicy(
        component.child("policy"), metadata=metadata, spec=policy, opts=component.options()
    )
    budget: Manifest = {
        # A node drain evicts one pod at a time. Pods that are not ready may always be evicted.
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": selector},
    }
    k8s.policy.v1.PodDisruptionBudget(
        component.child("budget"), metadata=metadata, spec=budget, opts=component.options()
    )
    return [account, network_policy]
