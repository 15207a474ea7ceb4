"""The place of a stack in a cluster: its instance and namespace, and what all its pods need of the cluster."""

from dataclasses import dataclass

from components import names
from components.labels import Labels


@dataclass(frozen=True, kw_only=True)
class Naming:
    """One stack's place in a cluster."""

    instance: str
    """Prefix of the names of the stack's objects, such as `sonic-cms`."""
    namespace: str
    """Namespace of the stack."""
    cluster_domain: str = "cluster.local"
    """DNS domain of the cluster."""
    pull_secret: str | None = None
    """Existing image pull secret of the namespace."""
    ip_families: tuple[str, ...] = ("IPv4",)
    """IP families of the cluster, `IPv4` and `IPv6`; the first is that of the pods' own address."""
    dns_cidrs: tuple[str, ...] = ()
    """Address ranges of DNS servers that no selector of pods matches."""

    def name(self, *parts: str) -> str:
        """Return the name of an object, such as `sonic-cms-triton-gpu`."""
        return names.join(self.instance, *parts)

    def labels(self, component: str, pool: str | None = None) -> Labels:
        """Return the labels of one part of the stack."""
        return Labels(instance=self.instance, component=component, pool=pool)

    def host(self, service: str) -> str:
        """Return the DNS name of a Service of the stack."""
        return f"{service}.{self.namespace}.svc.{self.cluster_domain}"
