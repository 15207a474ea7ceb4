"""Capacity of a site: nodes of its cluster, or a Slurm partition behind a virtual node."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from stacks.schema.base import (
    BrokenRule,
    Count,
    DnsLabel,
    ImagePrefix,
    LabelValue,
    Model,
    PlainPath,
    SlurmName,
    Text,
)
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


class JobGpu(Model):
    """The GPUs of a Slurm partition."""

    gres: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_]+(:[A-Za-z_][A-Za-z0-9_.-]*)?$",
            title="a generic resource of Slurm without a number",
            examples=["gpu:t4"],
            max_length=128,
        ),
    ] = "gpu"
    """Generic resource of a GPU (`sinfo -o %G`), such as `gpu` or `gpu:t4`, without a number: a job asks for as many as
    server.gpus says."""
    products: tuple[LabelValue, ...] = ()
    """GPU products of the partition, as NVIDIA names them; empty: not known."""


class SlurmRequest(Model):
    """The request of a job: flags of `sbatch`. CPUs and memory are those of the experiment's server."""

    partition: SlurmName
    """Partition."""
    account: SlurmName
    """Account that is charged."""
    qos: SlurmName | None = None
    """Quality of service; by default the account's."""
    constraint: SlurmName | None = None
    """Feature that the nodes must have."""
    reservation: SlurmName | None = None
    """Reservation."""
    time_limit_minutes: Annotated[Count, Field(examples=[240])]
    """Time limit of a job, in minutes: no server lives longer. Before it ends, the server drains."""
    user_id: Annotated[int, Field(ge=1, examples=[1000])] | None = None
    """User of the jobs (`sbatch --uid`), for which the plugin must run as root; by default the plugin's own user."""


class Bind(Model):
    """A folder of the compute nodes in the servers' containers."""

    source: PlainPath
    """Path on the compute nodes."""
    target: PlainPath
    """Path in the container, read-only."""


class InterLinkPool(Model):
    """Capacity on a Slurm partition elsewhere, behind an interLink virtual node. Each server is a job."""

    kind: Literal["interlink"]
    """Servers are Slurm jobs; their pods are on a virtual node."""
    name: DnsLabel
    """Name of the pool, part of the names of its Deployment and Service."""
    servers_max: Count
    """Number of Triton servers that may run in the partition at once."""
    spare_servers: Annotated[int, Field(ge=0)] = 0
    """Number of further servers that may run during a rollout. With 0, a rollout ends a job before it submits one, and
    the pool has a server less until that one has waited in the queue."""
    virtual_node: DnsLabel
    """Name of the virtual node of the partition, one of site.virtual_nodes."""
    slurm: SlurmRequest
    """Request of a job."""
    queue_wait_seconds: Annotated[int, Field(ge=0)]
    """Usual time that a job waits in the queue, in seconds. `pulumi up` waits as long for a server."""
    gpu: JobGpu | None = None
    """GPUs of the pool; none: a CPU partition."""
    image_folders: dict[ImagePrefix, PlainPath] = {}
    """Start of an image's name -> folder of unpacked images on the compute nodes, such as
    `docker.io: /cvmfs/unpacked.cern.ch/registry.hub.docker.com`. The longest start that fits counts. An image without a
    folder is pulled by each job, through site.images.mirrors."""
    cvmfs: bool = False
    """true: the compute nodes mount /cvmfs, and the containers get it. false: no models from CVMFS."""
    models_folder: PlainPath | None = None
    """Folder on the compute nodes with the content of site.storage.volume, for an experiment whose repository is of
    kind `volume`."""
    binds: tuple[Bind, ...] = ()
    """Further folders of the compute nodes in the containers."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """A path of the container has one source."""
        taken = [*(["/cvmfs"] if self.cvmfs else []), *(["/models"] if self.models_folder else [])]
        for index, bind in enumerate(self.binds):
            if bind.target in taken:
                yield BrokenRule(
                    f"binds[{index}].target is `{bind.target}`, where the container has another folder: name another "
                    "path",
                    (f"binds.{index}.target",),
                )
            taken.append(bind.target)


Pool = Annotated[KubernetesPool | InterLinkPool, Field(discriminator="kind")]
