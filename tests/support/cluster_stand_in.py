"""A stand-in for a cluster: a ClusterView of objects in a file.

`tests/engine/test_fit.py` asks it and the dev cluster the same questions, and compares the answers.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from access import cluster
from access.cluster import DryRun, NotAllowedError, Object, Resource, Right, Served

_CLUSTER_WIDE = frozenset(
    {"Namespace", "Node", "PersistentVolume", "StorageClass", "CSIDriver", "IngressClass", "GatewayClass"}
    | {"PriorityClass", "RuntimeClass", "ClusterRole", "ClusterRoleBinding"}
)
_SERVED_BY_ALL = """
v1 Namespace namespaces, v1 Node nodes, v1 Pod pods, v1 Service services, v1 Secret secrets, v1 ConfigMap configmaps,
v1 Endpoints endpoints, v1 PersistentVolumeClaim persistentvolumeclaims, v1 PersistentVolume persistentvolumes,
v1 ResourceQuota resourcequotas, v1 LimitRange limitranges, v1 ServiceAccount serviceaccounts,
apps/v1 Deployment deployments, apps/v1 ReplicaSet replicasets,
networking.k8s.io/v1 NetworkPolicy networkpolicies, networking.k8s.io/v1 Ingress ingresses,
networking.k8s.io/v1 IngressClass ingressclasses, policy/v1 PodDisruptionBudget poddisruptionbudgets,
rbac.authorization.k8s.io/v1 Role roles, rbac.authorization.k8s.io/v1 RoleBinding rolebindings,
rbac.authorization.k8s.io/v1 ClusterRole clusterroles,
rbac.authorization.k8s.io/v1 ClusterRoleBinding clusterrolebindings,
storage.k8s.io/v1 StorageClass storageclasses, storage.k8s.io/v1 CSIDriver csidrivers,
scheduling.k8s.io/v1 PriorityClass priorityclasses, node.k8s.io/v1 RuntimeClass runtimeclasses
"""


def profile(path: Path) -> dict[str, Any]:
    """Read a cluster's file. `nodes` are groups of equal ones, with a `count`."""
    read: dict[str, Any] = yaml.safe_load(path.read_text())
    return read


def changed(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a profile without some objects (`without`: `Kind/name`) and with others instead or besides (`with`)."""
    made = {**deepcopy(dict(base)), **{key: value for key, value in changes.items() if key not in {"with", "without"}}}
    added = changes.get("with", [])
    gone = {*changes.get("without", ()), *map(_title, added)}
    made["objects"] = [each for each in made["objects"] if _title(each) not in gone] + added
    return made


def _title(found: Object) -> str:
    return f"{found['kind']}/{found['metadata']['name']}"


class ClusterStandIn:
    """Answers from a profile. Its `may_not` are `verb plural`, with `everywhere` if it is allowed in one namespace."""

    def __init__(self, profile: Mapping[str, Any]) -> None:
        self._profile = profile
        unserved = profile.get("unserved", ())
        table = [line.split() for line in [*_SERVED_BY_ALL.replace("\n", " ").split(","), *profile.get("serves", ())]]
        self._kinds = [(api, kind, plural) for api, kind, plural in table if api not in unserved]
        self._objects = [*profile["objects"], *_nodes(profile.get("nodes", ()))]
        self._denied = frozenset(profile.get("may_not", ()))

    def version(self) -> str:
        """As `kubectl version` shows it."""
        return str(self._profile["version"])

    def served(self, api_version: str) -> Mapping[str, Served]:
        """Kinds of the table."""
        return {
            kind: Served(plural, kind not in _CLUSTER_WIDE) for api, kind, plural in self._kinds if api == api_version
        }

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """From the profile."""
        self._refuse("get", resource)
        found = [each for each in self._of(resource) if each["metadata"]["name"] == name]
        return next((each for each in found if each["metadata"].get("namespace") == namespace), None)

    def list(self, resource: Resource, namespace: str | None = None, labels: str = "") -> Sequence[Object]:
        """From the profile."""
        self._refuse("list", resource, "" if namespace else " everywhere")
        wanted = dict(pair.split("=") for pair in labels.split(",") if pair)
        return [
            each
            for each in self._of(resource)
            if namespace in (None, each["metadata"].get("namespace"))
            and wanted.items() <= each["metadata"].get("labels", {}).items()
        ]

    def may(self, right: Right) -> bool:
        """All that the profile does not deny."""
        return f"{right.verb} {right.resource}" not in self._denied

    def dry_run(self, resource: Resource, manifest: Object, namespace: str | None) -> DryRun:  # noqa: ARG002
        """Pass, but for what the profile `refuses` and `drops`."""
        self._refuse("create", resource)
        name = manifest["metadata"].get("name") or manifest["metadata"]["generateName"]
        refusal = self._profile.get("refuses", {}).get(f"{manifest['kind']}/{name}")
        stored: Any = deepcopy(manifest)
        for path in self._profile.get("drops", {}).get(f"{manifest['kind']}/{name}", ()):
            *above, last = path.split(".")
            place = stored
            for key in above:
                place = place[int(key) if key.isdigit() else key]
            del place[last]
        return DryRun(refusal, {} if refusal else stored)

    def _of(self, resource: Resource) -> Sequence[Object]:
        kinds = {kind for api, kind, plural in self._kinds if (api, plural) == resource}
        return [each for each in self._objects if each["kind"] in kinds]

    def _refuse(self, verb: str, resource: Resource, place: str = "") -> None:
        if {f"{verb} {resource}", f"{verb} {resource}{place}"} & self._denied:
            msg = f'{resource} is forbidden: User "jane" cannot {verb} resource "{resource.plural}"'
            raise NotAllowedError(msg)


def _nodes(groups: Sequence[Mapping[str, Any]]) -> list[Object]:
    return [
        {
            "kind": "Node",
            "metadata": {"name": f"{group['name']}-{index}", "labels": group.get("labels", {})},
            "spec": {"taints": group.get("taints", []), "unschedulable": group.get("cordoned", False)},
            "status": {"allocatable": group["allocatable"]},
        }
        for group in groups
        for index in range(group["count"])
    ]


_: cluster.ClusterView = ClusterStandIn({"version": "", "objects": []})
