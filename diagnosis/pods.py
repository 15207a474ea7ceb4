"""Causes for which a pod is not made, not placed, not started or not ready."""

from collections.abc import Iterator

from access.cluster import Object
from diagnosis.cause import Cause
from diagnosis.containers import container_causes, not_ready
from diagnosis.jobs import failed_job, is_job
from diagnosis.snapshot import Snapshot, conditions, name_of
from diagnosis.volumes import claim_causes, mount_causes


def refused_pods(deployment: Object) -> Iterator[Cause]:
    """Yield the reason for which the API server refuses the pods of a Deployment: quota, LimitRange or admission."""
    refusal = conditions(deployment).get("ReplicaFailure")
    if refusal is None or refusal["status"] != "True":
        return
    message = refusal.get("message", "")
    yield Cause(
        subject=f"Deployment {name_of(deployment)}",
        finding=f"the API server refuses its pods: {message}",
        way_out=_way_out_of_refusal(message),
    )


def _way_out_of_refusal(message: str) -> str:
    if "ValidatingAdmissionPolicy" in message or "admission webhook" in message:
        return (
            "do as this rule of the cluster asks (pod_labels, pod_annotations and `patches` change the pods), "
            "or ask the administrators for an exception"
        )
    if "exceeded quota" in message:
        return (
            "ask the cluster's administrators for more of this quota, or lower servers_max or the sizes of the pods; "
            "a rollout adds one server before it removes one, unless the pool's spare_servers is 0"
        )
    if "LimitRange" in message or "maximum" in message or "minimum" in message:
        return "keep server and proxy sizes within the namespace's LimitRange: kubectl describe limitrange"
    if "violates PodSecurity" in message:
        return "set the namespace's Pod Security level to site.security.pod_security, or change what violates it"
    if "serviceaccount" in message:
        return "run pulumi up --refresh, which makes the missing ServiceAccount"
    if "priority class" in message.lower() or "priorityclass" in message.lower():
        return "name a PriorityClass that the cluster has: kubectl get priorityclass"
    if "runtimeclass" in message.lower():
        return "name a RuntimeClass that the cluster has: kubectl get runtimeclass"
    return "change what the message names, or ask the administrators about this admission rule"


def pod_causes(snapshot: Snapshot, pod: Object) -> list[Cause]:
    """Return the causes for which a pod is not ready; empty if it is ready, or only starting."""
    status = pod.get("status", {})
    subject = f"pod {name_of(pod)}"
    scheduled = conditions(pod).get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return list(claim_causes(snapshot, pod)) or [_unscheduled(subject, scheduled.get("message", ""))]
    if status.get("phase") == "Failed" and is_job(pod):
        return [failed_job(pod)]
    if status.get("phase") == "Failed":
        reason = f"{status.get('reason', 'Failed')}: {status.get('message', 'no message')}"
        return [Cause(subject=subject, finding=reason, way_out="see whether its node is short of memory or disk")]
    return list(container_causes(snapshot, pod)) or list(mount_causes(snapshot, pod)) or list(not_ready(snapshot, pod))


def _unscheduled(subject: str, message: str) -> Cause:
    if "persistentvolumeclaim" in message:
        way_out = "make the claim, correct its name in site.storage, or write `create: true` beside it"
    elif "Insufficient" in message and "gpu" in message.lower():
        way_out = "free GPUs, or lower servers_max of the pool; kubectl describe node shows who holds them"
    elif "Insufficient" in message:
        way_out = "lower server.cpu_cores or server.memory_gib, or add nodes"
    elif "taint" in message or "affinity" in message or "selector" in message:
        way_out = "compare the pool's node_selector, tolerations and GPU products with: kubectl get nodes --show-labels"
    else:
        way_out = "compare the pool with the nodes: kubectl describe nodes"
    return Cause(subject=subject, finding=f"no node takes it: {message}", way_out=way_out)
