"""When an object works, judged from what the cluster shows."""

from collections.abc import Callable
from typing import Any

import pytest

from devcluster.provider import readiness
from devcluster.provider.readiness import Surroundings, Verdict

Manifest = dict[str, Any]


def condition(name: str, status: str = "True", reason: str = "", message: str = "") -> Manifest:
    return {"type": name, "status": status, "reason": reason, "message": message}


def owned(kind: str, owner: str, name: str = "x", **fields: Any) -> Manifest:
    return {"kind": kind, "metadata": {"name": name, "uid": name, "ownerReferences": [{"uid": owner}]}, **fields}


def deployment(revision: str = "2", observed: int = 3, rolled_out: bool = True, available: bool = True) -> Manifest:
    reason = "NewReplicaSetAvailable" if rolled_out else "ReplicaSetUpdated"
    conditions = [
        condition("Progressing", reason=reason),
        condition("Available", str(available), "MinimumReplicasUnavailable", "not enough"),
    ]
    annotations = {"deployment.kubernetes.io/revision": revision}
    return {
        "metadata": {"name": "d", "uid": "d", "generation": 3, "annotations": annotations},
        "status": {"observedGeneration": observed, "conditions": conditions},
    }


def replica_set(revision: str, ready: int, wanted: int = 2) -> Manifest:
    made = owned("ReplicaSet", "d", name=f"rs-{revision}", spec={"replicas": wanted}, status={"readyReplicas": ready})
    made["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": revision}
    return made


def judged(live: Manifest, *replica_sets: Manifest, pods: tuple[Manifest, ...] = ()) -> Verdict:
    return readiness.deployment(live, Surroundings(replica_sets=replica_sets, pods=pods))


def test_a_deployment_works_when_the_current_revision_is_ready() -> None:
    assert judged(deployment(), replica_set("1", 0), replica_set("2", 2)).ready


@pytest.mark.parametrize(
    ("live", "replica_sets"),
    [
        (deployment(observed=2), [replica_set("2", 2)]),
        (deployment(revision=""), [replica_set("2", 2)]),
        (deployment(available=False), [replica_set("2", 2)]),
        (deployment(rolled_out=False), [replica_set("2", 2)]),
        (deployment(), [replica_set("1", 2)]),
        (deployment(), [replica_set("2", 1)]),
    ],
    ids=["change not seen", "no revision", "not available", "rolling out", "old ReplicaSet only", "Pod not ready"],
)
def test_a_deployment_does_not_work_yet(live: Manifest, replica_sets: list[Manifest]) -> None:
    assert not judged(live, *replica_sets).ready


def test_a_new_deployment_has_no_roll_out_to_finish() -> None:
    assert judged(deployment(revision="1", rolled_out=False), replica_set("1", 2)).ready


def test_what_keeps_pods_from_starting_is_told() -> None:
    statuses = [
        {"name": "main", "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}},
        {"name": "side", "state": {"waiting": {"reason": "ContainerCreating"}}},
        {"name": "died", "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 137}}},
    ]
    stuck = owned("Pod", "rs-2", "pod-a", status={"containerStatuses": statuses})
    unscheduled = [condition("PodScheduled", "False", "Unschedulable", "no GPU")]
    waiting = owned("Pod", "rs-2", "pod-b", status={"conditions": unscheduled})
    others = owned("Pod", "rs-1", "pod-c", status={"containerStatuses": statuses})

    verdict = judged(deployment(available=False), replica_set("2", 0), pods=(stuck, waiting, others))

    assert verdict.problems == (
        "[MinimumReplicasUnavailable] not enough",
        "[Pod pod-a]: containers with unready status: [main] -- [ErrImagePull] no such image",
        "[Pod pod-a]: container 'died' exited with 137",
        "[Pod pod-b]: [Unschedulable] no GPU",
    )


def service(kind: str = "ClusterIP", address: bool = False, **spec: Any) -> Manifest:
    status = {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}} if address else {}
    return {"metadata": {"name": "s"}, "spec": {"type": kind, "selector": {"a": "b"}, **spec}, "status": status}


READY, PENDING = {"ready": True}, {"ready": False, "terminating": False}
LEAVING = {"ready": False, "terminating": True}


@pytest.mark.parametrize(
    ("live", "endpoints", "ready"),
    [
        (service(), [READY], True),
        (service(), [READY, PENDING], False),
        (service(), [READY, LEAVING], True),
        (service(), [], True),
        (service(clusterIP="None"), [PENDING], True),
        (service(selector={}), [PENDING], True),
        (service("ExternalName"), [PENDING], True),
        (service("LoadBalancer"), [READY], False),
        (service("LoadBalancer", address=True), [READY], True),
    ],
)
def test_a_service_works_without_endpoints_that_are_getting_ready(
    live: Manifest, endpoints: list[Manifest], ready: bool
) -> None:
    slices = [{"endpoints": [{"conditions": conditions} for conditions in endpoints]}]

    assert readiness.service(live, Surroundings(endpoint_slices=slices)).ready is ready


def test_a_service_whose_endpoints_nobody_listed_yet_is_not_ready() -> None:
    assert not readiness.service(service(), Surroundings()).ready


def with_status(**status: Any) -> Manifest:
    return {"metadata": {"name": "x", "uid": "x", "generation": 1}, "spec": {"replicas": 2}, "status": status}


@pytest.mark.parametrize(
    ("rule", "works", "does_not"),
    [
        (
            readiness.stateful_set,
            {"observedGeneration": 1, "readyReplicas": 2, "updatedReplicas": 2},
            {"observedGeneration": 1, "readyReplicas": 2, "updatedReplicas": 1},
        ),
        (
            readiness.daemon_set,
            {"observedGeneration": 1, "desiredNumberScheduled": 3, "numberReady": 3, "updatedNumberScheduled": 3},
            {"observedGeneration": 0, "desiredNumberScheduled": 3, "numberReady": 3, "updatedNumberScheduled": 3},
        ),
        (readiness.job, {"conditions": [condition("Complete")]}, {"conditions": [condition("Failed")]}),
        (readiness.pod, {"conditions": [condition("Ready")]}, {"conditions": [condition("Ready", "False")]}),
        (readiness.pod, {"phase": "Succeeded"}, {"phase": "Failed"}),
        (readiness.persistent_volume, {"phase": "Available"}, {"phase": "Failed"}),
        (readiness.persistent_volume_claim, {"phase": "Bound"}, {"phase": "Pending"}),
        (readiness.ingress, {"loadBalancer": {"ingress": [{}]}}, {"loadBalancer": {}}),
    ],
)
def test_other_kinds_have_their_rules(
    rule: Callable[[Manifest, Surroundings], Verdict], works: Manifest, does_not: Manifest
) -> None:
    assert rule(with_status(**works), Surroundings()).ready
    assert not rule(with_status(**does_not), Surroundings()).ready


def test_a_claim_of_a_class_that_waits_for_a_pod_may_be_pending() -> None:
    late = Surroundings(storage_class={"volumeBindingMode": "WaitForFirstConsumer"})

    assert readiness.persistent_volume_claim(with_status(phase="Pending"), late).ready
    assert not readiness.persistent_volume_claim(with_status(phase="Lost"), late).ready
