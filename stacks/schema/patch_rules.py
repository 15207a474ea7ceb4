"""Rules for patches: the stack has the object, no other key sets the field, and pods stay as safe as the site asks."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from stacks.errors import choice
from stacks.pod_standards import (
    BASELINE_CAPABILITIES,
    BASELINE_SELINUX_TYPES,
    BASELINE_SYSCTLS,
    RESTRICTED_CAPABILITIES,
    RESTRICTED_VOLUMES,
)
from stacks.schema.base import BrokenRule
from stacks.schema.kubernetes_fields import unknown_fields
from stacks.schema.patches import DIRECTIVE, Leaf, Patch, leaves

_OWN_CONTAINERS = ("triton", "envoy", "admission", "prometheus", "grafana", "metrics-login")
_CONTAINERS = ("spec", "template", "spec", "containers")
_POD = ("spec", "template", "spec")
_FIXED = "the rest of the stack depends on it: leave it out"


@dataclass(frozen=True, kw_only=True)
class Protected:
    """A field that a patch must leave alone."""

    kinds: str
    """Kinds that it holds for, as a pattern."""
    path: tuple[str, ...]
    """Way to the field, each step a pattern."""
    way_out: str
    """Key to write instead, or advice to leave the field out."""
    component: str = "*"
    """Component that it holds for, as a pattern."""

    def touched_by(self, kind: str, component: str, path: Sequence[str]) -> bool:
        """Tell whether a patch of the path changes the field, a field in it, or a mapping around it."""
        return (
            fnmatchcase(kind, self.kinds)
            and fnmatchcase(component, self.component)
            and all(fnmatchcase(step, pattern) for step, pattern in zip(path, self.path, strict=False))
        )


def _of_containers(
    field: str, triton: str, envoy: str, prometheus: str, grafana: str = _FIXED, login: str | None = _FIXED
) -> Iterator[Protected]:
    """Yield a field of each part's own containers, with the way out of each. None: a patch may change it."""
    ways = {"triton": triton, "envoy": envoy, "prometheus": prometheus, "grafana": grafana, "metrics-login": login}
    for component, way_out in ways.items():
        for name in (component, "admission") if component == "envoy" else (component,):
            if way_out is not None:
                yield Protected(
                    kinds="Deployment",
                    component=component,
                    path=(*_CONTAINERS, name, *field.split(".")),
                    way_out=way_out,
                )


def _of_pods(field: str, key: str) -> Iterator[Protected]:
    owners = {
        "triton": "site.pools[]",
        "envoy": "site.proxy",
        "prometheus": "site.monitoring",
        "grafana": "site.monitoring.dashboards",
        "metrics-login": "site.monitoring",
    }
    path = (*_POD, *field.split("."))
    for component, owner in owners.items():
        yield Protected(kinds="Deployment", component=component, path=path, way_out=f"write {owner}.{key}")


_PROBES = "write experiment.server.probes"

PROTECTED: tuple[Protected, ...] = (
    *(Protected(kinds="*", path=(key,), way_out="the target names it: leave it out") for key in ("apiVersion", "kind")),
    Protected(kinds="*", path=("status",), way_out="the cluster writes it: leave it out"),
    Protected(kinds="*", path=("metadata", "name"), way_out="names follow from sonic:instance: set that"),
    Protected(kinds="*", path=("metadata", "namespace"), way_out="write site.access.namespace"),
    *(
        Protected(kinds="*", path=(*way, "labels", label), way_out="selectors match on it: use a label of your own")
        for way in (("metadata",), ("spec", "template", "metadata"))
        for label in ("app.kubernetes.io/*", "sonic.fastmachinelearning.org/*")
    ),
    Protected(
        kinds="*",
        path=("spec", "template", "metadata", "annotations", "prometheus.io/*"),
        way_out="write site.monitoring",
    ),
    *(Protected(kinds="*", path=("spec", field), way_out=_FIXED) for field in ("selector", "podSelector")),
    Protected(
        kinds="Deployment",
        component="triton",
        path=("spec", "replicas"),
        way_out="write experiment.scaling.servers_min and servers_max",
    ),
    Protected(kinds="Deployment", component="envoy", path=("spec", "replicas"), way_out="write site.proxy.replicas"),
    Protected(
        kinds="Deployment",
        component="prometheus",
        path=("spec", "replicas"),
        way_out="two would both count as the stack's Prometheus: leave it out",
    ),
    Protected(
        kinds="Deployment",
        component="grafana",
        path=("spec", "replicas"),
        way_out="two would have sessions of their own: leave it out",
    ),
    Protected(
        kinds="Deployment",
        component="triton",
        path=("spec", "strategy"),
        way_out="write site.pools[].spare_servers",
    ),
    Protected(kinds="Deployment", path=("spec", "strategy"), way_out=_FIXED),
    Protected(
        kinds="Deployment",
        path=("spec", "progressDeadlineSeconds"),
        way_out="write experiment.server.start_timeout_seconds",
    ),
    Protected(
        kinds="Deployment",
        component="triton",
        path=(*_POD, "terminationGracePeriodSeconds"),
        way_out="write experiment.traffic.shutdown_seconds",
    ),
    Protected(
        kinds="Deployment",
        component="envoy",
        path=(*_POD, "terminationGracePeriodSeconds"),
        way_out="write experiment.traffic.longest_request_seconds",
    ),
    *_of_pods("nodeSelector", "node_selector"),
    *_of_pods("tolerations", "tolerations"),
    *_of_pods("affinity.nodeAffinity", "node_affinity"),
    *_of_pods("runtimeClassName", "runtime_class"),
    *_of_pods("priorityClassName", "priority_class"),
    Protected(kinds="Deployment", path=(*_POD, "serviceAccountName"), way_out=_FIXED),
    Protected(kinds="Deployment", path=(*_POD, "restartPolicy"), way_out=_FIXED),
    *_of_containers(
        "image",
        "write experiment.server.image",
        "write site.images.envoy or admission",
        "write site.images.prometheus",
        "write site.images.grafana",
        "write site.images.envoy",
    ),
    *_of_containers("command", _FIXED, _FIXED, _FIXED),
    *_of_containers(
        "args", "write experiment.server.flags or extra_flags", _FIXED, "write retention_hours and the like"
    ),
    *_of_containers(
        "resources",
        "write experiment.server.cpu_cores, memory_gib and their requests",
        "write site.proxy.cpu_cores and memory_mib",
        "write site.monitoring.memory_mib",
        "write site.monitoring.dashboards.cpu_cores and memory_mib",
        None,
    ),
    *_of_containers("lifecycle", "write experiment.traffic.shutdown_seconds", _FIXED, _FIXED),
    *_of_containers("ports", _FIXED, _FIXED, _FIXED),
    *(
        each
        for probe in ("startup", "readiness", "liveness")
        for each in _of_containers(f"{probe}Probe", _PROBES, _FIXED, _FIXED)
    ),
    *(
        each
        for variable in ("HOME", "AWS_*", "POD_NAME", "GF_*")
        for each in _of_containers(f"env.{variable}", _FIXED, _FIXED, _FIXED)
    ),
    *(
        each
        for path in (
            *("/tmp", "/dev/shm", "/cvmfs", "/models", "/liveness", "/etc/ssl/certs/*"),  # noqa: S108
            *("/etc/sonic-*", "/prometheus", "/etc/prometheus", "/var/lib/grafana"),
        )
        for each in _of_containers(f"volumeMounts.{path}", _FIXED, _FIXED, _FIXED)
    ),
    *_of_containers(DIRECTIVE, _FIXED, _FIXED, _FIXED),
    *(
        Protected(kinds="Deployment", path=(*_POD, "volumes", volume), way_out="give your volume a name of its own")
        for volume in (
            *("models", "shared-memory", "liveness", "config", "data", "data-*"),
            *("s3-authorities", "tls", "authorities", "prometheus-credentials", "slurm-agent-*"),
        )
    ),
    Protected(kinds="Deployment", path=(*_POD, "volumes", "scratch"), way_out="write experiment.server.scratch_gib"),
    Protected(
        kinds="Deployment",
        component="virtual-node",
        path=("spec", "replicas"),
        way_out="two virtual kubelets would both make the jobs of a pod: leave it out",
    ),
    *(
        Protected(kinds="Deployment", component="virtual-node", path=path, way_out="write site.virtual_nodes[].api")
        for path in (
            (*_POD, "volumes", "*"),
            *((*_CONTAINERS, "*", field) for field in ("command", "image", "volumeMounts")),
        )
    ),
    *(
        Protected(kinds="Service", path=("spec", field), way_out="write site.exposure")
        for field in ("type", "clusterIP")
    ),
    *(
        Protected(kinds="Service", path=("spec", "ports", port), way_out=_FIXED)
        for port in ("8001", "9090", "9091", "3000")
    ),
    Protected(kinds="NetworkPolicy", path=("spec", "policyTypes"), way_out=_FIXED),
    Protected(kinds="ScaledObject", path=("spec", "scaleTargetRef"), way_out=_FIXED),
    *(
        Protected(
            kinds="ScaledObject", path=("spec", field), way_out="write experiment.scaling.servers_min and servers_max"
        )
        for field in ("minReplicaCount", "maxReplicaCount", "idleReplicaCount")
    ),
    Protected(kinds="ScaledObject", path=("spec", "triggers"), way_out="write experiment.scaling.query and threshold"),
    Protected(
        kinds="ScaledObject",
        path=("spec", "advanced", "horizontalPodAutoscalerConfig", "behavior"),
        way_out="write experiment.scaling.scale_up_servers and the keys beside it",
    ),
    *(
        Protected(kinds="Ingress", component=component, path=("spec", field), way_out=f"write {key}")
        for component, key in (
            ("grafana", "site.monitoring.dashboards.ingress"),
            ("metrics-login", "site.monitoring.ingress"),
        )
        for field in ("rules", "tls", "ingressClassName")
    ),
    *(
        Protected(kinds=kind, path=("spec", field), way_out="write site.exposure")
        for kind, fields in {
            "Ingress": ("rules", "tls", "ingressClassName"),
            "GRPCRoute": ("parentRefs", "hostnames", "rules"),
        }.items()
        for field in fields
    ),
    *(
        Protected(kinds=kind, path=("spec",), way_out="write site.storage, or site.monitoring.claim")
        for kind in ("PersistentVolume", "PersistentVolumeClaim")
    ),
)
"""Fields that another key sets, or on which the rest of the stack depends."""

PATCHABLE = (
    *("Deployment", "Service", "ServiceAccount", "NetworkPolicy", "PodDisruptionBudget", "ScaledObject"),
    *("Ingress", "GRPCRoute", "PersistentVolumeClaim", "PersistentVolume"),
)
"""Kinds of objects that a patch may name. The content of ConfigMaps and Secrets follows from the configuration."""


def broken_patches(
    patches: Mapping[str, Patch],
    *,
    key: str,
    objects: Sequence[str],
    pod_security: str,
    told: Callable[[str, Leaf], bool] = lambda target, leaf: False,  # noqa: ARG005
) -> Iterator[BrokenRule]:
    """Yield what is wrong with the patches of one file.

    Args:
        patches: target -> fields.
        key: path of the patches, such as `site.patches`.
        objects: targets that the stack has.
        pod_security: Pod Security Standard of the site.
        told: tells whether another rule says of a target's field that a key promises it.
    """
    for target, patch in patches.items():
        if target not in objects:
            yield BrokenRule(
                f"{key} names `{target}`, which this stack does not have: its objects are {', '.join(objects)}: "
                f"{choice(target, objects, otherwise='write one of them')}",
                (f"{key}.{target}",),
            )
            continue
        try:
            fields = list(leaves(patch))
        except ValueError as error:
            yield BrokenRule(f"{key}.{target}: {error}", (f"{key}.{target}",))
            continue
        kind, component = target.split("/")[:2]
        for leaf in fields:
            place = ".".join([key, target, *(str(step) for step in leaf.written)])
            field = ".".join(leaf.path)
            protected = next((each for each in PROTECTED if each.touched_by(kind, component, leaf.path)), None)
            if protected is not None and told(target, leaf):
                continue
            if protected is not None:
                yield BrokenRule(
                    f"{key}.{target} changes `{field}`, which another key promises: {protected.way_out}", (place,)
                )
            elif (reason := _below(pod_security, leaf)) is not None:
                yield BrokenRule(
                    f"{key}.{target} sets `{field}` to {json.dumps(leaf.value)}, and Pod Security `{pod_security}` of "
                    f"the site forbids {reason}: leave it out, or set site.security.pod_security to a lower level",
                    (place, "site.security.pod_security"),
                )
            elif leaf.path[-1] == DIRECTIVE and leaf.value != "delete":
                yield BrokenRule(
                    f"{key}.{target} has `{field}: {leaf.value}`, and of the directives only `delete` is known, in an "
                    "item of a list: leave it out",
                    (place,),
                )
        yield from _unknown(key, target, patch)
        if kind == "Deployment" and pod_security == "restricted":
            yield from _unrestricted(key, target, fields)


def _unknown(key: str, target: str, patch: Patch) -> Iterator[BrokenRule]:
    """Yield each field that Kubernetes does not have: an API server would drop it."""
    kind = target.partition("/")[0]
    for path, known in unknown_fields(kind, patch):
        around = ".".join([kind.lower(), *(step for step in path[:-1] if isinstance(step, str))])
        yield BrokenRule(
            f"{key}.{target} sets `{'.'.join(map(str, path))}`, a field that Kubernetes does not have: "
            f"{choice(str(path[-1]), known, f'see `kubectl explain {around}`')}",
            ((*key.split("."), target, *path),),
        )


def _unrestricted(key: str, target: str, fields: Sequence[Leaf]) -> Iterator[BrokenRule]:
    """Yield each added container that does not state what `restricted` asks of it."""
    given = {leaf.path: leaf.value for leaf in fields}
    added = dict.fromkeys(
        path[:5] for path in given if path[:3] == _POD and len(path) > 5 and path[3] in {"containers", "initContainers"}
    )
    for container in added:
        escalation = given.get((*container, "securityContext", "allowPrivilegeEscalation"))
        dropped = given.get((*container, "securityContext", "capabilities", "drop"))
        if container[4] not in _OWN_CONTAINERS and (escalation is not False or not _drops_all(dropped)):
            yield BrokenRule(
                f"{key}.{target} adds the container `{container[4]}`, which Pod Security `restricted` of the site "
                "refuses: add securityContext with allowPrivilegeEscalation: false and capabilities: {drop: [ALL]}",
                (f"{key}.{target}", "site.security.pod_security"),
            )


class _Forbidden(NamedTuple):
    """A setting of a pod that a Pod Security Standard forbids."""

    path: tuple[str, ...]
    """End of the way to the field."""
    refused: Callable[[Any], bool]
    """Tells whether a value is forbidden."""
    reason: str
    """Completes "forbids …"."""


def _adds_beyond(allowed: Collection[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and any(str(each) not in allowed for each in value)


def _drops_all(value: Any) -> bool:
    return isinstance(value, list) and "ALL" in value


def _has_other_sysctls(value: Any) -> bool:
    names = [each.get("name") for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    return any(str(name) not in BASELINE_SYSCTLS for name in names)


_BASELINE = (
    *(_Forbidden((name,), bool, "what it opens of the node") for name in ("hostNetwork", "hostPID", "hostIPC")),
    _Forbidden(("privileged",), bool, "what it opens of the node"),
    _Forbidden(("hostPort",), bool, "ports of the node"),
    _Forbidden(("sysctls",), _has_other_sysctls, "sysctls that are not of the pod alone"),
    _Forbidden(("procMount",), lambda value: value not in (None, "Default"), "an unmasked /proc"),
    _Forbidden(("seccompProfile", "type"), lambda value: value == "Unconfined", "to switch seccomp off"),
    _Forbidden(("appArmorProfile", "type"), lambda value: value == "Unconfined", "to switch AppArmor off"),
    _Forbidden(
        ("seLinuxOptions", "type"),
        lambda value: str(value or "") not in BASELINE_SELINUX_TYPES,
        "SELinux types but those of containers",
    ),
    *(_Forbidden(("seLinuxOptions", name), bool, f"to choose a SELinux {name}") for name in ("user", "role")),
    _Forbidden(("capabilities", "add"), _adds_beyond(BASELINE_CAPABILITIES), "further capabilities"),
)
_RESTRICTED = (
    *_BASELINE,
    _Forbidden(("capabilities", "add"), _adds_beyond(RESTRICTED_CAPABILITIES), "further capabilities"),
    _Forbidden(("runAsNonRoot",), lambda value: value is not True, "the user root"),
    _Forbidden(("runAsUser",), lambda value: value == 0, "the user root"),
    _Forbidden(("allowPrivilegeEscalation",), lambda value: value is not False, "to gain privileges"),
    _Forbidden(("capabilities", "drop"), lambda value: not _drops_all(value), "to keep capabilities"),
    *(
        _Forbidden((name,), lambda value: value is None, "a pod without it")
        for name in ("securityContext", "seccompProfile", "capabilities")
    ),
)
_FORBIDDEN: Mapping[str, Sequence[_Forbidden]] = {"privileged": (), "baseline": _BASELINE, "restricted": _RESTRICTED}
"""Pod Security Standard -> what it forbids (kubernetes.io, "Pod Security Standards")."""


def _below(pod_security: str, leaf: Leaf) -> str | None:
    """Return what in a field the Pod Security Standard forbids; None: nothing."""
    if leaf.path[: len(_POD)] != _POD or pod_security == "privileged":
        return None
    if leaf.path[len(_POD) : len(_POD) + 1] == ("volumes",) and leaf.value is not None:
        return _below_by_volume(pod_security, *leaf.path[len(_POD) + 2 : len(_POD) + 3])
    found = (
        each
        for each in _FORBIDDEN[pod_security]
        if leaf.path[-len(each.path) :] == each.path and each.refused(leaf.value)
    )
    return next((each.reason for each in found), None)


def _below_by_volume(pod_security: str, kind: str = "") -> str | None:
    if kind == "hostPath":
        return "volumes of the node"
    refused = pod_security == "restricted" and kind not in {*RESTRICTED_VOLUMES, DIRECTIVE, ""}
    return f"volumes of the kind {kind}" if refused else None
