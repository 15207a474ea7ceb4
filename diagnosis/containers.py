"""Causes for which a container of a pod is not started, ends again and again, or is not ready."""

from collections.abc import Iterator, Sequence
from typing import Any

from access.cluster import Object
from diagnosis.cause import Cause
from diagnosis.logs import final_error, last_words, load_errors, refused_config
from diagnosis.snapshot import Snapshot, conditions, name_of

_IMAGE_REASONS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_CONFIG_REASONS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
_KILLED = 137
"""128 + SIGKILL."""


def container_causes(snapshot: Snapshot, pod: Object) -> Iterator[Cause]:
    """Yield the causes for which containers of a pod do not run, or refuse their configuration."""
    status = pod.get("status", {})
    for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        yield from _causes(snapshot, pod, each)


def not_ready(snapshot: Snapshot, pod: Object) -> Iterator[Cause]:
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


def _causes(snapshot: Snapshot, pod: Object, status: Any) -> Iterator[Cause]:
    subject = _subject(pod, status)
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
    elif status["name"] == "envoy" and "running" in status.get("state", {}) and not status.get("ready"):
        lines = snapshot.log(name_of(pod), status["name"])
        for refused in list(refused_config(lines))[:1]:
            yield _refused(pod, status, refused, lines)


def _crash(snapshot: Snapshot, pod: Object, status: Any, ended: Any) -> Cause:
    lines = snapshot.log(name_of(pod), status["name"])
    exit_code = ended["exitCode"]
    if ended.get("reason") == "OOMKilled":
        finding = "it was killed, out of memory"
        way_out = "raise its memory: server.memory_gib, proxy.memory_mib or monitoring.memory_mib"
    elif errors := load_errors(lines):
        model, why = next(iter(errors.items()))
        others = f"; also {', '.join(list(errors)[1:])}" if len(errors) > 1 else ""
        finding = f"model `{model}` does not load: {why}{others}"
        way_out = "correct the model in its repository, or take it out of experiment.models.expected"
    elif refused := next(refused_config(lines), None):
        return _refused(pod, status, refused, lines)
    elif exit_code == _KILLED and any("tartup probe" in event["message"] for event in snapshot.warnings(pod)):
        finding = "it was not ready within its start time, and was killed"
        way_out = "raise server.start_timeout_seconds, if the log shows that models were still loading"
    else:
        error = final_error(lines)
        finding = f"it ends with exit code {exit_code}" + (f": {error}" if error else "")
        way_out = "read its log; an earlier image or flag that worked is in the history of the experiment's file"
    times = status.get("restartCount", 0)
    again = f" ({times} restart{'s' if times > 1 else ''})" if times else ""
    return Cause(subject=_subject(pod, status), finding=finding + again, way_out=way_out, last_words=last_words(lines))


def _refused(pod: Object, status: Any, reason: str, lines: Sequence[str]) -> Cause:
    secrets = " or ".join(_secrets(pod, status["name"]))
    way_out = (
        f"correct the certificate, its key or the authorities in Secret {secrets}, which Envoy reads when it starts"
        if secrets
        else "let site.images.envoy be the release that this program names, and see what `patches` change of Envoy"
    )
    return Cause(
        subject=_subject(pod, status),
        finding=f"Envoy refuses its configuration: {reason}",
        way_out=way_out,
        last_words=last_words([line for line in lines if reason in line]),
    )


def _secrets(pod: Object, container: str) -> list[str]:
    """Return the names of the Secrets that a container mounts."""
    spec = pod.get("spec", {})
    of = {volume["name"]: volume["secret"]["secretName"] for volume in spec.get("volumes") or () if "secret" in volume}
    mounts = [
        mount for each in spec.get("containers", ()) if each["name"] == container for mount in each["volumeMounts"]
    ]
    return [of[mount["name"]] for mount in mounts if mount["name"] in of]


def _subject(pod: Object, status: Any) -> str:
    return f"pod {name_of(pod)}, container {status['name']}"
