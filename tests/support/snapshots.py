"""Objects as the API server writes them, for tests of `diagnosis`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from diagnosis.snapshot import Snapshot

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
DEPLOYMENT = "sonic-cms-triton-af"
Json = dict[str, Any]


def moment(seconds_ago: float) -> str:
    """Return a time of the API."""
    return (NOW - timedelta(seconds=seconds_ago)).isoformat().replace("+00:00", "Z")


def named(name: str, *, owner: str | None = None, age_seconds: float = 10, **metadata: Any) -> Json:
    """Return the metadata of an object, whose uid is its name."""
    owners = {"ownerReferences": [{"uid": owner, "controller": True}]} if owner else {}
    return {"name": name, "uid": name, "creationTimestamp": moment(age_seconds), **owners, **metadata}


def deployment(name: str = DEPLOYMENT, *, replicas: int = 1, ready: int = 0, **status: Any) -> Json:
    """Return a Deployment, all of whose pods are of the present template."""
    counts = {"replicas": replicas, "updatedReplicas": replicas, "availableReplicas": ready, "observedGeneration": 2}
    return {
        "metadata": {**named(name), "generation": 2},
        "spec": {"replicas": replicas},
        "status": {**counts, **status},
    }


def replica_set(revision: int, *, of: str = DEPLOYMENT) -> Json:
    """Return a ReplicaSet of a Deployment."""
    annotations = {"deployment.kubernetes.io/revision": str(revision)}
    return {"metadata": named(f"{of}-rs{revision}", owner=of, annotations=annotations)}


def pod(name: str, *, revision: int = 1, age_seconds: float = 10, container: Mapping[str, Any] | None = None) -> Json:
    """Return a pod of a ReplicaSet, with the status of its container."""
    status = {"name": "triton", "image": "img:1", "restartCount": 0, "ready": False, "state": {}, **(container or {})}
    return {
        "metadata": named(name, owner=f"{DEPLOYMENT}-rs{revision}", age_seconds=age_seconds),
        "status": {
            "phase": "Running",
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [status],
        },
    }


def crashed(exit_code: int = 1, *, restarts: int = 3, reason: str = "Error") -> Json:
    """Return the status of a container that ends again and again."""
    ended = {"terminated": {"exitCode": exit_code, "reason": reason}}
    return {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended, "restartCount": restarts}


def waiting(reason: str, message: str) -> Json:
    """Return the status of a container that is not started."""
    return {"state": {"waiting": {"reason": reason, "message": message}}}


def unscheduled(name: str, message: str, *, age_seconds: float) -> Json:
    """Return a pod that no node takes."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    found = pod(name, age_seconds=age_seconds)
    return {**found, "status": {"phase": "Pending", "conditions": [condition]}}


def refused(message: str, *, seconds: float) -> Json:
    """Return the status of a Deployment whose pods the API server refuses."""
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    return {"conditions": [{**condition, "lastTransitionTime": moment(seconds)}]}


def warning(about: str, reason: str, message: str, *, seconds_ago: float = 5) -> Json:
    """Return a warning about an object."""
    return {
        "metadata": named(f"event-{reason}"),
        "type": "Warning",
        "reason": reason,
        "message": message,
        "involvedObject": {"uid": about},
        "lastTimestamp": moment(seconds_ago),
    }


def snapshot(*, log: Sequence[str] = (), **objects: Any) -> Snapshot:
    """Return a snapshot of these objects; of the others there are none."""
    kinds = ("deployments", "replica_sets", "pods", "services", "endpoints", "scaled_objects", "autoscalers", "claims")
    namespace = objects.pop("namespace", {"metadata": named("cms"), "status": {"phase": "Active"}})
    found: dict[str, Any] = {**dict.fromkeys((*kinds, "events"), ()), **objects}
    return Snapshot(now=NOW, namespace=namespace, log=lambda _pod, _container: log, **found)


def of_pods(*pods: Json, **more: Any) -> Snapshot:
    """Return a snapshot of a Deployment that wants two pods, and has these of its first revision."""
    return snapshot(deployments=[deployment(replicas=2)], replica_sets=[replica_set(1)], pods=pods, **more)
