"""A patch is refused where Pod Security admission would refuse the patched pod, and only there."""

from collections.abc import Mapping
from typing import Any

import pytest

from components.patches import merged
from stacks.schema.patch_rules import broken_patches
from tests.support.linters import pod_security

TARGET = "Deployment/triton"
SECURE: Mapping[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
OF_POD: Mapping[str, Any] = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
POD: Mapping[str, Any] = {
    "securityContext": OF_POD,
    "containers": [{"name": "triton", "image": "example.org/triton:1", "securityContext": SECURE}],
    "volumes": [{"name": "spare", "emptyDir": {}}],
}


def secured(**fields: Any) -> dict[str, Any]:
    """A patch of the securityContext of Triton's container."""
    return {"containers": [{"name": "triton", "securityContext": fields}]}


def secured_as_a_whole(**fields: Any) -> dict[str, Any]:
    """A patch of the pod's securityContext."""
    return {"securityContext": fields}


def beside(**security: Any) -> dict[str, Any]:
    """A patch that adds a container."""
    return {"containers": [{"name": "sidecar", "image": "example.org/sidecar:1", "securityContext": security}]}


def with_volume(**source: Any) -> dict[str, Any]:
    """A patch that adds a volume."""
    return {"volumes": [{"name": "more", **source}]}


PATCHES: Mapping[str, Mapping[str, Any]] = {
    "hostNetwork": {"hostNetwork": True},
    "hostPID": {"hostPID": True},
    "hostIPC": {"hostIPC": True},
    "hostPath": with_volume(hostPath={"path": "/var/log"}),
    "NFS": with_volume(nfs={"server": "nfs.example.org", "path": "/"}),
    "claim": with_volume(persistentVolumeClaim={"claimName": "more"}),
    "emptyDir": with_volume(emptyDir={}),
    "no volume": {"volumes": [{"name": "spare", "$patch": "delete"}]},
    "privileged": secured(privileged=True),
    "allowPrivilegeEscalation": secured(allowPrivilegeEscalation=True),
    "capabilities": secured(capabilities=None),
    "fewer dropped": secured(capabilities={"drop": ["CHOWN"]}),
    "more dropped": secured(capabilities={"drop": ["ALL", "CHOWN"]}),
    "NET_BIND_SERVICE": secured(capabilities={"add": ["NET_BIND_SERVICE"]}),
    "CHOWN": secured(capabilities={"add": ["CHOWN"]}),
    "SYS_ADMIN": secured(capabilities={"add": ["NET_BIND_SERVICE", "SYS_ADMIN"]}),
    "procMount": secured(procMount="Unmasked"),
    "default procMount": secured(procMount="Default"),
    "root": secured(runAsUser=0),
    "root as a whole": secured_as_a_whole(runAsUser=0),
    "perhaps root": secured(runAsNonRoot=False),
    "no seccomp": secured(seccompProfile={"type": "Unconfined"}),
    "no seccomp profile": secured_as_a_whole(seccompProfile=None),
    "own seccomp profile": secured(seccompProfile={"type": "Localhost", "localhostProfile": "triton.json"}),
    "no AppArmor": secured(appArmorProfile={"type": "Unconfined"}),
    "no AppArmor as a whole": secured_as_a_whole(appArmorProfile={"type": "Unconfined"}),
    "SELinux type": secured(seLinuxOptions={"type": "spc_t"}),
    "SELinux type of containers": secured(seLinuxOptions={"type": "container_init_t"}),
    "SELinux user": secured_as_a_whole(seLinuxOptions={"user": "system_u"}),
    "SELinux role": secured(seLinuxOptions={"role": "system_r"}),
    "SELinux level": secured(seLinuxOptions={"level": "s0:c123"}),
    "sysctl of the node": secured_as_a_whole(sysctls=[{"name": "net.core.somaxconn", "value": "4096"}]),
    "sysctl of the pod": secured_as_a_whole(sysctls=[{"name": "net.ipv4.tcp_syncookies", "value": "1"}]),
    "fsGroup": secured_as_a_whole(fsGroup=1000),
    "sidecar": beside(**SECURE),
    "sidecar without security": beside(),
    "sidecar that drops more": beside(allowPrivilegeEscalation=False, capabilities={"drop": ["ALL", "CHOWN"]}),
    "sidecar as root": beside(**SECURE, runAsUser=0),
}


@pytest.mark.parametrize("level", ["restricted", "baseline", "privileged"])
@pytest.mark.parametrize("name", PATCHES)
def test_a_patch_is_refused_where_pod_security_admission_refuses_its_pods(name: str, level: str) -> None:
    patch = {"spec": {"template": {"spec": PATCHES[name]}}}
    broken = broken_patches({TARGET: patch}, key="site.patches", objects=[TARGET], pod_security=level)
    patched = merged({"spec": {"template": {"spec": POD}}}, patch)
    (violations,) = pod_security(level, [patched["spec"]["template"]])
    assert bool(list(broken)) == bool(violations), violations
