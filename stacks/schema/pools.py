"""Capacity of a site: nodes of its cluster, or a Slurm partition behind a virtual node."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from stacks.schema.base import BrokenRule, Count, DnsLabel, LabelKey, LabelValue, Model, Text


class Toleration(Model):
    """A taint that the servers tolerate (Kubernetes names)."""

    key: LabelKey
    """Key of the taint."""
    operator: Literal["Exists", "Equal"] = "Exists"
    """`Equal` compares the value too."""
    value: str | None = None
    """Value of the taint; only with `Equal`."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; by default every effect."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """`Equal` compares with a value, `Exists` with none."""
        if self.operator == "Equal" and self.value is None:
            yield BrokenRule("operator is `Equal` but there is no value: add value, or use `Exists`", ("operator",))
        if self.operator == "Exists" and self.value is not None:
            yield BrokenRule(
                f'operator is `Exists` but value is "{self.value}": remove value, or set operator to `Equal`',
                ("value", "operator"),
            )


class Gpu(Model):
    """The GPUs of a pool, as Kubernetes sees them."""

    resource: Text = "nvidia.com/gpu"
    """Extended resource that a server asks for; a MIG slice has a name of its own."""
    products: tuple[Text, ...] = ()
    """Values of the node label `nvidia.com/gpu.product` that the pool offers; empty: the site does not tell them."""


class KubernetesPool(Model):
    """Capacity on nodes of this cluster."""

    kind: Literal["kubernetes"]
    """Servers are pods on ordinary nodes."""
    name: DnsLabel
    """Name of the pool, part of the names of its Deployment and Service."""
    servers_max: Count
    """How many Triton servers fit here at once."""
    spare_servers: Annotated[int, Field(ge=0)] = 0
    """How many more fit for the time of a rollout. With none, a rollout takes one server away before it adds one."""
    gpu: Gpu | None = None
    """GPUs of the pool; none: a CPU pool."""
    node_selector: dict[LabelKey, LabelValue] = {}
    """Labels that a node must have."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints that the servers tolerate."""


class InterLinkPool(Model):
    """Capacity on a Slurm partition elsewhere, behind an interLink virtual node."""

    kind: Literal["interlink"]
    """Servers are Slurm jobs; their pods stand on a virtual node."""
    name: DnsLabel
    """Name of the pool."""
    servers_max: Count
    """How many Triton servers may run there at once."""
    virtual_node: DnsLabel
    """Name of the virtual node that stands for the partition."""
    partition: Text
    """Slurm partition."""
    account: Text
    """Slurm account that is charged."""
    time_limit_minutes: Count
    """Time limit of a job: a server lives no longer than this."""
    gpu: Gpu | None = None
    """GPUs of the pool; none: a CPU partition."""


Pool = Annotated[KubernetesPool | InterLinkPool, Field(discriminator="kind")]
