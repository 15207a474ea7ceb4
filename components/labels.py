"""The only label set. Kubernetes' recommended labels, with Triton, Envoy and Prometheus as `component`."""

from collections.abc import Mapping
from dataclasses import dataclass

INFORMATION: Mapping[str, str] = {"app.kubernetes.io/part-of": "sonic", "app.kubernetes.io/managed-by": "pulumi"}
"""Labels of every object that no selector matches on."""
POOL_LABEL = "sonic.fastmachinelearning.org/pool"
"""Label with the capacity pool of a Triton server."""
JOB_COMPONENT = "slurm-job"
"""`app.kubernetes.io/component` of virtual pods, which no selector of servers matches: their address is that of their
tunnel pod, and their readiness is late."""
TUNNEL_LABEL: Mapping[str, str] = {"sonic.fastmachinelearning.org/tunnel": "true"}
"""Label of tunnel pods, through which Slurm jobs are reached. The virtual node's template sets it; interLink copies the
labels of the virtual pod, and the component is another."""


def instance_selector(instance: str) -> Mapping[str, str]:
    """Return labels that match every pod of a stack, and no pod of another stack in its namespace."""
    return {"app.kubernetes.io/name": "sonic", "app.kubernetes.io/instance": instance}


def tunnel_selector(instance: str, pool: str | None = None) -> Mapping[str, str]:
    """Return labels that match the tunnel pods of a stack, or of one pool, and no virtual pod."""
    return {**instance_selector(instance), **TUNNEL_LABEL, **({} if pool is None else {POOL_LABEL: pool})}


def version_label(image: str) -> Mapping[str, str]:
    """Return the label with the version of an image: its tag. One by digest alone has none."""
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    return {"app.kubernetes.io/version": tag[:63].rstrip("-._")} if tag else {}


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Labels of the objects of one part of a stack."""

    instance: str
    """`app.kubernetes.io/instance`: name of the stack's objects, such as `sonic-cms`."""
    component: str
    """`app.kubernetes.io/component`: `triton`, `envoy`, `prometheus`, …"""
    pool: str | None = None
    """Capacity pool, for servers."""

    @property
    def selector(self) -> Mapping[str, str]:
        """Labels that selectors match on. A Deployment cannot change them."""
        pool = {} if self.pool is None else {POOL_LABEL: self.pool}
        return {**instance_selector(self.instance), "app.kubernetes.io/component": self.component, **pool}

    @property
    def all(self) -> Mapping[str, str]:
        """All labels: the selector's, and those that only inform."""
        return {**self.selector, **INFORMATION}
