"""Capacity of a site: nodes of its cluster, or a Slurm partition behind a virtual node."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from stacks.schema.base import BrokenRule, Count, DnsLabel, LabelKey, LabelValue, Model, Text


class Toleration(Model):
    """A taint that pods tolerate (Kubernetes names)."""

    key: LabelKey
    """Key of the taint."""
    operator: Literal["Exists", "Equal"] = "Exists"
    """`Equal` compares the value too."""
    value: str | None = None
    """Value of the taint; only with `Equal`."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; by default every effect."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """`Equal` needs a value, and `Exists` has none."""
        if self.operator == "Equal" and self.value is None:
            yield BrokenRule("operator is `Equal` but there is no value: add value, or use `Exists`", ("operator",))
        if self.operator == "Exists" and self.value is not None:
            yield BrokenRule(
                f'operator is `Exists` but value is "{self.value}": remove value, or set operator to `Equal`',
                ("value", "operator"),
            )


class Gpu(Model):
    """The GPUs of a pool, by their Kubernetes names."""

    resource: Text = "nvidia.com/gpu"
    """Extended resource that a server requests; a MIG slice has its own name."""
    products: tuple[Text, ...] = ()
    """Values of the node label `nvidia.com/gpu.product` in the pool; empty: not known."""


class KubernetesPool(Model):
    """Capacity on nodes of this cluster."""

    kind: Literal["kubernetes"]
    """Servers are pods on ordinary nodes."""
    name: DnsLabel
    """Name of the pool, part of the names of its Deployment and Service."""
    servers_max: Count
    """Number of Triton servers that fit into the pool at once."""
    spare_servers: Annotated[int, Field(ge=0)] = 0
    """Number of further servers that fit during a rollout. With 0, a rollout removes a server before it adds one."""
    gpu: Gpu | None = None
    """GPUs of the pool; none: a CPU pool."""
    node_selector: dict[LabelKey, LabelValue] = {}
    """Labels that a node must have."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints that the servers tolerate."""


class InterLinkPool(Model):
    """Capacity on a Slurm partition elsewhere, behind an interLink virtual node."""

    kind: Literal["interlink"]
    """Servers are Slurm jobs; their pods are on a virtual node."""
    name: DnsLabel
    """Name of the pool."""
    servers_max: Count
    """Number of Triton servers that may run in the partition at once."""
    virtual_node: DnsLabel
    """Name of the virtual node of the partition."""
    partition: Text
    """Slurm partition."""
    account: Text
    """Slurm account that is charged."""
    time_limit_minutes: Count
    """Time limit of a job, in minutes: no server lives longer."""
    gpu: Gpu | None = None
    """GPUs of the pool; none: a CPU partition."""


Pool = Annotated[KubernetesPool | InterLinkPool, Field(discriminator="kind")]
