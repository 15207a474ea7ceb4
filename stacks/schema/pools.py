"""Capacity of a site: nodes of its cluster, or a Slurm partition behind a virtual node."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from stacks.schema.base import BrokenRule, Count, DnsLabel, LabelValue, Model, Text
from stacks.schema.pod_settings import PRODUCT_LABEL, PodSettings


class Gpu(Model):
    """The GPUs of a pool, by their Kubernetes names."""

    resource: Text = "nvidia.com/gpu"
    """Extended resource that a server requests; a MIG slice has its own name."""
    products: tuple[LabelValue, ...] = ()
    """Values of the node label `nvidia.com/gpu.product` in the pool; empty: not known."""


class _NodeCapacity(Model):
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


class KubernetesPool(PodSettings, _NodeCapacity):  # pydantic lists the fields of the last base first
    """Capacity on nodes of this cluster."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """GPU products are in one place, where an experiment's are compared with them."""
        yield from super().broken_rules()
        for index, requirement in enumerate(self.node_affinity):
            if requirement.key == PRODUCT_LABEL and requirement.operator == "In":
                yield BrokenRule(
                    f"node_affinity[{index}] asks for the products {', '.join(requirement.values)}, which an "
                    "experiment's gpu_products would not be compared with: write them as gpu.products",
                    (f"node_affinity.{index}.key",),
                )


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
