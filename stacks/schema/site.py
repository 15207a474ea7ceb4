"""A site: the facts of a place. Nothing here speaks of models, clients or loads; see `experiment`."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from stacks.schema.base import (
    AbsolutePath,
    BrokenRule,
    Count,
    DnsLabel,
    Hostname,
    ImageReference,
    LabelKey,
    LabelValue,
    Model,
    Port,
    Text,
    twice,
)
from stacks.schema.exposure import Exposure
from stacks.schema.pools import Pool, Toleration
from stacks.schema.storage import CvmfsHostPath, Storage
from stacks.schema.url import PrometheusUrl


class Access(Model):
    """How the cluster is reached, and where in it the stack stands."""

    context: Text
    """Context of the kubeconfig. Named, so that whatever context happens to be current is never deployed to;
    the environment variable SONIC_KUBE_CONTEXT puts another in its place."""
    kubeconfig: AbsolutePath | None = None
    """Path of the kubeconfig; by default what KUBECONFIG names, else ~/.kube/config."""
    namespace: DnsLabel
    """Namespace of the stack, such as `sonic-{experiment}`."""
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
    url: PrometheusUrl
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
