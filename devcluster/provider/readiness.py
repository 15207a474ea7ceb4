"""When an object works, for each kind that Pulumi waits for. Pure: from what the cluster shows to a verdict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Manifest = dict[str, Any]

_REVISION = "deployment.kubernetes.io/revision"
_POD_WAITS = frozenset({"ContainerCreating", "PodInitializing"})
"""Reasons of a waiting container that are no error."""


@dataclass(frozen=True)
class Verdict:
    """Whether an object works; if not, what is awaited, and what is wrong as far as the cluster says."""

    ready: bool
    awaited: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """The other objects that tell whether one works."""

    replica_sets: Sequence[Manifest] = ()
    pods: Sequence[Manifest] = ()
    endpoint_slices: Sequence[Manifest] = ()
    storage_class: Manifest = field(default_factory=dict)


def deployment(live: Manifest, around: Surroundings) -> Verdict:
    """Observed, Available, rolled out, and the ReplicaSet of the current revision fully ready."""
    status, spec_revision = live.get("status") or {}, _annotation(live, _REVISION)
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0) or not spec_revision:
        return Verdict(False, "waiting for the Deployment controller to see the change")
    conditions = _conditions(live)
    problems = tuple(
        f"[{condition.get('reason')}] {condition.get('message')}"
        for name in ("Progressing", "Available")
        if (condition := conditions.get(name)) and condition.get("status") != "True"
    )
    available = conditions.get("Available", {}).get("status") == "True"
    progressing = conditions.get("Progressing", {})
    rolled_out = progressing.get("status") == "True" and progressing.get("reason") == "NewReplicaSetAvailable"
    current = next(
        (rs for rs in _owned_by(live, around.replica_sets) if _annotation(rs, _REVISION) == spec_revision), None
    )
    if current is None:
        return Verdict(False, "waiting for the ReplicaSet of the current revision", problems)
    wanted = current["spec"].get("replicas", 1)
    ready = (current.get("status") or {}).get("readyReplicas", 0)
    # The first revision is created, not rolled out: its Progressing condition may lag.
    if available and (rolled_out or spec_revision == "1") and ready >= wanted:
        return Verdict(True)
    awaited = f"waiting for app ReplicaSet to be available ({ready}/{wanted} Pods available)"
    pods = _owned_by(current, around.pods)
    return Verdict(False, awaited, (*problems, *(text for pod in pods for text in pod_problems(pod))))


def service(live: Manifest, around: Surroundings) -> Verdict:
    """With an address where it asks for one, and no endpoint that is still getting ready.

    A Service may match no Pod at all, as the official plugin allows.
    """
    spec = live.get("spec") or {}
    if spec.get("type") == "LoadBalancer":
        ingress = ((live.get("status") or {}).get("loadBalancer") or {}).get("ingress")
        if not ingress:
            problem = "Service was not allocated an IP address; does your cloud provider support this?"
            return Verdict(False, "waiting for a load balancer's address", (problem,))
    if not selects_endpoints(live):
        return Verdict(True)
    endpoints = [item for part in around.endpoint_slices for item in part.get("endpoints") or ()]
    states = [item.get("conditions") or {} for item in endpoints]
    pending = [state for state in states if not state.get("ready") and not state.get("terminating")]
    if not pending and around.endpoint_slices:
        return Verdict(True)
    problem = (
        "Service does not target any Pods. Selected Pods may not be ready, or field '.spec.selector' may not match "
        "labels on any Pods"
    )
    problems = () if any(state.get("ready") for state in states) else (problem,)
    return Verdict(False, f"waiting for endpoints ({len(pending)} not ready)", problems)


def selects_endpoints(live: Manifest) -> bool:
    """Whether a Service has endpoints worth waiting for: it has a selector and is not headless or ExternalName."""
    spec = live.get("spec") or {}
    return bool(spec.get("selector")) and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName"


def stateful_set(live: Manifest, around: Surroundings) -> Verdict:
    """Every replica of the current revision ready."""
    status, wanted = live.get("status") or {}, (live.get("spec") or {}).get("replicas", 1)
    ready = min(status.get("readyReplicas", 0), status.get("updatedReplicas", wanted))
    rolled_out = status.get("currentRevision") == status.get("updateRevision")
    return _workload(live, around, ready, wanted, rolled_out)


def daemon_set(live: Manifest, around: Surroundings) -> Verdict:
    """A ready, current Pod on every node that should have one."""
    status = live.get("status") or {}
    wanted = status.get("desiredNumberScheduled", 0)
    ready = min(status.get("numberReady", 0), status.get("updatedNumberScheduled", wanted))
    return _workload(live, around, ready, wanted, rolled_out=True)


def _workload(live: Manifest, around: Surroundings, ready: int, wanted: int, rolled_out: bool) -> Verdict:
    observed = (live.get("status") or {}).get("observedGeneration", 0) >= live["metadata"].get("generation", 0)
    if observed and rolled_out and ready >= wanted:
        return Verdict(True)
    problems = tuple(text for pod in _owned_by(live, around.pods) for text in pod_problems(pod))
    return Verdict(False, f"waiting for Pods ({ready}/{wanted} ready)", problems)


def job(live: Manifest, around: Surroundings) -> Verdict:
    """Complete."""
    conditions = _conditions(live)
    if conditions.get("Complete", {}).get("status") == "True":
        return Verdict(True)
    failed = conditions.get("Failed", {})
    problems = [f"[{failed.get('reason')}] {failed.get('message')}"] if failed.get("status") == "True" else []
    problems += [text for pod in _owned_by(live, around.pods) for text in pod_problems(pod)]
    return Verdict(False, "waiting for the Job to complete", tuple(problems))


def pod(live: Manifest, _around: Surroundings) -> Verdict:
    """Ready, or finished well."""
    if (live.get("status") or {}).get("phase") == "Succeeded":
        return Verdict(True)
    ready = _conditions(live).get("Ready", {}).get("status") == "True"
    return Verdict(ready, "waiting for the Pod to be ready", () if ready else tuple(pod_problems(live)))


def persistent_volume_claim(live: Manifest, around: Surroundings) -> Verdict:
    """Bound; or Pending, when its class binds only once a Pod uses the claim."""
    phase = (live.get("status") or {}).get("phase")
    waits_for_pod = around.storage_class.get("volumeBindingMode") == "WaitForFirstConsumer"
    ready = phase == "Bound" or (waits_for_pod and phase == "Pending")
    return Verdict(ready, f"waiting for the claim to be bound (it is {phase})")


def persistent_volume(live: Manifest, _around: Surroundings) -> Verdict:
    """Available or Bound."""
    phase = (live.get("status") or {}).get("phase")
    return Verdict(phase in ("Available", "Bound"), f"waiting for the volume (it is {phase})")


def ingress(live: Manifest, _around: Surroundings) -> Verdict:
    """Given an address by its controller."""
    addresses = ((live.get("status") or {}).get("loadBalancer") or {}).get("ingress")
    problem = "Ingress .status.loadBalancer field was not updated with a hostname/IP address."
    return Verdict(bool(addresses), "waiting for the Ingress controller", () if addresses else (problem,))


def pod_problems(live: Manifest) -> Iterator[str]:
    """What keeps a Pod from being ready: it cannot be scheduled, or a container waits or died."""
    name, status = live["metadata"]["name"], live.get("status") or {}
    scheduled = _conditions(live).get("PodScheduled", {})
    if scheduled.get("status") == "False":
        yield f"[Pod {name}]: [{scheduled.get('reason')}] {scheduled.get('message')}"
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting") or {}
        terminated = (container.get("lastState") or {}).get("terminated") or {}
        if waiting.get("reason") and waiting["reason"] not in _POD_WAITS:
            yield f"[Pod {name}]: containers with unready status: [{container['name']}] -- {_detail(waiting)}"
        if terminated.get("exitCode"):
            yield f"[Pod {name}]: container {container['name']!r} exited with {terminated['exitCode']}"


def _detail(waiting: Mapping[str, str]) -> str:
    return f"[{waiting['reason']}] {waiting.get('message', '')}".strip()


def _conditions(live: Manifest) -> dict[str, Manifest]:
    return {condition["type"]: condition for condition in (live.get("status") or {}).get("conditions") or ()}


def _annotation(manifest: Manifest, key: str) -> str:
    return str((manifest["metadata"].get("annotations") or {}).get(key, ""))


def _owned_by(owner: Manifest, candidates: Sequence[Manifest]) -> list[Manifest]:
    uid = owner["metadata"].get("uid")
    return [
        candidate
        for candidate in candidates
        if any(reference.get("uid") == uid for reference in candidate["metadata"].get("ownerReferences") or ())
    ]
