"""Pods of rendered objects: selectors and NetworkPolicies."""

from collections.abc import Mapping, Sequence
from typing import Any

Manifest = Mapping[str, Any]


def template(deployment: Manifest) -> Manifest:
    """Pod template of a Deployment."""
    found: Manifest = deployment["spec"]["template"]
    return found


def labels(deployment: Manifest) -> Mapping[str, str]:
    """Labels of a Deployment's pods."""
    found: Mapping[str, str] = template(deployment)["metadata"]["labels"]
    return found


def selects(selector: Mapping[str, str], pod_labels: Mapping[str, str]) -> bool:
    """Return True if a selector of `matchLabels` matches; an empty one matches every pod."""
    return selector.items() <= pod_labels.items()


def admits(policies: Sequence[Manifest], direction: str, pod: Mapping[str, str], peer: Manifest, port: int) -> bool:
    """Return True if NetworkPolicies allow traffic from (`ingress`) or to (`egress`) a peer on a TCP port.

    `peer` is `labels` of a pod, with its `namespace` where that is not the policies' own.
    """
    end = {"ingress": "from", "egress": "to"}[direction]
    for policy in policies:
        spec = policy["spec"]
        if selects(spec["podSelector"].get("matchLabels", {}), pod):
            for rule in spec[direction]:
                on_port = not rule.get("ports") or any(
                    entry["port"] == port and entry["protocol"] == "TCP" for entry in rule["ports"]
                )
                if on_port and (end not in rule or any(_is_peer(entry, peer) for entry in rule[end])):
                    return True
    return False


def _is_peer(entry: Manifest, peer: Manifest) -> bool:
    if "ipBlock" in entry:
        return False
    namespaces = entry.get("namespaceSelector")
    if namespaces is None and "namespace" in peer:
        return False
    named = {"kubernetes.io/metadata.name": peer.get("namespace", "")}
    if namespaces and not selects(namespaces.get("matchLabels", {}), named):
        return False
    return selects(entry.get("podSelector", {}).get("matchLabels", {}), peer["labels"])
