"""The Pod Security Standards as Kubernetes 1.36 evaluates them.

The dry run of a pod judges two things instead, since older clusters differ: hosts in probes and hooks, which Kubernetes
refuses since 1.34, and what 1.35 allows with `hostUsers: false`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stacks.pod_standards import (
    BASELINE_CAPABILITIES,
    BASELINE_SELINUX_TYPES,
    BASELINE_SYSCTLS,
    RESTRICTED_CAPABILITIES,
    RESTRICTED_VOLUMES,
)

LEVELS = ("restricted", "baseline", "privileged")
"""From the strictest."""


def needed_level(pod: Mapping[str, Any]) -> tuple[str, str]:
    """Return the strictest level that a pod passes, and the field that keeps it from a stricter one."""
    containers = [*pod.get("initContainers", ()), *pod["containers"]]
    for level, reasons in (("privileged", _beyond_baseline), ("baseline", _beyond_restricted)):
        reason = next(reasons(pod, containers), None)
        if reason is not None:
            return level, reason
    return "restricted", ""


def _beyond_baseline(pod: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    of_pod = pod.get("securityContext", {})
    yield from (key for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key))
    yield from ("a hostPath volume" for volume in pod.get("volumes", ()) if "hostPath" in volume)
    names = (each["name"] for each in of_pod.get("sysctls", ()))
    yield from (f"the sysctl {name}" for name in names if name not in BASELINE_SYSCTLS)
    yield from _unconfined(of_pod)
    for container in containers:
        context = container.get("securityContext", {})
        yield from _unconfined(context)
        if context.get("privileged"):
            yield "securityContext.privileged"
        if context.get("procMount", "Default") != "Default":
            yield f"procMount {context['procMount']}"
        added = context.get("capabilities", {}).get("add", ())
        yield from (f"capability {capability}" for capability in added if capability not in BASELINE_CAPABILITIES)
        if any(port.get("hostPort") for port in container.get("ports", ())):
            yield "a hostPort"


def _unconfined(context: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a securityContext, of a pod or of a container, takes off the confinement."""
    for profile in ("seccompProfile", "appArmorProfile"):
        if context.get(profile, {}).get("type") == "Unconfined":
            yield f"{profile} Unconfined"
    options = context.get("seLinuxOptions", {})
    if options.get("type", "") not in BASELINE_SELINUX_TYPES:
        yield f"SELinux type {options['type']}"
    yield from (f"a SELinux {key}" for key in ("user", "role") if options.get(key))


def _beyond_restricted(pod: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    of_pod = pod.get("securityContext", {})
    for volume in pod.get("volumes", ()):
        yield from (f"a volume of kind {key}" for key in volume if key not in {"name", *RESTRICTED_VOLUMES})
    if any(each.get("runAsUser") == 0 for each in (of_pod, *(each.get("securityContext", {}) for each in containers))):
        yield "user 0"
    for container in containers:
        context = {**of_pod, **container.get("securityContext", {})}
        capabilities = context.get("capabilities", {})
        if not context.get("runAsNonRoot"):
            yield "no runAsNonRoot"
        if context.get("allowPrivilegeEscalation") is not False:
            yield "no `allowPrivilegeEscalation: false`"
        if "ALL" not in capabilities.get("drop", ()) or set(capabilities.get("add", ())) - RESTRICTED_CAPABILITIES:
            yield "capabilities that are not dropped"
        if not context.get("seccompProfile", {}).get("type"):
            yield "no seccompProfile"
