"""Progress of a rollout: done, under way, or failed with its causes.

A site may start KEDA after its first stack. The pool then stays at one server, which `up` cannot change: the rollout is
done with it, and says so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from access.cluster import Object
from components.rollout import Promise
from diagnosis.cause import Cause
from diagnosis.jobs import failed_job, is_job
from diagnosis.pods import pod_causes, refused_pods
from diagnosis.snapshot import Snapshot, conditions, name_of, parse_time

_CRASHES_MAX = 2
"""Crashes after which a new pod is given up: a first one may come from a store that was out for a moment."""
_REFUSED_SECONDS = 20
"""Time that pods may be refused: a quota is free again when an old pod is gone."""
_KEDA_SECONDS = 30
"""Time that KEDA may take to look at a new ScaledObject."""
_HOPELESS_SECONDS = 60
"""Time that an image, a Secret or a volume may be missing."""


class State(Enum):
    """State of a rollout."""

    DONE = "done"
    UNDER_WAY = "under way"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """State of one Deployment."""

    state: State
    """State."""
    text: str
    """The state in words, such as `1 of 2 pods of sonic-cms-envoy are ready`."""
    causes: Sequence[Cause] = ()
    """Causes of a failure."""
    warning: bool = False
    """Done, but the operator should read the text."""


def progress(snapshot: Snapshot, promise: Promise) -> Progress:
    """Return how far a Deployment is from its promise: all its pods ready, and of the present template."""
    deployment = snapshot.deployment(promise.deployment)
    if deployment is None:
        return Progress(state=State.UNDER_WAY, text=f"Deployment {promise.deployment} is not there yet")
    status = deployment.get("status", {})
    replicas = deployment["spec"].get("replicas", 1)
    wanted = replicas if _without_keda(snapshot, promise) else max(replicas, promise.pods_min)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    observed = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    left = status.get("replicas", 0) - updated
    old = f", and {left} of the revision before {'is' if left == 1 else 'are'} left" if left > 0 else ""
    text = f"{min(updated, available)} of {wanted} pods of {promise.deployment} are ready{old}"
    if observed and updated >= wanted and available >= wanted and status.get("replicas", 0) == updated:
        short = wanted < promise.pods_min
        missing = f"{text}, and {promise.pods_min} are the minimum: KEDA has not looked at its ScaledObject yet"
        return Progress(state=State.DONE, text=missing if short else text, warning=short)
    causes = list(_lasting_causes(snapshot, deployment, promise))
    state = State.FAILED if causes else State.UNDER_WAY
    return Progress(state=state, text=text, causes=causes)


def _without_keda(snapshot: Snapshot, promise: Promise) -> bool:
    """Return True if KEDA should raise the number of pods and does not run: the ScaledObject has no status."""
    for scaled in snapshot.scaled_objects if promise.autoscaled else ():
        if name_of(scaled) == promise.deployment:
            age_seconds = _age(snapshot, scaled["metadata"]["creationTimestamp"])
            return not conditions(scaled) and age_seconds > _KEDA_SECONDS
    return False


def _lasting_causes(snapshot: Snapshot, deployment: Object, promise: Promise) -> Iterable[Cause]:
    """Yield causes that time does not heal."""
    refusal = conditions(deployment).get("ReplicaFailure", {})
    if refusal.get("status") == "True" and _age(snapshot, refusal["lastTransitionTime"]) > _REFUSED_SECONDS:
        yield from refused_pods(deployment)
    replica_set = snapshot.newest(deployment)
    if replica_set is None:
        return
    pods = list(snapshot.pods_of(replica_set))
    failed = [pod for pod in pods if is_job(pod) and pod["status"].get("phase") == "Failed"]
    new = [pod for pod in failed if _age_of(snapshot, pod) <= promise.pull_seconds + promise.start_seconds]
    if len(new) > _CRASHES_MAX:
        yield failed_job(new[0])
        return
    for pod in pods:
        if pod in failed:
            continue  # another job has replaced it
        causes = pod_causes(snapshot, pod)
        if causes and _is_hopeless(snapshot, pod, promise):
            yield from causes
            return


def _is_hopeless(snapshot: Snapshot, pod: Object, promise: Promise) -> bool:
    status = pod.get("status", {})
    age_seconds = _age_of(snapshot, pod)
    if conditions(pod).get("PodScheduled", {}).get("status") == "False":
        return age_seconds > promise.start_seconds
    if any(each.get("restartCount", 0) >= _CRASHES_MAX for each in status.get("containerStatuses") or ()):
        return True
    started = any("running" in each.get("state", {}) for each in status.get("containerStatuses") or ())
    crashed = any(each.get("restartCount", 0) for each in status.get("containerStatuses") or ())
    if started or crashed:
        return age_seconds > 2 * promise.start_seconds
    return age_seconds > _HOPELESS_SECONDS


def _age_of(snapshot: Snapshot, pod: Object) -> float:
    return _age(snapshot, pod["metadata"]["creationTimestamp"])


def _age(snapshot: Snapshot, moment: str) -> float:
    return (snapshot.now - parse_time(moment)) / timedelta(seconds=1)
