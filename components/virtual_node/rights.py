"""Rights of a virtual kubelet: what interLink 0.6.1 to 0.7 and its virtual-kubelet library call, and nothing else.

The library also lists the cluster's Secrets and ConfigMaps, for variables that no pod of a stack takes from them. It
does without, and logs that it is forbidden.
"""

from typing import Any

from stacks.schema.virtual_nodes import VirtualNode

Rules = list[dict[str, Any]]
"""Rules of a Role or a ClusterRole."""

LEASE_NAMESPACE = "kube-node-lease"
"""Namespace of the leases of all nodes."""


def cluster_rules(node: str) -> Rules:
    """Return the rules for the whole cluster: it registers its own node, and reads pods and namespaces."""
    return [
        # Kubernetes cannot restrict `create` to a name.
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["nodes"], "resourceNames": [node], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["nodes/status"], "resourceNames": [node], "verbs": ["patch"]},
        # Pods of its node, by a watch over all namespaces; at start, those with a job in each namespace.
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list"]},
    ]


def lease_rules(node: str) -> Rules:
    """Return the rules in the namespace of the leases: it renews that of its own node."""
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    return [{**leases, "verbs": ["create"]}, {**leases, "resourceNames": [node], "verbs": ["get", "update"]}]


def stack_rules() -> Rules:
    """Return the rules in the namespace of a stack whose pods are on the node.

    Pods of other namespaces stay Pending on it: nobody else uses its Slurm account.
    """
    made = ["get", "create", "update", "delete"]
    return [
        # The job's id and the tunnel's command are annotations of the pod.
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["patch", "delete"]},
        {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["update"]},
        # The agent lists tunnels, and restarts servers before their time limit.
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": [*made, "list", "patch"]},
        {"apiGroups": [""], "resources": ["services"], "verbs": made},
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": made},
    ]


def role_ref(kind: str, name: str) -> dict[str, str]:
    """Return the `roleRef` of a binding to a Role or a ClusterRole."""
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}


def subjects(node: VirtualNode) -> list[dict[str, str]]:
    """Return the `subjects` of a binding for the virtual kubelet of a node."""
    return [{"kind": "ServiceAccount", "name": node.account, "namespace": node.namespace}]
