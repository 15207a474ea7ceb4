"""A site: the facts of a place. Nothing here speaks of models, clients or loads; see `experiment`."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from stacks.schema.base import (
    AbsolutePath,
    BrokenRule,
    Cidr,
    Count,
    DnsLabel,
    ExperimentTemplate,
    Hostname,
    ImageReference,
    LabelKey,
    LabelValue,
    Model,
    Port,
    SecretName,
    Text,
    twice,
)


class Access(Model):
    """How the cluster is reached, and where in it the stack stands."""

    context: Text
    """Context of the kubeconfig. Named, so that whatever context happens to be current is never deployed to;
    the environment variable SONIC_KUBE_CONTEXT puts another in its place."""
    kubeconfig: AbsolutePath | None = None
    """Path of the kubeconfig; by default what KUBECONFIG names, else ~/.kube/config."""
    namespace: ExperimentTemplate
    """Namespace of the stack; `{experiment}` in it stands for the experiment's name."""
    create_namespace: bool = False
    """Whether the stack makes the namespace and labels it with the pod security level. Otherwise it must exist."""
    api_server_port: Port = 6443
    """Port on which the API servers themselves listen, behind Service `kubernetes`; NetworkPolicies see this one."""


class PodSecurityLevel(StrEnum):
    """Pod Security Standard that the namespace enforces (Kubernetes names)."""

    RESTRICTED = "restricted"
    BASELINE = "baseline"
    PRIVILEGED = "privileged"


class Security(Model):
    """The security floor of the namespace."""

    pod_security: PodSecurityLevel = PodSecurityLevel.RESTRICTED
    """Level that the namespace enforces, where the stack makes it."""
    exception_reason: Text | None = None
    """Why a level below `restricted` is needed here; required with one, refused without."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """An exception has a reason, and a reason has an exception."""
        restricted = self.pod_security is PodSecurityLevel.RESTRICTED
        if restricted and self.exception_reason is not None:
            yield BrokenRule(
                "exception_reason is set but pod_security is `restricted`, which needs none: remove it",
                ("exception_reason", "pod_security"),
            )
        if not restricted and self.exception_reason is None:
            yield BrokenRule(
                f"pod_security is `{self.pod_security}` without a reason: say why in exception_reason, "
                "or keep `restricted`",
                ("pod_security",),
            )


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


class CvmfsPvc(Model):
    """CVMFS by the CSI driver, as a read-only claim."""

    kind: Literal["cvmfs-pvc"]
    """The claim is mounted at /cvmfs."""
    claim: DnsLabel = "cvmfs"
    """Name of the PersistentVolumeClaim."""
    create: bool = False
    """Whether the stack makes the claim; otherwise it must exist in the namespace."""
    storage_class: Text = "cvmfs"
    """StorageClass of the claim, where the stack makes it."""


class CvmfsHostPath(Model):
    """CVMFS mounted on the nodes. Pod Security forbids hostPath below `privileged`."""

    kind: Literal["cvmfs-hostpath"]
    """The node's mount is bound into the pod, read-only, with new mounts of the node passed on."""
    path: AbsolutePath = "/cvmfs"
    """Where the nodes mount CVMFS."""


class ClaimVolume(Model):
    """A PersistentVolumeClaim that holds models."""

    kind: Literal["pvc"]
    """The claim is mounted at /models, read-only."""
    claim: DnsLabel
    """Name of the PersistentVolumeClaim."""
    create: bool = False
    """Whether the stack makes the claim, protected from deletion; otherwise it must exist."""
    storage_class: Text | None = None
    """StorageClass, where the stack makes the claim; by default the cluster's own default."""
    size_gib: Count | None = None
    """Size in GiB; required where the stack makes the claim."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """A claim that the stack makes has a size; one that exists has its own."""
        if self.create and self.size_gib is None:
            yield BrokenRule("create is true but size_gib is not set: add size_gib, the size of the claim", ("create",))
        if not self.create and self.size_gib is not None:
            yield BrokenRule(
                f"size_gib is {self.size_gib} but create is false, and a claim that exists has its own size: "
                "remove size_gib, or set create to true",
                ("size_gib", "create"),
            )


class NfsVolume(Model):
    """An NFS export that holds models, as a static PersistentVolume with its claim: `restricted` forbids it inline."""

    kind: Literal["nfs"]
    """The export is mounted at /models, read-only."""
    server: Hostname
    """NFS server."""
    path: AbsolutePath
    """Exported path."""


class S3Endpoint(Model):
    """An S3 service of the site."""

    endpoint_url: Annotated[
        str,
        Field(pattern=r"^https?://[^/\s]+$", title="a URL without a path", examples=["https://s3.example.org"]),
    ]
    """URL without a path."""
    region: Text = "us-east-1"
    """Region that requests are signed for."""
    access_key_secret: SecretName
    """Name of the Pulumi secret with the access key id."""
    secret_key_secret: SecretName
    """Name of the Pulumi secret with the secret access key."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Two secrets have two names."""
        if self.access_key_secret == self.secret_key_secret:
            yield BrokenRule(
                f"access_key_secret and secret_key_secret are both `{self.access_key_secret}`: "
                "they are two secrets, give each its name",
                ("secret_key_secret", "access_key_secret"),
            )


class Storage(Model):
    """Where model repositories can be had at this site. What is left out is not there."""

    cvmfs: Annotated[CvmfsPvc | CvmfsHostPath, Field(discriminator="kind")] | None = None
    """How CVMFS is mounted."""
    volume: Annotated[ClaimVolume | NfsVolume, Field(discriminator="kind")] | None = None
    """A volume with models."""
    s3: S3Endpoint | None = None
    """An S3 service."""


class _DirectExposure(Model):
    client_cidrs: Annotated[tuple[Cidr, ...], Field(min_length=1)]
    """Address ranges from which clients may call. Without tls_secret the port speaks plain text: keep it to the
    machines that run jobs."""
    tls_secret: DnsLabel | None = None
    """Secret of the namespace, of type kubernetes.io/tls, with the certificate that Envoy shows to clients; a renewed
    one is taken without a restart. None: plain text, which is all that CMSSW speaks."""


class ClusterIpExposure(_DirectExposure):
    """Clients run in the same cluster."""

    kind: Literal["cluster-ip"]
    """The Service's own address."""


class NodePortExposure(_DirectExposure):
    """Clients reach a port of the nodes."""

    kind: Literal["node-port"]
    """A port on every node."""
    hostname: Hostname
    """Name or address of the nodes, as clients know it."""
    port: Annotated[int, Field(ge=30000, le=32767)]
    """Port on the nodes."""


class LoadBalancerExposure(_DirectExposure):
    """Clients reach a load balancer at layer 4."""

    kind: Literal["load-balancer"]
    """A Service of type LoadBalancer."""
    hostname: ExperimentTemplate | None = None
    """DNS name of the load balancer; by default the address that it is given."""
    annotations: dict[LabelKey, str] = {}
    """Annotations of the Service, such as the address pool."""
    labels: dict[LabelKey, LabelValue] = {}
    """Further labels of the Service."""


class IngressExposure(Model):
    """Clients reach an Ingress controller, by TLS. Who may call is for the controller to say, by its annotations."""

    kind: Literal["ingress"]
    """An Ingress to the gRPC port."""
    hostname: ExperimentTemplate
    """Host of the Ingress."""
    class_name: Text | None = None
    """IngressClass; by default the cluster's own default."""
    annotations: dict[LabelKey, str] = {}
    """Annotations that make this controller speak gRPC (h2c) to the backend, with long time-outs."""
    tls_secret: DnsLabel | None = None
    """Secret with the certificate; by default the controller's own certificate."""
    controller_namespace: DnsLabel
    """Namespace of the controller, which alone may then reach Envoy."""


class GatewayExposure(Model):
    """Clients reach a Gateway of the Gateway API, by TLS. Who may call is for the Gateway to say."""

    kind: Literal["gateway"]
    """A GRPCRoute attached to a Gateway of the site."""
    hostname: ExperimentTemplate
    """Host of the route."""
    gateway: DnsLabel
    """Name of the Gateway."""
    gateway_namespace: DnsLabel
    """Namespace of the Gateway and of its proxies."""
    section: Text | None = None
    """Listener of the Gateway; by default all that fit."""


Exposure = Annotated[
    ClusterIpExposure | NodePortExposure | LoadBalancerExposure | IngressExposure | GatewayExposure,
    Field(discriminator="kind"),
]


DirectExposure = ClusterIpExposure | NodePortExposure | LoadBalancerExposure
"""Ways in which clients' connections end at Envoy itself."""

PROXY_BASE_MEMORY_MIB = 128
"""What an Envoy needs beside its traffic, in MiB: an idle one takes half of this."""
PROXY_BODIES_MIN = 4
"""Largest messages that must fit into an Envoy's memory at the same time."""


class Proxy(Model):
    """Size and place of the Envoy that stands before the servers."""

    replicas: Annotated[int, Field(ge=2)] = 2
    """How many Envoys; two at least, so that a node or a rollout takes none of the traffic."""
    cpu_cores: Annotated[float, Field(gt=0)] = 1.0
    """CPU request and limit of each, in cores: also its number of worker threads, rounded up."""
    memory_mib: Annotated[int, Field(ge=256)] = 1024
    """Memory request and limit of each, in MiB."""
    node_selector: dict[LabelKey, LabelValue] = {}
    """Labels that a node must have to carry an Envoy."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints that the Envoys tolerate."""


class OwnPrometheus(Model):
    """A Prometheus of the stack's own, which sees this namespace and nothing else."""

    kind: Literal["own"]
    """Deployed with the stack."""
    scrape_interval_seconds: Count = 2
    """Time between scrapes, in seconds; the autoscaler can be no quicker."""
    retention_hours: Count = 48
    """How long samples are kept, in hours. They live on the pod's disk and go with it."""
    memory_mib: Annotated[int, Field(ge=128)] = 1024
    """Memory request and limit in MiB."""


class ExternalPrometheus(Model):
    """A Prometheus of the site that scrapes pods by annotation, with the labels `namespace` and `pod`."""

    kind: Literal["external"]
    """Only read."""
    url: Annotated[
        str, Field(pattern=r"^https?://[^\s]+$", title="a URL", examples=["http://prometheus.monitoring.svc:9090"])
    ]
    """Its URL as KEDA reaches it: a full name, since KEDA stands in a namespace of its own."""


Monitoring = Annotated[OwnPrometheus | ExternalPrometheus, Field(discriminator="kind")]


class Keda(Model):
    """The KEDA of the cluster."""

    namespace: DnsLabel = "keda"
    """Where KEDA runs; it alone may query the stack's Prometheus from outside."""


class NodeLabels(Model):
    """Labels of one node."""

    node: Hostname
    """Name of the node."""
    labels: Annotated[dict[LabelKey, LabelValue], Field(min_length=1)]
    """Labels that the stack puts on it; every other label is left alone."""


class Images(Model):
    """Images that stand in for the pinned ones, where the site has a mirror or builds its own."""

    envoy: ImageReference | None = None
    """Envoy; by default the one in components/versions.py."""
    prometheus: ImageReference | None = None
    """Prometheus; by default the one in components/versions.py."""
    admission: ImageReference | None = None
    """Python 3.11 or later, for the controller of experiment.admission; by default the one in
    components/versions.py."""
    pull_secret: DnsLabel | None = None
    """Name of an existing image pull secret of the namespace."""


class Site(Model):
    """The facts of a place where servers run."""

    description: Text
    """What the place is, in one sentence."""
    access: Access
    """How the cluster is reached."""
    security: Security = Security()
    """Pod security floor."""
    singletons_owner: Text | None = None
    """The stack that owns what a cluster has only once (node labels); by default none does."""
    node_labels: tuple[NodeLabels, ...] = ()
    """Labels for GPU nodes. Leave out where node or GPU feature discovery sets them."""
    pools: Annotated[tuple[Pool, ...], Field(min_length=1)]
    """Capacity, in order of preference."""
    storage: Storage
    """Where model repositories can be had."""
    dns_ttl_seconds: Annotated[int, Field(ge=1, le=300)] = 30
    """How old an answer of the cluster's DNS may be, in seconds. CoreDNS' own default is 5, but kubeadm's Corefile says
    30 and a node-local cache keeps an answer as long. A server that stops goes on for this time, so that none calls it
    when it is gone."""
    exposure: Exposure
    """How clients reach the one address."""
    proxy: Proxy = Proxy()
    """Size and place of Envoy."""
    monitoring: Monitoring
    """Where metrics are."""
    keda: Keda | None = None
    """KEDA of the cluster; left out where there is none, and then the number of servers is fixed."""
    images: Images = Images()
    """Images in the place of the pinned ones."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Pools differ in name, node labels have an owner, hostPath is allowed where it is used."""
        for name in twice([pool.name for pool in self.pools]):
            yield BrokenRule(f"the pool name `{name}` stands more than once: give every pool its own", ("pools",))
        if self.node_labels and self.singletons_owner is None:
            yield BrokenRule(
                "node_labels is set but singletons_owner is not: name the one stack that sets them", ("node_labels",)
            )
        hostpath = isinstance(self.storage.cvmfs, CvmfsHostPath)
        if hostpath and self.security.pod_security is not PodSecurityLevel.PRIVILEGED:
            yield BrokenRule(
                f"storage.cvmfs.kind is `cvmfs-hostpath` but security.pod_security is `{self.security.pod_security}`, "
                "which forbids hostPath: use `cvmfs-pvc`, or set `privileged` with an exception_reason",
                ("storage.cvmfs.kind", "security.pod_security"),
            )
