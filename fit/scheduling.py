"""The scheduler's filters, for what the stack's pods ask of a node."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from access.cluster import Object
from fit.quantity import Amounts, quantity

Expression = Mapping[str, Any]

_CLOSED = frozenset({"NoSchedule", "NoExecute"})
_STATES = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
"""Prefixes of taints that Kubernetes sets while a node is cordoned, not ready or short of something."""


def selector_terms(pod: Mapping[str, Any]) -> list[list[Expression]]:
    """Return the alternatives of what a node must match: the selector with each term of the node affinity."""
    selector = [{"key": key, "operator": "In", "values": [value]} for key, value in pod.get("nodeSelector", {}).items()]
    required = pod.get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", {})
    terms = required.get("nodeSelectorTerms") or [{}]
    return [[*selector, *term.get("matchExpressions", ())] for term in terms]


def matches(node: Object, expression: Expression) -> bool:
    """Return True if the labels of a node satisfy an expression of a node affinity."""
    value = node["metadata"].get("labels", {}).get(expression["key"])
    values = expression.get("values", [])
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case operator:
            if not (value or "").lstrip("-").isdigit():
                return False
            difference = int(str(value)) - int(values[0])
            return difference > 0 if operator == "Gt" else difference < 0


def untolerated(node: Object, tolerations: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the taints that keep a pod from a node."""
    taints = [
        taint
        for taint in node["spec"].get("taints", ())
        if taint["effect"] in _CLOSED and not taint["key"].startswith(_STATES)
    ]
    return [taint for taint in taints if not any(_tolerates(each, taint) for each in tolerations)]


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")


def is_open(node: Object) -> bool:
    """Return True if the node is ready, not cordoned, and short of nothing."""
    conditions = node.get("status", {}).get("conditions", [])
    ready = next((each["status"] for each in conditions if each["type"] == "Ready"), "True")
    states = [taint["key"] for taint in node["spec"].get("taints", ()) if taint["effect"] in _CLOSED]
    return ready == "True" and not (node["spec"].get("unschedulable") or any(key.startswith(_STATES) for key in states))


def room(node: Object, request: Amounts) -> int:
    """Return how many pods of a request an empty node holds."""
    return min(room_by(node, resource, amount) for resource, amount in [("pods", quantity(1)), *request.items()])


def room_by(node: Object, resource: str, amount: Any) -> int:
    """Return how many pods an empty node holds, as far as one resource is concerned."""
    if not amount:
        return 10**9
    return int(quantity(node["status"]["allocatable"].get(resource, "0")) // amount)


def scarcest(nodes: Sequence[Object], request: Amounts) -> str:
    """Return the resource of which the nodes hold the fewest pods."""
    return min(request, key=lambda resource: sum(room_by(node, resource, request[resource]) for node in nodes))
