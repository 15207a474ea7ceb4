"""Questions on the namespace: whether it is there, which pods it takes, and at which level of security."""

from collections.abc import Iterator, Mapping

from access.cluster import NAMESPACES, PODS, ClusterView, Object, is_missing
from fit.demand import Demand, Workload
from fit.pod_security import LEVELS, needed_level
from fit.row import Finding, misfit, ok
from stacks.schema.dashboards import SidecarDashboards

_ENFORCE = "pod-security.kubernetes.io/enforce"


def namespace(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Find the namespace, or see that nobody else has made it."""
    access = demand.config.site.access
    found = cluster.get(NAMESPACES, access.namespace)
    where = demand.at("site", "access", "namespace")
    creates = demand.at("site", "access", "create_namespace")
    if found is None:
        if access.create_namespace:
            yield ok(f"`{access.namespace}` does not exist, and the stack creates it")
        else:
            yield misfit(
                f"{where} is `{access.namespace}`, which does not exist: correct it, have it created, or write "
                f"`create_namespace: true` under `access` in {demand.site_file}"
            )
    elif found.get("status", {}).get("phase") == "Terminating":
        yield misfit(f"{where} is `{access.namespace}`, which is being deleted: wait until it is gone")
    elif access.create_namespace and not _is_ours(found, demand):
        yield misfit(
            f"{creates} is true, and `{access.namespace}` exists and was not made by this stack: write "
            "`create_namespace: false`, or name another namespace"
        )
    else:
        yield ok(f"`{access.namespace}` exists")
    for name in demand.other_namespaces:
        if is_missing(cluster, name):
            yield misfit(
                f"{demand.at('site', 'virtual_nodes')}: namespace `{name}` of a virtual kubelet does not exist: create "
                "it, or correct `namespace`"
            )
    match demand.config.site.monitoring.dashboards:
        case SidecarDashboards(namespace=str(looked_in)) if is_missing(cluster, looked_in):
            yield misfit(
                f"{demand.at('site', 'monitoring', 'dashboards', 'namespace')} is `{looked_in}`, which does not exist: "
                "correct it, or leave it out if the sidecar looks in all namespaces"
            )


def _is_ours(found: Object, demand: Demand) -> bool:
    labels: Mapping[str, str] = found["metadata"].get("labels", {})
    return labels.get("app.kubernetes.io/instance") == demand.config.name


def pod_security(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Compare the Pod Security level that the namespace enforces with the one that the pods need."""
    found = cluster.get(NAMESPACES, demand.namespace)
    if found is None:
        return
    enforced = found["metadata"].get("labels", {}).get(_ENFORCE)
    if demand.config.site.access.create_namespace and _is_ours(found, demand):
        return  # the stack sets the label
    refused = [
        (workload.name, level, reason)
        for workload in demand.own_workloads
        for level, reason in [needed_level(workload.pod)]
        if enforced in LEVELS and LEVELS.index(level) > LEVELS.index(enforced)
    ]
    for name, level, reason in refused:
        yield misfit(
            f"namespace `{demand.namespace}` enforces `{enforced}`, and the pods of {name} need `{level}` ({reason}): "
            f"use a kind of storage that needs less, or kubectl label namespace {demand.namespace} --overwrite "
            f"{_ENFORCE}={level}"
        )
    if not refused:
        yield ok(f"`{demand.namespace}` enforces {f'`{enforced}`' if enforced else 'no level'}, which the pods pass")


def admission(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Have one pod of each Deployment admitted: by quota, LimitRange, Pod Security and the site's own webhooks."""
    if is_missing(cluster, demand.namespace):
        return
    refused = 0
    for workload in demand.own_workloads:
        refusal = cluster.dry_run(PODS, _pod(workload), demand.namespace).refusal
        if refusal is not None:
            refused += 1
            yield misfit(f"the cluster refuses the pods of {workload.name}: {refusal}")
    if not refused:
        yield ok(f"`{demand.namespace}` admits a pod of each of {len(demand.own_workloads)} Deployments")


def _pod(workload: Workload) -> Object:
    """Return a pod of the default account: that of the stack does not exist before it is deployed."""
    spec = {key: value for key, value in workload.pod.items() if key != "serviceAccountName"}
    metadata = {**workload.template["metadata"], "generateName": f"{workload.name}-fit-"[:50]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def is_awaited(demand: Demand, cluster: ClusterView) -> bool:
    """Return True if the namespace is missing and somebody else creates it: one row tells that, and no other."""
    access = demand.config.site.access
    return not access.create_namespace and is_missing(cluster, access.namespace)


def how_to_create(demand: Demand, cluster: ClusterView, namespace: str) -> str:
    """Return how an object comes into a namespace before the stack does."""
    create = f"create it in namespace `{namespace}`"
    if namespace == demand.namespace and is_missing(cluster, namespace):
        return f"create the namespace first, write `create_namespace: false` in {demand.site_file}, and {create}"
    return create
