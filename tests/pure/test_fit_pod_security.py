"""`fit` judges pods without a Go program, and agrees with the evaluator of Pod Security admission."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from fit.pod_security import LEVELS, needed_level
from tests.support.linters import pod_security

_SECURITY: Mapping[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_OF_POD: Mapping[str, Any] = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}

NOTHING: Mapping[str, Any] = MappingProxyType({})


def pod(*, container: Mapping[str, Any] = NOTHING, first: Mapping[str, Any] = NOTHING, **fields: Any) -> dict[str, Any]:
    """A pod that meets `restricted`, but for fields of it, of its container and of its first init container."""
    restricted = {"name": "main", "image": "example.org/main:1", "securityContext": _SECURITY}
    return {
        "securityContext": _OF_POD,
        "containers": [{**restricted, **container}],
        "initContainers": [{**restricted, "name": "first", **first}],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
        **fields,
    }


def secured(**fields: Any) -> dict[str, Any]:
    """The pod with fields of its container's securityContext."""
    return pod(container={"securityContext": {**_SECURITY, **fields}})


def secured_as_a_whole(**fields: Any) -> dict[str, Any]:
    """The pod with fields of its own securityContext; None removes one."""
    changed = {**_OF_POD, **fields}
    return pod(securityContext={key: value for key, value in changed.items() if value is not None})


PODS: Mapping[str, Mapping[str, Any]] = {
    "restricted": pod(),
    "hostNetwork": pod(hostNetwork=True),
    "hostPID": pod(hostPID=True),
    "hostIPC": pod(hostIPC=True),
    "hostPath": pod(volumes=[{"name": "node", "hostPath": {"path": "/cvmfs"}}]),
    "NFS": pod(volumes=[{"name": "models", "nfs": {"server": "nfs.example.org", "path": "/"}}]),
    "claim": pod(volumes=[{"name": "models", "persistentVolumeClaim": {"claimName": "models"}}]),
    "hostPort": pod(container={"ports": [{"containerPort": 8001, "hostPort": 8001}]}),
    "hostPort of an init container": pod(first={"ports": [{"containerPort": 8001, "hostPort": 8001}]}),
    "no securityContext": pod(container={"securityContext": {}}),
    "init container without securityContext": pod(first={"securityContext": {}}),
    "privileged": secured(privileged=True, allowPrivilegeEscalation=True),
    "allowPrivilegeEscalation": secured(allowPrivilegeEscalation=True),
    "capabilities kept": secured(capabilities={}),
    "NET_BIND_SERVICE": secured(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}),
    "CHOWN": secured(capabilities={"drop": ["ALL"], "add": ["CHOWN"]}),
    "SYS_ADMIN": secured(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
    "procMount": secured(procMount="Unmasked"),
    "root by the container": secured(runAsUser=0),
    "perhaps root by the container": secured(runAsNonRoot=False),
    "root": secured_as_a_whole(runAsUser=0),
    "root, but not in its containers": pod(
        securityContext={**_OF_POD, "runAsUser": 0},
        container={"securityContext": {**_SECURITY, "runAsUser": 1000}},
        first={"securityContext": {**_SECURITY, "runAsUser": 1000}},
    ),
    "perhaps root": secured_as_a_whole(runAsNonRoot=None),
    "perhaps root, but not in its containers": pod(
        securityContext={"seccompProfile": {"type": "RuntimeDefault"}},
        container={"securityContext": {**_SECURITY, "runAsNonRoot": True}},
        first={"securityContext": {**_SECURITY, "runAsNonRoot": True}},
    ),
    "no seccomp profile": secured_as_a_whole(seccompProfile=None),
    "no seccomp": secured_as_a_whole(seccompProfile={"type": "Unconfined"}),
    "no seccomp in the container": secured(seccompProfile={"type": "Unconfined"}),
    "own seccomp profile": secured(seccompProfile={"type": "Localhost", "localhostProfile": "triton.json"}),
    "no AppArmor": secured(appArmorProfile={"type": "Unconfined"}),
    "no AppArmor as a whole": secured_as_a_whole(appArmorProfile={"type": "Unconfined"}),
    "SELinux type": secured(seLinuxOptions={"type": "spc_t"}),
    "SELinux level": secured(seLinuxOptions={"level": "s0:c123"}),
    "SELinux user": secured_as_a_whole(seLinuxOptions={"user": "system_u"}),
    "safe sysctl": secured_as_a_whole(sysctls=[{"name": "net.ipv4.ip_local_port_range", "value": "1024 65535"}]),
    "unsafe sysctl": secured_as_a_whole(sysctls=[{"name": "net.core.somaxconn", "value": "4096"}]),
}


@pytest.mark.parametrize("name", PODS)
def test_fit_finds_the_level_that_pod_security_admission_finds(name: str) -> None:
    admitted = [level for level in LEVELS if pod_security(level, [{"spec": PODS[name]}]) == [[]]]
    assert needed_level(PODS[name])[0] == admitted[0]
