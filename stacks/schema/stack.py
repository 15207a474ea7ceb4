"""A stack: one instance of an experiment at a site, with the rules that span both."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Annotated, NamedTuple

from pydantic import Field

from stacks.origin import KeyPath, dotted
from stacks.schema.base import BrokenRule, DnsLabel, Model, Text, secrets_in
from stacks.schema.clients import CertificateClients, NetworkClients, TokenClients, models_are_controlled
from stacks.schema.controllers import CONTROLLERS
from stacks.schema.dashboards import GrafanaDashboards
from stacks.schema.experiment import CvmfsRepository, Experiment, S3Repository, VolumeRepository
from stacks.schema.exposure import Exposure, GatewayExposure, IngressExposure, WayIn, default_service_name
from stacks.schema.job_patch_rules import broken_job_patches, is_misread, only_jobs
from stacks.schema.model_control import broken_flags
from stacks.schema.patch_rules import broken_patches
from stacks.schema.patches import Leaf
from stacks.schema.pools import InterLinkPool, KubernetesPool, Pool
from stacks.schema.scaling_rules import broken_scaling_rules
from stacks.schema.site import (
    PROXY_BASE_MEMORY_MIB,
    PROXY_BODIES_MIN,
    ExternalPrometheus,
    MonitorKind,
    OperatorPrometheus,
    OwnPrometheus,
    Site,
)
from stacks.schema.slurm_rules import broken_slurm_rules
from stacks.schema.storage import ClaimVolume, CvmfsPvc, NfsVolume, Storage
from stacks.schema.tracing import broken_trace_flags
from stacks.schema.virtual_nodes import VirtualNode

_PREFIX_MIN = 8
"""Bits of the shortest prefix that is not everybody: 10.0.0.0/8 is the largest private range."""
_NAME_LENGTH_MAX = 63
"""Longest DNS label, which the name of a Service and the value of a label must be."""
_LONGEST_FIXED_PART = "server-metrics"
"""Longest part after `sonic-<instance>-` that does not depend on the site."""
_GUARDED = ("Deployment", "Service", "ServiceAccount", "NetworkPolicy")
"""Kinds of objects that each part with pods has."""

STACK_HEADER = "x-sonic-stack"
"""Header of every answer of a stack's Envoys, with the name of the stack: the initial metadata of a call."""


class PoolShare(NamedTuple):
    """The servers of a stack that one pool holds."""

    pool: Pool
    """The pool."""
    servers_min: int
    """Servers that always run there."""
    servers_max: int
    """Servers at most there."""
    gpu_products: tuple[str, ...]
    """GPU products to ask the scheduler for; empty: any of the pool."""

    @property
    def autoscaled(self) -> bool:
        """True where KEDA chooses the number of servers."""
        return self.servers_max > self.servers_min


class StackConfig(Model):
    """One site, one experiment, and what follows from the two together."""

    stack: Text
    """Name of the Pulumi stack."""
    site_name: DnsLabel
    """Name of the site: its file's name."""
    experiment_name: DnsLabel
    """Name of the experiment: its file's name."""
    instance: Annotated[DnsLabel, Field(examples=["cms-dev"])]
    """Name of the stack among those of its namespace; by default the experiment's name. Every object is called
    `sonic-<instance>-…`, so choose it before the first deployment."""
    site: Site
    """Description of the place."""
    experiment: Experiment
    """Description of the workload."""

    @property
    def name(self) -> str:
        """Prefix of every name in the cluster, and value of the label `app.kubernetes.io/instance`."""
        return f"sonic-{self.instance}"

    @property
    def namespace(self) -> str:
        """Namespace of the stack."""
        return self.site.access.namespace

    @property
    def ways_in(self) -> tuple[WayIn, ...]:
        """Every way of clients to the stack; the first one's address is exported."""
        return tuple(
            WayIn(each.service_name or default_service_name(self.instance, each.kind if index else None), each)
            for index, (_, each) in enumerate(self.site.exposures)
        )

    @property
    def owns_singletons(self) -> bool:
        """True for the stack that sets what the cluster has only once."""
        return self.site.singletons_owner == self.stack

    @property
    def models_change(self) -> bool:
        """True if somebody may load and unload models while the servers run, so that servers may differ in them."""
        return bool(self.site.model_control) or models_are_controlled(self.experiment.clients)

    @property
    def owned_virtual_nodes(self) -> tuple[VirtualNode, ...]:
        """Virtual nodes that this stack deploys."""
        return tuple(node for node in self.site.virtual_nodes if node.deployed and self.owns_singletons)

    @property
    def secrets(self) -> tuple[tuple[KeyPath, str], ...]:
        """Path of the field and name of each Pulumi secret that the stack needs.

        Storage that the experiment does not read needs none, nor does a tunnel that no pool of the stack uses, nor the
        API of a virtual node that the stack does not deploy.
        """
        read = ("site", "storage", self._storage_key)
        nodes = {"tunnel": self._used_virtual_nodes, "api": {node.name for node in self.owned_virtual_nodes}}
        return tuple(
            (path, name)
            for path, name in secrets_in(self)
            if (path[:2] != ("site", "storage") or path[:3] == read)
            and (
                path[:2] != ("site", "virtual_nodes")
                or self.site.virtual_nodes[int(path[2])].name in nodes[str(path[3])]
            )
        )

    @property
    def _used_virtual_nodes(self) -> frozenset[str]:
        return frozenset(p.virtual_node for p in self.site.pools if isinstance(p, InterLinkPool) and self._fits(p))

    @property
    def secret_names(self) -> tuple[str, ...]:
        """Pulumi secrets that the stack needs, sorted."""
        return tuple(sorted({name for _, name in self.secrets}))

    @property
    def _storage_key(self) -> str | None:
        """Key of `site.storage` that the experiment's repository reads; none for models in the image."""
        keys = {CvmfsRepository: "cvmfs", VolumeRepository: "volume", S3Repository: "s3"}
        return keys.get(type(self.experiment.models.repository))

    @property
    def pool_shares(self) -> tuple[PoolShare, ...]:
        """The pools of the stack, in order of preference, with their numbers of servers.

        Every pool in use keeps one server. The rest of servers_min, and of servers_max, goes to the first pools first,
        up to their own servers_max. Example: pools of 3, 4 and 9 and an experiment of 5 to 10 servers give
        3 to 3, 1 to 4 and 1 to 3. A servers_min of 0 is that of a single pool.
        """
        pools = self._usable_pools()
        scaling = self.experiment.scaling
        spare_min = scaling.servers_min - len(pools)
        spare_max = scaling.servers_max - len(pools)
        shares = []
        for pool in pools:
            room = pool.servers_max - 1
            more_min, more_max = min(spare_min, room), min(spare_max, room)
            spare_min, spare_max = spare_min - more_min, spare_max - more_max
            products = self._common_products(pool)
            shares.append(PoolShare(pool, 1 + more_min, 1 + more_max, products))
        return tuple(shares)

    def _common_products(self, pool: Pool) -> tuple[str, ...]:
        offered = pool.gpu.products if pool.gpu else ()
        wanted = self.experiment.server.gpu_products
        if not wanted or not offered:
            return wanted or offered
        return tuple(product for product in offered if product in wanted)

    def _fits(self, pool: Pool) -> bool:
        if self.experiment.server.gpus == 0:
            return True
        return pool.gpu is not None and (
            bool(self._common_products(pool)) or not (self.experiment.server.gpu_products and pool.gpu.products)
        )

    def _usable_pools(self) -> tuple[Pool, ...]:
        return tuple(pool for pool in self.site.pools if self._fits(pool))

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Yield each want of the experiment that the site does not meet, and a name that is too long."""
        yield from self._broken_names()
        yield from self._broken_pools()
        yield from self._broken_jobs()
        scaled = [share.pool.name for share in self.pool_shares if share.autoscaled]
        yield from broken_scaling_rules(
            self.site_name, self.site, self.experiment.scaling, self._usable_pools(), scaled=scaled
        )
        yield from self._broken_repository()
        yield from self._broken_data()
        yield from self._broken_memory()
        yield from self._broken_identity()
        if self.site.model_control:
            flags = self.experiment.server.flags
            yield from broken_flags(flags, key="site.model_control", flags_key="experiment.server.flags")
        if self.site.tracing:
            yield from broken_trace_flags(self.experiment.server.extra_flags)
        yield from self._broken_services()
        yield from self._broken_annotations()
        yield from self._broken_patches()

    def _broken_names(self) -> Iterator[BrokenRule]:
        if "-triton-" in f"-{self.instance}-":
            yield BrokenRule(
                f"sonic:instance is `{self.instance}`, and the word `triton` in it comes before the name of a pool: an "
                "instance without it could have objects of the same names: leave the word out",
                ("instance",),
            )
        further = [f"envoy-{each.kind}" for each in self.site.further_exposures if each.service_name is None]
        parts = [_LONGEST_FIXED_PART, *further, *(f"triton-{pool.name}" for pool in self._usable_pools())]
        longest = f"{self.name}-{max(parts, key=len)}"
        excess = len(longest) - _NAME_LENGTH_MAX
        if excess > 0:
            room = len(self.instance) - excess
            way_out = f"write an instance of at most {room}" if room > 0 else "shorten the names of site.pools"
            yield BrokenRule(
                f"sonic:instance is `{self.instance}`, and the longest name made from it, `{longest}`, has "
                f"{len(longest)} characters where Kubernetes takes {_NAME_LENGTH_MAX}: {way_out}",
                ("instance", "site.pools"),
            )

    def _broken_pools(self) -> Iterator[BrokenRule]:
        gpus = self.experiment.server.gpus
        for index, pool in enumerate(self.site.pools):
            if not (isinstance(pool, KubernetesPool) and pool.gpu and self._fits(pool)):
                continue
            if gpus > 1 and re.search(r"/mig-|\.shared$", pool.gpu.resource):
                yield BrokenRule(
                    f"experiment.server.gpus is {gpus} but pool `{pool.name}` has parts of GPUs "
                    f"(`{pool.gpu.resource}`), of which a server can use one: set it to 1, or use a pool of whole GPUs",
                    ("experiment.server.gpus", f"site.pools.{index}.gpu.resource"),
                )
        if not any(self._fits(pool) for pool in self.site.pools):
            server = self.experiment.server
            wanted = f"{server.gpus} GPU(s) of {', '.join(server.gpu_products) or 'any product'}"
            offered = "; ".join(
                f"`{pool.name}` offers {'no GPU' if pool.gpu is None else ', '.join(pool.gpu.products) or 'any GPU'}"
                for pool in self.site.pools
            )
            without = [f"site.pools.{index}.gpu" for index, pool in enumerate(self.site.pools) if pool.gpu is None]
            in_pool = ", write `gpu: {}` in a pool" if without else ""
            yield BrokenRule(
                f"experiment.server asks for {wanted}, but no pool of site `{self.site_name}` has them ({offered}): "
                f"change experiment.server.gpu_products{in_pool} or add a pool",
                ("experiment.server.gpu_products", *(without or ["site.pools"])),
            )

    def _broken_jobs(self) -> Iterator[BrokenRule]:
        for index, pool in enumerate(self.site.pools):
            if isinstance(pool, InterLinkPool) and self._fits(pool):
                yield from broken_slurm_rules(
                    self.site,
                    self.experiment,
                    index=index,
                    pool=pool,
                    wanted=self._common_products(pool),
                    deployment=f"{self.name}-triton-{pool.name}",
                )

    def _broken_repository(self) -> Iterator[BrokenRule]:
        kind, key = self.experiment.models.repository.kind, self._storage_key
        if key is not None and getattr(self.site.storage, key) is None:
            yield BrokenRule(
                f"experiment.models.repository.kind is `{kind}` but site `{self.site_name}` does "
                f"not offer it: add site.storage.{key}",
                ("experiment.models.repository.kind", "site.storage"),
            )

    @property
    def objects(self) -> tuple[str, ...]:
        """Targets of patches: the objects of the stack whose fields a patch may set."""
        prometheus = self.site.monitoring
        own = isinstance(prometheus, OwnPrometheus)
        targets = [f"{kind}/envoy" for kind in (*_GUARDED, "PodDisruptionBudget", *self._before_services())]
        targets += [f"{kind}/prometheus" for kind in _GUARDED if own]
        if isinstance(prometheus, OwnPrometheus) and prometheus.claim:
            targets += ["PersistentVolumeClaim/prometheus"]
        targets += [f"{kind}/grafana" for kind in _GUARDED if isinstance(prometheus.dashboards, GrafanaDashboards)]
        for page in self.site.web_pages:
            targets += [f"Ingress/{page.component}"]
            if page.component == "metrics-login":
                targets += [f"{kind}/metrics-login" for kind in (*_GUARDED, "PodDisruptionBudget")]
        targets += ["Service/prometheus"] if self._tunnel_metrics_have_a_service else []
        for share in self.pool_shares:
            for kind in (*_GUARDED, "PodDisruptionBudget", *(("ScaledObject",) if share.autoscaled else ())):
                targets += [f"{kind}/triton", f"{kind}/triton/{share.pool.name}"]
        targets += [f"{kind}/model-repository" for kind in self._made_for_models()]
        if self.owned_virtual_nodes:
            targets += [f"{kind}/virtual-node" for kind in ("Deployment", "ServiceAccount", "NetworkPolicy")]
        return tuple(sorted(set(targets)))

    @property
    def _tunnel_metrics_have_a_service(self) -> bool:
        has_jobs = any(isinstance(share.pool, InterLinkPool) for share in self.pool_shares)
        match self.site.monitoring:
            case ExternalPrometheus(service_labels=labels, service_annotations=annotations):
                return has_jobs and bool(labels or annotations)
            case OperatorPrometheus(monitor=MonitorKind.SERVICE):
                return has_jobs
            case _:
                return False

    def _before_services(self) -> tuple[str, ...]:
        return tuple(kind for way in self.ways_in for kind in _exposing(way.exposure))

    def _made_for_models(self) -> tuple[str, ...]:
        match self.experiment.models.repository, self.site.storage:
            case CvmfsRepository(), Storage(cvmfs=CvmfsPvc(create=True)):
                return ("PersistentVolumeClaim",)
            case VolumeRepository(), Storage(volume=ClaimVolume(create=True)):
                return ("PersistentVolumeClaim",)
            case VolumeRepository(), Storage(volume=NfsVolume()):
                return ("PersistentVolume", "PersistentVolumeClaim")
            case _:
                return ()

    def _broken_patches(self) -> Iterator[BrokenRule]:
        objects, level = self.objects, str(self.site.security.pod_security)
        pools = [share.pool for share in self.pool_shares]
        jobs = [pool.name for pool in pools if isinstance(pool, InterLinkPool)]
        nodes = [pool.name for pool in pools if not isinstance(pool, InterLinkPool)]

        def told(target: str, leaf: Leaf) -> bool:
            return only_jobs(target, job_pools=jobs, node_pools=nodes) and is_misread(target, leaf)

        for key, part in (("site.patches", self.site), ("experiment.patches", self.experiment)):
            yield from broken_patches(part.patches, key=key, objects=objects, pod_security=level, told=told)
            yield from broken_job_patches(part.patches, key=key, job_pools=jobs, node_pools=nodes)

    def _broken_data(self) -> Iterator[BrokenRule]:
        offered = self.site.storage.data
        for index, mount in enumerate(self.experiment.server.data):
            if mount.volume not in offered:
                yield BrokenRule(
                    f"experiment.server.data[{index}].volume is `{mount.volume}` but site `{self.site_name}` offers "
                    f"{', '.join(offered) or 'none'}: describe it as site.storage.data.{mount.volume}",
                    (f"experiment.server.data.{index}.volume", "site.storage"),
                )
            if mount.path == "/cvmfs" and isinstance(self.experiment.models.repository, CvmfsRepository):
                yield BrokenRule(
                    f"experiment.server.data[{index}].path is `/cvmfs`, where the models' CVMFS is mounted whole: "
                    "remove it",
                    (f"experiment.server.data.{index}.path",),
                )

    def _broken_memory(self) -> Iterator[BrokenRule]:
        """Envoy holds a request until its answer begins, to retry it: it needs room for a few of the largest."""
        memory, largest = self.site.proxy.memory_mib, self.experiment.traffic.largest_message_mib
        needed = PROXY_BASE_MEMORY_MIB + PROXY_BODIES_MIN * largest
        if memory < needed:
            yield BrokenRule(
                f"site.proxy.memory_mib is {memory} but experiment.traffic.largest_message_mib is {largest}, and Envoy "
                f"holds each request until its answer begins: {PROXY_BODIES_MIN} of them and Envoy itself need "
                f"{needed}: raise the first or lower the second",
                ("site.proxy.memory_mib", "experiment.traffic.largest_message_mib"),
            )

    def _broken_identity(self) -> Iterator[BrokenRule]:
        """Envoy must see the token or certificate of a client, and nobody on the way may see a token."""
        for path, exposure in self.site.exposures:
            place = dotted(("site", *path))
            fields = ("experiment.clients.kind", ("site", *path))
            ranges = () if exposure.clients_speak_tls else getattr(exposure, "client_cidrs", ())
            open_cidrs = [cidr for cidr in ranges if ipaddress.ip_network(cidr).prefixlen < _PREFIX_MIN]
            if isinstance(self.experiment.clients, NetworkClients) and open_cidrs:
                yield BrokenRule(
                    f"{place}.client_cidrs has {', '.join(open_cidrs)}, and experiment.clients.kind is `network`: "
                    "everybody could call in plain text: name the ranges of the machines that run jobs, or set "
                    f"{place}.tls_secret",
                    (("site", *path, "client_cidrs"), "experiment.clients.kind"),
                )
            if isinstance(self.experiment.clients, TokenClients):
                for message in _readable_tokens(place, exposure):
                    yield BrokenRule(f"experiment.clients.kind is `token` but {message}", fields)
            if isinstance(self.experiment.clients, CertificateClients) and exposure.pod_tls_secret is None:
                reason, way_out = (
                    ("Envoy speaks plain text and sees no certificate", f"set {place}.tls_secret")
                    if exposure.ends_at_pods
                    else (
                        "TLS ends before Envoy, which sees no certificate",
                        "expose by cluster-ip, node-port or load-balancer, with tls_secret",
                    )
                )
                yield BrokenRule(
                    f"experiment.clients.kind is `certificate` but with {place} of kind `{exposure.kind}` {reason}: "
                    f"{way_out}",
                    fields,
                )

    def _broken_services(self) -> Iterator[BrokenRule]:
        """A Service has a name of its own, which the program does not give to another."""
        paths = [("site", *path, "service_name") for path, _ in self.site.exposures]
        services = [way.service for way in self.ways_in]
        for path, (service, exposure) in zip(paths, self.ways_in, strict=True):
            if exposure.service_name and exposure.service_name.startswith("sonic-"):
                yield BrokenRule(
                    f"{dotted(path)} is `{service}`, but names that begin with `sonic-` are those that the program "
                    "makes from instances: choose another, or remove it for the default",
                    (path,),
                )
            earlier = paths[services.index(service)]
            if earlier != path:
                yield BrokenRule(
                    f"{dotted(earlier[:-1])} and {dotted(path[:-1])} have the same Service name `{service}`: give each "
                    "a service_name of its own",
                    (path, earlier),
                )

    def _broken_annotations(self) -> Iterator[BrokenRule]:
        """An ingress controller carries whatever Envoy takes."""
        traffic = self.experiment.traffic
        for path, exposure in self.site.exposures:
            if not isinstance(exposure, IngressExposure) or exposure.controller == "other":
                continue
            broken = CONTROLLERS[exposure.controller].broken(
                exposure.annotations,
                wait_seconds=traffic.wait_max_seconds,
                largest_message_mib=traffic.largest_message_mib,
            )
            for annotation, message in broken:
                keys = ("site", *path, "annotations")
                value = exposure.annotations[annotation]
                yield BrokenRule(f"{dotted(keys)}: `{annotation}` is `{value}`: {message}", ((*keys, annotation),))


def _readable_tokens(place: str, exposure: Exposure) -> Iterator[str]:
    """Yield each way on which a client would send its token in plain text."""
    if not exposure.clients_speak_tls:
        way_out = {
            True: f"set {place}.tls_secret, or expose by ingress or gateway",
            False: f"set {place}.tls to true",
        }[exposure.ends_at_pods]
        yield (f"{place} of kind `{exposure.kind}` speaks plain text, where whoever sees a token can use it: {way_out}")
    elif not exposure.ends_at_pods and exposure.client_namespaces:
        yield (
            f"{place}.client_namespaces call Envoy itself, which speaks plain text behind kind `{exposure.kind}`, "
            "where whoever sees a token can use it: remove client_namespaces, so that they call the hostname"
        )


def _exposing(exposure: Exposure) -> tuple[str, ...]:
    """Return the kinds of the objects before the Service."""
    match exposure:
        case IngressExposure():
            return ("Ingress",)
        case GatewayExposure():
            return ("GRPCRoute",)
        case _:
            return ()
