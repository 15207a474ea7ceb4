"""Questions on the nodes: whether the pods find one, and how many servers they hold."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from access.cluster import NODES, ClusterView, Object
from components.tunnel import VIRTUAL_NODE_TAINT
from fit.demand import Demand, Workload
from fit.quantity import quantity, written
from fit.row import Finding, misfit, ok
from fit.scheduling import Expression, is_open, matches, room, scarcest, selector_terms, untolerated

_SHOWN_MAX = 4
"""Names that a sentence lists."""
_SHARED = frozenset({"cpu", "memory", "ephemeral-storage", "pods"})
"""Resources that other pods hold too, and leave: a rollout that lacks them waits, and that is all."""


def capacity(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Compare the pods of each part with what its nodes would hold if they were empty."""
    existing = [_labelled(node, demand) for node in cluster.list(NODES)]
    nodes = [*existing, *_virtual(demand, {node["metadata"]["name"] for node in existing})]
    for workload in demand.workloads:
        found = _matching(nodes, workload)
        candidates = [node for node in found if not untolerated(node, workload.pod.get("tolerations", ()))]
        usable = [node for node in candidates if is_open(node)]
        if usable:
            yield _held(demand, workload, usable)
        else:
            yield misfit(f"no node takes the pods of {workload.name}: {_reason(demand, workload, nodes)}")


def _labelled(node: Object, demand: Demand) -> Object:
    """Return a node with the labels that the stack will set on it."""
    if not demand.config.owns_singletons:
        return node
    added = [each.labels for each in demand.config.site.node_labels if each.node == node["metadata"]["name"]]
    labels = {**node["metadata"].get("labels", {}), **{key: value for each in added for key, value in each.items()}}
    return {**node, "metadata": {**node["metadata"], "labels": labels}}


def _virtual(demand: Demand, existing: Collection[str]) -> Iterator[Object]:
    """Yield the nodes that virtual kubelets of the stack will make."""
    for node in demand.virtual_nodes:
        if node.name not in existing:
            capacity = node.capacity
            allocatable = {"cpu": capacity.cpu_cores, "memory": f"{capacity.memory_gib}Gi", "pods": capacity.pods}
            yield {
                "metadata": {"name": node.name, "labels": {"kubernetes.io/hostname": node.name}},
                "spec": {"taints": [{"key": VIRTUAL_NODE_TAINT, "effect": "NoSchedule"}]},
                "status": {"allocatable": {key: str(value) for key, value in allocatable.items()}},
            }


def _matching(nodes: Iterable[Object], workload: Workload) -> list[Object]:
    terms = selector_terms(workload.pod)
    return [node for node in nodes if any(all(matches(node, each) for each in term) for term in terms)]


def _reason(demand: Demand, workload: Workload, nodes: Sequence[Object]) -> str:
    if not nodes:
        return "the cluster has none: add one"
    where = demand.at(*demand.placement_path(workload))
    for term in selector_terms(workload.pod):
        for expression in term:
            if not any(matches(node, expression) for node in nodes):
                return (
                    f"{where} wants {_words(expression)}, and {_others(nodes, expression)}: correct it, or label nodes"
                )
    found = _matching(nodes, workload)
    if not found:
        return f"{where} wants labels that no node has together: correct node_selector or the GPU products"
    taints = {
        f"{taint['key']}={taint.get('value', '')}:{taint['effect']}"
        for node in found
        for taint in untolerated(node, workload.pod.get("tolerations", ()))
    }
    if taints and all(untolerated(node, workload.pod.get("tolerations", ())) for node in found):
        return f"{where} does not tolerate {_listed(taints)}, which all {len(found)} nodes have: add it to tolerations"
    return f"all {len(found)} nodes that match {where} are cordoned or not ready: kubectl get nodes"


def _words(expression: Expression) -> str:
    values = ", ".join(expression.get("values", ()))
    operator = {"In": "=", "NotIn": "≠"}.get(expression["operator"], f" {expression['operator']} ")
    return f"label {expression['key']}{operator}{values}".rstrip()


def _others(nodes: Sequence[Object], expression: Expression) -> str:
    values = {str(node["metadata"].get("labels", {}).get(expression["key"])) for node in nodes} - {"None"}
    return f"the nodes have {_listed(values)}" if values else f"none of {len(nodes)} nodes has that label"


def _listed(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = len(listed) - _SHOWN_MAX
    return ", ".join(listed[:_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")


def _held(demand: Demand, workload: Workload, nodes: Sequence[Object]) -> Finding:
    request = workload.amounts("requests")
    held = sum(room(node, request) for node in nodes)
    resource = scarcest(nodes, request)
    where = demand.at(*demand.placement_path(workload))
    if held == 0:
        largest = max(quantity(node["status"]["allocatable"].get(resource, "0")) for node in nodes)
        return misfit(
            f"a pod of {workload.name} asks for {resource} {written(resource, request[resource])}, and the largest of "
            f"{len(nodes)} nodes that match {where} has {written(resource, largest)}: ask for less, or for other nodes"
        )
    if held < workload.pods_max:
        return misfit(
            f"{where} is for {workload.pods_max} pods of {workload.name}, and {len(nodes)} nodes hold {held}, by "
            f"{resource}: {_fewer(workload, held)}"
        )
    if held < workload.pods_max + workload.surge and resource not in _SHARED:
        return misfit(
            f"{where} is for {workload.pods_max} pods of {workload.name} and {workload.surge} more in a rollout, and "
            f"{len(nodes)} nodes hold {held}, by {resource}, so a rollout would wait for ever: {_fewer(workload, held)}"
        )
    return ok(
        f"{len(nodes)} nodes would hold {held} pods of {workload.name} if empty, by {resource}; {_asked(workload)}"
    )


def _asked(workload: Workload) -> str:
    return f"{workload.pods_max} and {workload.surge} in a rollout are asked for"


def _fewer(workload: Workload, held: int) -> str:
    if workload.component == "triton":
        return (
            f"write servers_max and spare_servers of the pool that are {held} together, and no larger servers_max in "
            "experiment.scaling"
        )
    return "widen its node_selector, or ask for less"
