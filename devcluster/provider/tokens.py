"""Pulumi type tokens <-> Kubernetes apiVersion and kind, and ids <-> namespace and name."""

from dataclasses import dataclass

CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "CSIDriver",
        "CSINode",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "DeviceClass",
        "FlowSchema",
        "GatewayClass",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "ResourceSlice",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
    }
)
"""Kinds without a namespace, for when no cluster can be asked. Any other kind is taken for namespaced."""


@dataclass(frozen=True)
class ResourceType:
    """What a type token says, e.g. `kubernetes:apps/v1:Deployment`."""

    api_version: str
    kind: str


def parse_type_token(token: str) -> ResourceType:
    """apiVersion and kind of a token. The core group, `core/v1` in a token, is `v1` in a manifest."""
    _package, api_version, kind = token.split(":", 2)
    return ResourceType(api_version.removeprefix("core/"), kind)


def is_patch(token: str, kind: str) -> bool:
    """Whether a resource of this token only patches an object of `kind`, as `DeploymentPatch` does a `Deployment`."""
    return parse_type_token(token).kind == f"{kind}Patch"


def type_of_urn(urn: str) -> str:
    """The resource's own type token; a URN carries the types of its parents too, separated by `$`."""
    return urn.split("::")[2].rpartition("$")[2]


def name_of_urn(urn: str) -> str:
    """The name that the program gave to the resource."""
    return urn.split("::", 3)[3]


def object_id(namespace: str, name: str) -> str:
    """The resource's id: `namespace/name`, or `name` for an object without a namespace."""
    return f"{namespace}/{name}" if namespace else name


def parse_object_id(identifier: str) -> tuple[str, str]:
    """Namespace (empty for none) and name of an id."""
    namespace, _slash, name = identifier.rpartition("/")
    return namespace, name
