"""Causes for which a pod is not made, not placed, not started or not ready."""

from collections.abc import Iterator, Sequence
from typing import Any

from access.cluster import Object
from diagnosis.cause import Cause
from diagnosis.snapshot import Snapshot, conditions, name_of
from diagnosis.triton_log import last_words, load_errors

_IMAGE_REASONS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_CONFIG_REASONS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
_VOLUME_REASONS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
_KILLED = 137
"""128 + SIGKILL."""


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
        return [_unscheduled(subject, scheduled.get("message", ""))]
    if status.get("phase") == "Failed":
        reason = f"{status.get('reason', 'Failed')}: {status.get('message', 'no message')}"
        return [Cause(subject=subject, finding=reason, way_out="see whether its node is short of memory or disk")]
    found = [cause for each in _containers(status) for cause in _container_causes(snapshot, pod, each)]
    return found or list(_volume_causes(snapshot, pod)) or list(_not_ready(snapshot, pod))


def _containers(status: Object) -> Sequence[Any]:
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _unscheduled(subject: str, message: str) -> Cause:
    if "persistentvolumeclaim" in message:
        way_out = "make the claim, or set `create: true` for it in site.storage"
    elif "Insufficient" in message and "gpu" in message.lower():
        way_out = "free GPUs, or lower servers_max of the pool; kubectl describe node shows who holds them"
    elif "Insufficient" in message:
        way_out = "lower server.cpu_cores or server.memory_gib, or add nodes"
    elif "taint" in message or "affinity" in message or "selector" in message:
        way_out = "compare the pool's node_selector, tolerations and GPU products with: kubectl get nodes --show-labels"
    else:
        way_out = "compare the pool with the nodes: kubectl describe nodes"
    return Cause(subject=subject, finding=f"no node takes it: {message}", way_out=way_out)


def _container_causes(snapshot: Snapshot, pod: Object, status: Any) -> Iterator[Cause]:
    subject = f"pod {name_of(pod)}, container {status['name']}"
    waiting = status.get("state", {}).get("waiting") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    ended = status.get("state", {}).get("terminated") or status.get("lastState", {}).get("terminated")
    if reason in _IMAGE_REASONS:
        yield Cause(
            subject=subject,
            finding=f"its image {status['image']} cannot be pulled: {message or reason}",
            way_out="check the image's name and tag, and site.images.pull_secret if the registry asks for a login",
        )
    elif reason in _CONFIG_REASONS:
        yield Cause(
            subject=subject,
            finding=f"it cannot be started: {message or reason}",
            way_out="make the Secret or ConfigMap that it names, or correct its name in the site's file",
        )
    elif ended and (ended["exitCode"] != 0 or status.get("restartCount")) and not status.get("ready"):
        yield _crash(snapshot, pod, status, ended)


def _crash(snapshot: Snapshot, pod: Object, status: Any, ended: Any) -> Cause:
    lines = snapshot.log(name_of(pod), status["name"])
    errors = load_errors(lines)
    subject = f"pod {name_of(pod)}, container {status['name']}"
    times = status.get("restartCount", 0)
    exit_code, reason = ended["exitCode"], ended.get("reason", "")
    if reason == "OOMKilled":
        finding = "it was killed, out of memory"
        way_out = "raise its memory: server.memory_gib, proxy.memory_mib or monitoring.memory_mib"
    elif errors:
        model, why = next(iter(errors.items()))
        others = f"; also {', '.join(list(errors)[1:])}" if len(errors) > 1 else ""
        finding = f"model `{model}` does not load: {why}{others}"
        way_out = "correct the model in its repository, or take it out of experiment.models.expected"
    elif exit_code == _KILLED and any("tartup probe" in event["message"] for event in snapshot.warnings(pod)):
        finding = "it was not ready within its start time, and was killed"
        way_out = "raise server.start_timeout_seconds, if the log shows that models were still loading"
    else:
        finding = f"it ends with exit code {exit_code}"
        way_out = "read its log below; an earlier image or flag that worked is in the history of the experiment's file"
    again = f" ({times} restart{'s' if times > 1 else ''})" if times else ""
    return Cause(subject=subject, finding=finding + again, way_out=way_out, last_words=last_words(lines))


def _volume_causes(snapshot: Snapshot, pod: Object) -> Iterator[Cause]:
    for event in snapshot.warnings(pod):
        if event["reason"] in _VOLUME_REASONS:
            yield Cause(
                subject=f"pod {name_of(pod)}",
                finding=f"a volume is not mounted: {event['message']}",
                way_out="check the claim, Secret or ConfigMap that the message names, and the storage behind it",
            )
            return


def _not_ready(snapshot: Snapshot, pod: Object) -> Iterator[Cause]:
    """Yield the failed readiness probe of a pod that runs. A startup probe that fails is a server that still loads."""
    if conditions(pod).get("Ready", {}).get("status") == "True":
        return
    for event in snapshot.warnings(pod):
        if event["reason"] == "Unhealthy" and event["message"].startswith("Readiness"):
            yield Cause(
                subject=f"pod {name_of(pod)}",
                finding=f"it runs and is not ready: {event['message'].strip()}",
                way_out="kubectl logs; a model that was unloaded or hangs makes a server not ready",
            )
            return
