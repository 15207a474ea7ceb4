"""A site: the facts of a place. Models, clients and loads are facts of an experiment."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from stacks.origin import KeyPath, dotted
from stacks.releases import KEDA_OLDEST, parts
from stacks.schema.base import (
    AbsolutePath,
    BrokenRule,
    Certificates,
    Cidr,
    Count,
    DnsLabel,
    HeaderName,
    Hostname,
    ImagePrefix,
    ImageReference,
    KedaRelease,
    KubernetesRelease,
    LabelKey,
    LabelValue,
    Model,
    OwnNamespace,
    Port,
    SecretName,
    Text,
    Uid,
    twice,
)
from stacks.schema.dashboards import Dashboards, GrafanaDashboards, SidecarDashboards
from stacks.schema.exposure import Exposure
from stacks.schema.images import EnvoyImage, PythonImage
from stacks.schema.model_control import ModelManager
from stacks.schema.patches import Patch, PatchTarget
from stacks.schema.pod_settings import PodSettings
from stacks.schema.pools import InterLinkPool, Pool
from stacks.schema.storage import CvmfsHostPath, DataHostPath, Storage
from stacks.schema.tracing import Tracing
from stacks.schema.url import PrometheusUrl, endpoint
from stacks.schema.virtual_nodes import VirtualNode
from stacks.schema.web_ingress import PrometheusIngress, WebPage


class Access(Model):
    """The cluster, and the namespace of the stack in it."""

    context: Annotated[Text, Field(examples=["geddes"])]
    """Context of the kubeconfig. The current context is never used, since other work changes it. The environment
    variable SONIC_KUBE_CONTEXT names another one to use. To Pulumi this key is the identity of the cluster: changing it
    on a deployed stack replaces every object."""
    cluster_uid: Uid | None = None
    """Uid of the cluster's namespace kube-system, by which `python -m stacks fit` and every preview know the cluster
    again. `python -m stacks fit STACK` shows it."""
    kubeconfig: AbsolutePath | None = None
    """Path of the kubeconfig; by default the files of KUBECONFIG, merged as by kubectl, else ~/.kube/config."""
    kubernetes_version: KubernetesRelease | None = None
    """Minor release of the cluster, such as "1.29", for the checks that need no cluster; none: not known."""
    namespace: OwnNamespace
    """Namespace of the stack, such as `sonic-{experiment}`."""
    create_namespace: bool = False
    """true: the stack creates the namespace, with the labels of its pod security level. false: it must exist."""
    cluster_domain: Hostname = "cluster.local"
    """DNS domain of the cluster, the end of the full names of its Services: `clusterDomain` of the kubelets."""
    api_server_port: Port = 6443
    """Port of the API servers themselves, behind Service `kubernetes`: NetworkPolicies compare this one. `kubectl get
    endpoints kubernetes` shows it."""
    ip_families: Annotated[tuple[Literal["IPv4", "IPv6"], ...], Field(min_length=1, max_length=2)] = ("IPv4",)
    """IP families of the cluster, the primary one first, as `kubectl get pods -A -o jsonpath={..podIPs}` shows. With
    both, Services have an address of each. Envoy listens on IPv6 only where it is named, since some nodes have none."""
    dns_cidrs: tuple[Cidr, ...] = ("169.254.0.0/16",)
    """Address ranges of DNS servers that are not ordinary pods, which NetworkPolicies must name by address. The default
    holds the address of a node-local cache (NodeLocal DNSCache), which is link-local. A cache that takes the address of
    the cluster's DNS Service needs that one too: `kubectl get service -n kube-system kube-dns`."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """The namespace `default` is there already, in every cluster."""
        if self.create_namespace and self.namespace == "default":
            yield BrokenRule(
                "create_namespace is true but namespace is `default`, which every cluster has: write a namespace of "
                "the stack's own, or set create_namespace to false",
                ("create_namespace", "namespace"),
            )


class PodSecurityLevel(StrEnum):
    """Pod Security Standard that the namespace enforces (Kubernetes names)."""

    RESTRICTED = "restricted"
    BASELINE = "baseline"
    PRIVILEGED = "privileged"


class Security(Model):
    """The security floor of the namespace."""

    pod_security: PodSecurityLevel = PodSecurityLevel.RESTRICTED
    """Level that the namespace enforces, if the stack creates it."""
    exception_reason: Text | None = None
    """Reason for a level below `restricted`; required with such a level, refused without."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """A level below `restricted` needs a reason, and only such a level has one."""
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
"""Memory that an Envoy needs besides its traffic, in MiB: an idle one takes half of this."""
PROXY_BODIES_MIN = 4
"""Number of largest messages that must fit into an Envoy's memory at the same time."""


class _ProxySize(Model):
    """Number and size of the Envoys."""

    replicas: Annotated[int, Field(ge=2)] = 2
    """Number of Envoys; at least two, so that the loss of a node or a rollout interrupts no traffic."""
    cpu_cores: Annotated[float, Field(gt=0)] = 1.0
    """CPU request and limit of each Envoy, in cores. Rounded up, also its number of worker threads."""
    memory_mib: Annotated[int, Field(ge=256)] = 1024
    """Memory request and limit of each Envoy, in MiB."""


class Proxy(PodSettings, _ProxySize):
    """Size and nodes of the Envoys in front of the servers."""


class SampleClaim(Model):
    """A PersistentVolumeClaim that the stack creates for the samples of its Prometheus, and deletes with itself."""

    size_gib: Annotated[int, Field(ge=2)]
    """Size in GiB. Samples fill three quarters of it; the oldest are deleted first."""
    storage_class: Text | None = None
    """StorageClass with volumes that one node writes (ReadWriteOnce); by default the cluster's default class."""


class _PrometheusSize(Model):
    """Scrapes and size of a Prometheus."""

    kind: Literal["own"]
    """Deployed with the stack."""
    scrape_interval_seconds: Count = 2
    """Time between scrapes, in seconds. The autoscaler cannot react faster."""
    retention_hours: Count = 48
    """Retention of samples, in hours."""
    claim: SampleClaim | None = None
    """Claim for the samples, which outlives the pod; by default they are on the pod's disk and are lost with it."""
    ingress: PrometheusIngress | None = None
    """Way in from outside the cluster, with a password; by default `kubectl port-forward` alone."""
    cpu_cores: Annotated[float, Field(gt=0)] = 0.2
    """CPU request and limit, in cores. A few pods cost little to scrape; a query over days takes longer with less."""
    memory_mib: Annotated[int, Field(ge=128)] = 1024
    """Memory request and limit in MiB."""


class OwnPrometheus(PodSettings, _PrometheusSize):
    """A Prometheus of the stack's own, which scrapes only the stack."""

    dashboards: Dashboards | None = None
    """Dashboards of the stack in a Grafana; none: none."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Grafana reaches Prometheus."""
        if isinstance(self.dashboards, SidecarDashboards) and self.dashboards.grafana_namespace is None:
            yield BrokenRule(
                "dashboards.grafana_namespace is missing, and from another namespace nobody may query the stack's own "
                "Prometheus: write the namespace of Grafana's pods",
                ("dashboards",),
            )


class SecretHeader(Model):
    """An HTTP header with a secret value."""

    name: HeaderName
    """Name of the header, such as `X-Scope-OrgID`, or `Authorization` for a value `Basic …`."""
    value_secret: Annotated[SecretName, Field(examples=["prometheus-header"])]
    """Pulumi secret with the whole value."""


class SitePrometheus(Model):
    """A Prometheus of the site, which puts the labels `namespace` and `pod` on the series that it scrapes."""

    url: PrometheusUrl
    """URL, as KEDA reaches it: with the full name of the Service, since KEDA is in another namespace."""
    namespace: DnsLabel | None = None
    """Namespace of the pods that scrape, which alone may then reach the metrics; by default every pod of the cluster
    may."""
    token_secret: SecretName | None = None
    """Pulumi secret with the bearer token that Prometheus requires of whoever queries it."""
    secret_header: SecretHeader | None = None
    """Header that Prometheus requires instead of a bearer token."""
    authorities: Certificates | None = None
    """Certificates of the authorities, in PEM, with which KEDA, the admission controller and the acceptance check check
    that of Prometheus; by default the public ones. The key of no authority belongs here."""
    dashboards: Dashboards | None = None
    """Dashboards of the stack in a Grafana; none: none."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """KEDA sends a token or a header, https alone shows a certificate, and the site lets Grafana in itself."""
        if isinstance(self.dashboards, SidecarDashboards) and self.dashboards.grafana_namespace is not None:
            yield BrokenRule(
                f"dashboards.grafana_namespace is `{self.dashboards.grafana_namespace}` but Prometheus is the site's, "
                "whose readers no stack lets in: remove it",
                ("dashboards.grafana_namespace",),
            )
        if self.authorities is not None and endpoint(self.url).scheme != "https":
            yield BrokenRule(
                "authorities is set but url begins with http://, where no certificate is shown: begin it with "
                "https://, or remove authorities",
                ("authorities", "url"),
            )
        if self.token_secret is not None and self.secret_header is not None:
            yield BrokenRule(
                "token_secret and secret_header are both set, but KEDA sends one secret header: remove one",
                ("token_secret", "secret_header"),
            )


class ExternalPrometheus(SitePrometheus):
    """A Prometheus of the site that finds its targets by annotations of pods, or by labels or annotations of Services.

    The pods always have the annotations `prometheus.io/scrape`, `/port` and `/path`.
    """

    kind: Literal["external"]
    """Finds its targets by annotations and labels."""
    service_labels: dict[LabelKey, LabelValue] = {}
    """Labels by which it finds a Service. With these or with service_annotations, Triton's metrics have a Service of
    their own, whose one port is `metrics` (8002, at /metrics)."""
    service_annotations: dict[LabelKey, str] = {}
    """Annotations by which it finds a Service, for Triton's metrics."""
    proxy_service_labels: dict[LabelKey, LabelValue] = {}
    """As service_labels, for Envoy's metrics: port 9902, at /stats/prometheus."""
    proxy_service_annotations: dict[LabelKey, str] = {}
    """As service_annotations, for Envoy's metrics."""


class MonitorKind(StrEnum):
    """Object of the Prometheus Operator (monitoring.coreos.com/v1) that describes targets."""

    POD = "pod"
    SERVICE = "service"


class OperatorPrometheus(SitePrometheus):
    """A Prometheus of the site that the Prometheus Operator configures: monitors tell it the targets."""

    kind: Literal["operator"]
    """Finds its targets by PodMonitors or ServiceMonitors of the stack; the cluster must have their CRDs."""
    monitor: MonitorKind = MonitorKind.POD
    """PodMonitors, or ServiceMonitors with a Service for each."""
    monitor_labels: dict[LabelKey, LabelValue] = {}
    """Labels by which Prometheus selects monitors: its `podMonitorSelector` or `serviceMonitorSelector`."""
    monitor_namespace: DnsLabel | None = None
    """Namespace in which Prometheus looks for monitors; by default that of the stack."""
    scrape_interval_seconds: Annotated[int, Field(ge=1, le=30)] = 15
    """Time between scrapes, in seconds. The autoscaler decides every 15 s."""


Monitoring = Annotated[OwnPrometheus | ExternalPrometheus | OperatorPrometheus, Field(discriminator="kind")]


_TIMEOUT_SINCE = "2.17"
"""First release of KEDA whose trigger has a time-out (kedacore/keda #6607)."""


class Keda(Model):
    """The KEDA of the cluster."""

    namespace: DnsLabel = "keda"
    """Namespace of KEDA. From outside the stack's namespace, only KEDA may query its Prometheus."""
    version: KedaRelease | None = None
    """Minor release of KEDA, such as "2.17"; none: not known, and taken for the oldest supported one."""
    scale_to_zero: bool = False
    """Experiments may have no server while nobody asks (`scaling.servers_min: 0`)."""
    timeout_ms: Annotated[int, Field(ge=100, le=60000)] | None = None
    """Time that Prometheus may take to answer KEDA, in milliseconds. By default the one of KEDA's operator, 3 s unless
    its KEDA_HTTP_DEFAULT_TIMEOUT says else. Needs KEDA 2.17."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """An older KEDA ignores a time-out."""
        if self.timeout_ms is not None and parts(self.version or KEDA_OLDEST) < parts(_TIMEOUT_SINCE):
            yield BrokenRule(
                f"timeout_ms is {self.timeout_ms} but version is {self.version or 'not set'}, and KEDA ignores the "
                f'time-out before {_TIMEOUT_SINCE}: set version to the release that runs, "{_TIMEOUT_SINCE}" or later, '
                "or remove timeout_ms and set KEDA_HTTP_DEFAULT_TIMEOUT of KEDA's operator",
                ("timeout_ms", "version"),
            )


class NodeLabels(Model):
    """Labels of one node."""

    node: Hostname
    """Name of the node."""
    labels: Annotated[dict[LabelKey, LabelValue], Field(min_length=1)]
    """Labels that the stack sets on the node; it changes no other label."""


class Images(Model):
    """Images instead of the pinned ones, if the site has a mirror or builds its own."""

    envoy: EnvoyImage | None = None
    """Envoy; by default the one in components/versions.py."""
    prometheus: ImageReference | None = None
    """Prometheus; by default the one in components/versions.py."""
    admission: PythonImage | None = None
    """Python 3.11 or later, for the controller of experiment.admission and the access token of a virtual kubelet; by
    default the one in components/versions.py."""
    grafana: ImageReference | None = None
    """Grafana, for monitoring.dashboards of kind `grafana`; by default the one in components/versions.py."""
    sshd: ImageReference | None = None
    """OpenSSH's server as `sshd.pam` or `sshd`, for tunnels of kind `ssh`; by default the one in
    components/versions.py."""
    wstunnel: ImageReference | None = None
    """wstunnel of the release in components/versions.py, for tunnels of kind `wstunnel`; by default the one there."""
    mirrors: dict[ImagePrefix, ImagePrefix] = {}
    """Start of an image's name -> the mirror's instead, such as `docker.io: registry.example.org/docker-hub-cache`. It
    holds for every image, the servers' included; the longest start that fits counts. A digest stays as it is."""
    pull_secret: DnsLabel | None = None
    """Name of an existing image pull secret of the namespace."""


class Site(Model):
    """The facts of a place where servers run."""

    description: Text
    """The place, in one sentence, for readers of the file."""
    access: Access
    """The cluster, and the namespace in it."""
    security: Security = Security()
    """Pod security floor."""
    singletons_owner: Text | None = None
    """Stack that owns objects of the whole cluster (node labels, virtual nodes); by default none does."""
    node_labels: tuple[NodeLabels, ...] = ()
    """Labels for GPU nodes. Leave out where node or GPU feature discovery sets them."""
    virtual_nodes: tuple[VirtualNode, ...] = ()
    """Nodes of interLink, whose pods are Slurm jobs, for pools of kind `interlink`."""
    pools: Annotated[tuple[Pool, ...], Field(min_length=1)]
    """Capacity, in order of preference."""
    storage: Storage
    """Storage that model repositories are read from."""
    dns_ttl_seconds: Annotated[int, Field(ge=1, le=300)] = 30
    """Longest time that an answer of the cluster's DNS is cached, in seconds. CoreDNS' own default is 5, but kubeadm's
    Corefile says 30, and a node-local cache keeps an answer as long. A server that stops goes on serving for this time,
    so that no Envoy calls it when it is gone."""
    exposure: Exposure
    """The way of clients to the stack, whose address is the output `grpc_endpoint`."""
    further_exposures: tuple[Exposure, ...] = ()
    """Further ways to the same servers, such as an ingress for clients outside beside a load balancer inside. Each has
    a Service of its own."""
    model_control: tuple[ModelManager, ...] = ()
    """Pods that may load and unload models: they reach HTTP (8000) and gRPC (8001) of every server, and can run code of
    their own there. Empty: only Envoy reaches a server, and Prometheus its metrics."""
    proxy: Proxy = Proxy()
    """Size and nodes of Envoy."""
    monitoring: Monitoring
    """The Prometheus that has the metrics."""
    tracing: Tracing | None = None
    """Traces of requests, for a collector of the site; none: nothing is traced."""
    keda: Keda | None = None
    """KEDA of the cluster. Without KEDA the number of servers is fixed."""
    images: Images = Images()
    """Images instead of the pinned ones."""
    patches: dict[PatchTarget, Patch] = {}
    """Fields of the stack's objects that no key sets, by kind and component, as a strategic merge. Those of the site
    come first. `python -m stacks render` shows the objects with them."""

    @property
    def exposures(self) -> tuple[tuple[KeyPath, Exposure], ...]:
        """Every way of clients to the stack, the first one first, with its path in the site."""
        further = ((("further_exposures", index), each) for index, each in enumerate(self.further_exposures))
        return ((("exposure",), self.exposure), *further)

    @property
    def web_pages(self) -> tuple[WebPage, ...]:
        """Every page of the stack that people reach by an Ingress."""
        own, shown = self.monitoring, self.monitoring.dashboards
        found: list[WebPage] = []
        if isinstance(own, OwnPrometheus) and own.ingress:
            found.append(WebPage("metrics-login", "Prometheus", ("monitoring", "ingress"), own.ingress))
        if isinstance(shown, GrafanaDashboards) and shown.ingress:
            found.append(WebPage("grafana", "Grafana", ("monitoring", "dashboards", "ingress"), shown.ingress))
        return tuple(found)

    def virtual_node(self, name: str) -> VirtualNode:
        """Return a virtual node by name."""
        return {node.name: node for node in self.virtual_nodes}[name]

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Names differ, objects of the whole cluster have an owner, Pod Security allows hostPath, and ways in agree."""
        yield from self._broken_exposures()
        yield from self._broken_virtual_nodes()
        yield from self._broken_pages()
        names = [pool.name for pool in self.pools]
        for name in twice(names):
            same = tuple(f"pools.{at}" for at, each in enumerate(names) if each == name)
            yield BrokenRule(f"two pools have the name `{name}`: give each pool its own", same)
        if self.node_labels and self.singletons_owner is None:
            yield BrokenRule(
                "node_labels is set but singletons_owner is not: name the one stack that sets them", ("node_labels",)
            )
        for name, data in self.storage.data.items():
            if isinstance(data, DataHostPath) and self.security.pod_security is not PodSecurityLevel.PRIVILEGED:
                yield BrokenRule(
                    f"storage.data.{name}.kind is `hostpath` but security.pod_security is "
                    f"`{self.security.pod_security}`, which forbids hostPath: use `pvc`, or set `privileged` with an "
                    "exception_reason",
                    (f"storage.data.{name}.kind", "security.pod_security"),
                )
        hostpath = isinstance(self.storage.cvmfs, CvmfsHostPath)
        if hostpath and self.security.pod_security is not PodSecurityLevel.PRIVILEGED:
            yield BrokenRule(
                f"storage.cvmfs.kind is `cvmfs-hostpath` but security.pod_security is `{self.security.pod_security}`, "
                "which forbids hostPath: use `cvmfs-pvc`, or set `privileged` with an exception_reason",
                ("storage.cvmfs.kind", "security.pod_security"),
            )

    def _broken_virtual_nodes(self) -> Iterator[BrokenRule]:
        for name in twice([node.name for node in self.virtual_nodes]):
            yield BrokenRule(f"two virtual nodes have the name `{name}`: give each its own", ("virtual_nodes",))
        deployed = [index for index, node in enumerate(self.virtual_nodes) if node.deployed]
        if deployed and self.singletons_owner is None:
            yield BrokenRule(
                f"virtual_nodes[{deployed[0]}].deployed is true but singletons_owner is not set: name the one stack "
                "that deploys it",
                (f"virtual_nodes.{deployed[0]}.deployed",),
            )
        named = [node.name for node in self.virtual_nodes]
        for index, pool in enumerate(self.pools):
            if isinstance(pool, InterLinkPool) and pool.virtual_node not in named:
                yield BrokenRule(
                    f"pools[{index}].virtual_node is `{pool.virtual_node}` but virtual_nodes has "
                    f"{', '.join(named) or 'none'}: describe it there, or name one of these",
                    (f"pools.{index}.virtual_node", "virtual_nodes"),
                )

    def _broken_pages(self) -> Iterator[BrokenRule]:
        """A host name leads to one part of the stack."""
        taken = [(path, each.hostname) for path, each in self.exposures]
        for page in self.web_pages:
            hostname = page.ingress.hostname
            for path in (path for path, other in taken if other == hostname):
                yield BrokenRule(
                    f"{dotted(page.path)}.hostname is `{hostname}`, which {dotted(path)} has already: give "
                    f"{page.title} a host of its own",
                    ((*page.path, "hostname"), (*path, "hostname")),
                )
            taken.append((page.path, hostname))

    def _broken_exposures(self) -> Iterator[BrokenRule]:
        """Ways in must differ in address, and Envoy's one port speaks either TLS with one certificate or plain text."""
        first_path, first = self.exposures[0]
        for path, each in self.exposures[1:]:
            if each.pod_tls_secret != first.pod_tls_secret:
                yield BrokenRule(
                    f"{dotted(first_path)} {_spoken(first)} but {dotted(path)} {_spoken(each)}, and all ways lead to "
                    "one port of Envoy: set tls_secret of every cluster-ip, node-port and load-balancer to the same "
                    "Secret, or remove all; behind an ingress or a gateway Envoy speaks plain text",
                    (path, first_path),
                )
        addresses: dict[tuple[str, int | None], KeyPath] = {}
        for path, each in self.exposures:
            if each.hostname is None:
                continue
            other = addresses.setdefault((each.hostname, each.client_port), path)
            if other != path:
                yield BrokenRule(
                    f"{dotted(other)} and {dotted(path)} have one address, `{each.hostname}`: give each its own "
                    "hostname",
                    ((*path, "hostname"), (*other, "hostname")),
                )


def _spoken(exposure: Exposure) -> str:
    return "speaks plain text to Envoy" if exposure.pod_tls_secret is None else f"has `{exposure.pod_tls_secret}`"
