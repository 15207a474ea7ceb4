"""Questions on storage: claims with models, StorageClasses and their drivers, volumes, and mounts of nodes."""

from collections.abc import Iterator

from access.cluster import (
    CLAIMS,
    CSI_DRIVERS,
    NODES,
    STORAGE_CLASSES,
    VOLUMES,
    ClusterView,
    Object,
    names_of,
)
from fit.demand import Demand
from fit.namespace import how_to_create, is_awaited
from fit.row import Finding, misfit, ok, unknown

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_CVMFS_DRIVER = "cvmfs.csi.cern.ch"
_MANY_NODES = frozenset({"ReadOnlyMany", "ReadWriteMany"})


def claims(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Find each claim that the pods mount, and see that all pods can mount it at once."""
    if is_awaited(demand, cluster):
        return
    for name, pods in _mounted_claims(demand).items():
        if demand.makes("PersistentVolumeClaim", name):
            continue
        found = cluster.get(CLAIMS, name, demand.namespace)
        if found is None:
            create = how_to_create(demand, cluster, demand.namespace)
            yield misfit(
                f"{demand.at('site', 'storage')}: claim `{name}` does not exist in namespace `{demand.namespace}`, "
                f"so no server starts: {create}, correct the name, or write `create: true` "
                "beside it"
            )
        else:
            yield _existing(demand, cluster, found, pods)


def _mounted_claims(demand: Demand) -> dict[str, int]:
    return {
        volume["persistentVolumeClaim"]["claimName"]: workload.pods_max + workload.surge
        for workload in demand.workloads
        for volume in workload.pod.get("volumes", ())
        if "persistentVolumeClaim" in volume
    }


def _existing(demand: Demand, cluster: ClusterView, claim: Object, pods: int) -> Finding:
    name, status = claim["metadata"]["name"], claim.get("status", {})
    modes = set(claim["spec"].get("accessModes", ()))
    thing = f"{demand.at('site', 'storage')}: claim `{name}`"
    if status.get("phase") == "Lost":
        return misfit(f"{thing} has lost its volume: create the claim again")
    if status.get("phase") != "Bound" and not _waits_for_a_pod(cluster, claim):
        return misfit(
            f"{thing} is {status.get('phase', 'Pending')} and not Bound, so no server would start: "
            f"kubectl -n {demand.namespace} describe pvc {name}"
        )
    if pods > 1 and not modes & _MANY_NODES and ("ReadWriteOncePod" in modes or len(cluster.list(NODES)) > 1):
        return misfit(
            f"{thing} has the access mode {', '.join(sorted(modes))}, and up to {pods} pods on several nodes mount it: "
            "use a claim with ReadOnlyMany or ReadWriteMany"
        )
    return ok(f"claim `{name}` is {status['phase']}, {', '.join(sorted(modes))}")


def _waits_for_a_pod(cluster: ClusterView, claim: Object) -> bool:
    name = claim["spec"].get("storageClassName")
    found = cluster.get(STORAGE_CLASSES, name) if name else None
    return found is not None and found.get("volumeBindingMode") == "WaitForFirstConsumer"


def storage_classes(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Find the StorageClass of each claim that the stack creates, and the CVMFS driver behind it."""
    for claim in demand.of_kind("PersistentVolumeClaim"):
        name = claim["spec"].get("storageClassName")
        if name == "" or cluster.get(CLAIMS, claim["metadata"]["name"], demand.namespace) is not None:
            continue  # bound to a volume of the stack's own, or deployed already
        of_prometheus = claim["metadata"]["labels"]["app.kubernetes.io/component"] == "prometheus"
        where = demand.at("site", "monitoring" if of_prometheus else "storage")
        if name is None:
            classes = cluster.list(STORAGE_CLASSES)
            if any(each["metadata"].get("annotations", {}).get(_DEFAULT_CLASS) == "true" for each in classes):
                yield ok(f"claim `{claim['metadata']['name']}` gets the cluster's default StorageClass")
            else:
                yield misfit(
                    f"{where} names no storage_class, and the cluster has no default one: write one; it has "
                    f"{names_of(classes)}"
                )
        elif (found := cluster.get(STORAGE_CLASSES, name)) is None:
            yield misfit(
                f"{where} names storage_class `{name}`, which does not exist: write another; the cluster has "
                f"{names_of(cluster.list(STORAGE_CLASSES))}"
            )
        elif found["provisioner"] == _CVMFS_DRIVER and cluster.get(CSI_DRIVERS, _CVMFS_DRIVER) is None:
            yield misfit(
                f"StorageClass `{name}` is of driver {_CVMFS_DRIVER}, which the cluster does not have: install the "
                "CVMFS CSI driver"
            )
        else:
            yield ok(f"StorageClass `{name}` is of {found['provisioner']}")


def host_paths(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:  # noqa: ARG001  the API shows no node's mounts
    """Name the mounts of nodes that the API does not show."""
    paths = {
        volume["hostPath"]["path"]
        for workload in demand.workloads
        for volume in workload.pod.get("volumes", ())
        if "hostPath" in volume
    }
    for path in sorted(paths):
        yield unknown(f"the API does not show whether the nodes have {path}: look on a node")


def volumes(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """See that a PersistentVolume of the stack's name is the stack's."""
    for volume in demand.of_kind("PersistentVolume"):
        name = volume["metadata"]["name"]
        found = cluster.get(VOLUMES, name)
        claim = (found or {}).get("spec", {}).get("claimRef", {})
        if found is not None and claim.get("namespace", demand.namespace) != demand.namespace:
            yield misfit(
                f"PersistentVolume `{name}` exists and is of namespace `{claim['namespace']}`: write another "
                "sonic:instance"
            )
