"""The Pod Security Standards, for the fields that the stack's pods have."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LEVELS = ("restricted", "baseline", "privileged")
"""From the strictest."""

_BASELINE_CAPABILITIES = frozenset(
    {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD"}
    | {"NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}
)
_RESTRICTED_VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)


def needed_level(pod: Mapping[str, Any]) -> tuple[str, str]:
    """Return the strictest level that a pod passes, and the field that keeps it from a stricter one."""
    containers = [*pod.get("initContainers", ()), *pod["containers"]]
    for level, reasons in (("privileged", _beyond_baseline), ("baseline", _beyond_restricted)):
        reason = next(reasons(pod, containers), None)
        if reason is not None:
            return level, reason
    return "restricted", ""


def _beyond_baseline(pod: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield from (key for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key))
    yield from ("a hostPath volume" for volume in pod.get("volumes", ()) if "hostPath" in volume)
    for container in containers:
        context = container.get("securityContext", {})
        if context.get("privileged"):
            yield "securityContext.privileged"
        for capability in context.get("capabilities", {}).get("add", ()):
            if capability not in _BASELINE_CAPABILITIES:
                yield f"capability {capability}"
        if any(port.get("hostPort") for port in container.get("ports", ())):
            yield "a hostPort"


def _beyond_restricted(pod: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    of_pod = pod.get("securityContext", {})
    for volume in pod.get("volumes", ()):
        yield from (f"a volume of kind {key}" for key in volume if key not in {"name", *_RESTRICTED_VOLUMES})
    for container in containers:
        context = {**of_pod, **container.get("securityContext", {})}
        capabilities = context.get("capabilities", {})
        if not context.get("runAsNonRoot"):
            yield "no runAsNonRoot"
        if context.get("runAsUser") == 0:
            yield "user 0"
        if context.get("allowPrivilegeEscalation") is not False:
            yield "no `allowPrivilegeEscalation: false`"
        if "ALL" not in capabilities.get("drop", ()) or set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
            yield "capabilities that are not dropped"
        if context.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
            yield "no seccompProfile"
