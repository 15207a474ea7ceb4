"""Which changed fields cannot be updated in place, so that the object is replaced.

Source: provider/pkg/provider/diff.go of pulumi-kubernetes at 94977969d641. Kinds that are not listed (among them
PodDisruptionBudget, NetworkPolicy, HorizontalPodAutoscaler, Node and every custom resource) have no triggers but
their name and namespace.
"""

from typing import Any

from devcluster.provider.paths import Path, parse_path

_IDENTITY = ("metadata.name", "metadata.namespace")
_POD_SPEC = (
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostname",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "shareProcessNamespace",
    "subdomain",
    "terminationGracePeriodSeconds",
    "volumes",
)
_CONTAINER = (
    "args",
    "command",
    "env",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
)
_VOLUME_SOURCES = (
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
)

_BY_KIND: dict[tuple[str, str], tuple[str, ...]] = {
    ("apps/v1", "DaemonSet"): ("spec.selector",),
    ("apps/v1", "Deployment"): ("spec.selector",),
    ("apps/v1", "StatefulSet"): (
        "spec.podManagementPolicy",
        "spec.revisionHistoryLimit",
        "spec.selector",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
    ("batch/v1", "Job"): ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): ("roleRef",),
    ("storage.k8s.io/v1", "StorageClass"): ("parameters", "provisioner"),
    ("v1", "ConfigMap"): ("binaryData", "data"),
    ("v1", "PersistentVolume"): tuple(f"spec.{source}" for source in _VOLUME_SOURCES),
    ("v1", "PersistentVolumeClaim"): (
        "spec.accessModes",
        "spec.selector",
        "spec.storageClassName",
        "spec.volumeName",
    ),
    ("v1", "Pod"): (
        *(f"spec.{field}" for field in _POD_SPEC),
        *(f"spec.{group}[*].{field}" for group in ("containers", "initContainers") for field in _CONTAINER),
    ),
    ("v1", "ResourceQuota"): ("spec.scopes",),
    ("v1", "Secret"): ("type", "stringData", "data"),
    ("v1", "Service"): ("spec.clusterIP",),
}


def replace_triggers(
    manifest: dict[str, Any], *, is_patch: bool, mutable_config_maps: bool = False, mutable_secrets: bool = False
) -> tuple[Path, ...]:
    """The paths whose change replaces this object.

    The two settings lift ConfigMaps and Secrets out of the table, unless the object says `immutable: true`.
    """
    fields = () if is_patch else _BY_KIND.get((manifest.get("apiVersion", ""), manifest.get("kind", "")), ())
    if not manifest.get("immutable"):
        if manifest.get("kind") == "ConfigMap" and mutable_config_maps:
            fields = ()
        if manifest.get("kind") == "Secret" and mutable_secrets:
            fields = ("type",)
    return tuple(parse_path(field) for field in (*_IDENTITY, *fields))


def triggers(trigger: Path, path: Path, value: Any) -> bool:
    """Whether a change at `path` touches `trigger`: lies below it, or sets a `value` that holds it."""
    for expected, actual in zip(trigger, path, strict=False):
        if expected not in ("*", actual):
            return False
    return _holds(value, trigger[len(path) :])


def _holds(value: Any, steps: Path) -> bool:
    if not steps:
        return True
    if isinstance(value, dict):
        return steps[0] in value and _holds(value[steps[0]], steps[1:])
    if isinstance(value, list):
        return steps[0] == "*" and any(_holds(item, steps[1:]) for item in value)
    return False
