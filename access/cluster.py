"""Questions to a cluster. Nothing here changes an object."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Object = Mapping[str, Any]
"""An object of the cluster, as its API server writes it in JSON."""


class ClusterError(Exception):
    """The cluster did not answer a question; the text says why and what to do."""


class UnreachableError(ClusterError):
    """No question reaches the cluster."""


class NotAllowedError(ClusterError):
    """The user may not ask this."""


class Resource(NamedTuple):
    """A kind of object, by its address in the API."""

    api_version: str
    """API group and version, such as `apps/v1`."""
    plural: str
    """Name in the API, such as `deployments`."""

    @property
    def group(self) -> str:
        """API group; empty for the core."""
        return self.api_version.rpartition("/")[0]

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


class Served(NamedTuple):
    """A kind that the API server serves."""

    plural: str
    """Name in the API."""
    namespaced: bool
    """False for objects of the whole cluster."""


class Right(NamedTuple):
    """A right of the user that asks."""

    verb: str
    """Verb of the API, such as `create`."""
    resource: Resource
    """Kind of object."""
    namespace: str | None
    """Namespace; None: the whole cluster."""


class DryRun(NamedTuple):
    """The API server's answer to a creation that it does not carry out."""

    refusal: str | None
    """Reason of the refusal, in the API server's words; None: it would be created, or is there already."""
    stored: Object
    """The object as the API server would store it; empty where it is not known."""


class ClusterView(Protocol):
    """Questions to a cluster. Each may raise ClusterError."""

    def version(self) -> str:
        """Return the release of the API server, such as `v1.29.4+rke2r1`."""

    def served(self, api_version: str) -> Mapping[str, Served]:
        """Return the kinds of an API version by name; empty: it is not served."""

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """Return an object; None: there is none. Of a Secret or a ConfigMap the keys are kept, and no value."""

    def list(self, resource: Resource, namespace: str | None = None, labels: str = "") -> Sequence[Object]:
        """Return the objects of a kind, in one namespace or in all; `labels` is a selector."""

    def may(self, right: Right) -> bool:
        """Return True if the user has a right (SelfSubjectAccessReview)."""

    def dry_run(self, resource: Resource, manifest: Object, namespace: str | None) -> DryRun:
        """Have an object validated and admitted as if it were created, with unknown fields refused."""


class LogView(ClusterView, Protocol):
    """Questions to a cluster, and the logs of its containers."""

    def log(self, namespace: str, pod: str, container: str, *, lines: int) -> Sequence[str]:
        """Return the last lines of a container's log, of its previous run if it had one; empty without any."""


def is_missing(cluster: ClusterView, namespace: str) -> bool:
    """Return True if a namespace does not exist or is being deleted.

    A user of one namespace may not always see it, and works in it: then it is taken to exist.
    """
    try:
        found = cluster.get(NAMESPACES, namespace)
    except NotAllowedError:
        return False
    return found is None or found.get("status", {}).get("phase") == "Terminating"


NAMESPACES = Resource("v1", "namespaces")
NODES = Resource("v1", "nodes")
PODS = Resource("v1", "pods")
SERVICES = Resource("v1", "services")
SECRETS = Resource("v1", "secrets")
CONFIG_MAPS = Resource("v1", "configmaps")
ENDPOINTS = Resource("v1", "endpoints")
EVENTS = Resource("v1", "events")
CLAIMS = Resource("v1", "persistentvolumeclaims")
VOLUMES = Resource("v1", "persistentvolumes")
QUOTAS = Resource("v1", "resourcequotas")
LIMIT_RANGES = Resource("v1", "limitranges")
DEPLOYMENTS = Resource("apps/v1", "deployments")
REPLICA_SETS = Resource("apps/v1", "replicasets")
AUTOSCALERS = Resource("autoscaling/v2", "horizontalpodautoscalers")
SCALED_OBJECTS = Resource("keda.sh/v1alpha1", "scaledobjects")
STORAGE_CLASSES = Resource("storage.k8s.io/v1", "storageclasses")
CSI_DRIVERS = Resource("storage.k8s.io/v1", "csidrivers")
PRIORITY_CLASSES = Resource("scheduling.k8s.io/v1", "priorityclasses")
RUNTIME_CLASSES = Resource("node.k8s.io/v1", "runtimeclasses")
INGRESSES = Resource("networking.k8s.io/v1", "ingresses")
INGRESS_CLASSES = Resource("networking.k8s.io/v1", "ingressclasses")
GATEWAYS = Resource("gateway.networking.k8s.io/v1", "gateways")
GATEWAY_CLASSES = Resource("gateway.networking.k8s.io/v1", "gatewayclasses")
GRPC_ROUTES = Resource("gateway.networking.k8s.io/v1", "grpcroutes")


def names_of(objects: Iterable[Object]) -> str:
    """Return the names of objects for a sentence, such as "`a`, `b`", or "none"."""
    return ", ".join(f"`{each['metadata']['name']}`" for each in objects) or "none"
