"""Demand of a stack: its objects, its pods at their largest number, and the lines that ask for them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from components import names
from components.labels import POOL_LABEL
from components.tunnel import pod_resources
from fit.quantity import Amounts, quantity, summed
from stacks.assemble import Resolved
from stacks.origin import KeyPath, dotted
from stacks.schema import StackConfig
from stacks.schema.exposure import Exposure
from stacks.schema.pools import InterLinkPool
from stacks.schema.virtual_nodes import VirtualNode
from stacks.schema.web_ingress import WebIngress

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Workload:
    """A Deployment of the stack."""

    manifest: Manifest
    """The Deployment."""
    pods_max: int
    """Pods at most, outside a rollout."""
    labels: Mapping[str, str]
    """Its labels."""

    @property
    def name(self) -> str:
        """Name of the Deployment."""
        return str(self.manifest["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Namespace of its pods."""
        return str(self.manifest["metadata"]["namespace"])

    @property
    def component(self) -> str:
        """Part of the stack, such as `triton`."""
        return self.labels["app.kubernetes.io/component"]

    @property
    def pool(self) -> str | None:
        """Pool of the site, for servers."""
        return self.labels.get(POOL_LABEL)

    @property
    def template(self) -> Mapping[str, Any]:
        """Template of its pods: `metadata` and `spec`."""
        template: Mapping[str, Any] = self.manifest["spec"]["template"]
        return template

    @property
    def pod(self) -> Mapping[str, Any]:
        """Spec of its pods."""
        pod: Mapping[str, Any] = self.template["spec"]
        return pod

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        """All its containers, those that initialize too."""
        return [*self.pod["containers"], *self.pod.get("initContainers", ())]

    @property
    def surge(self) -> int:
        """Pods that a rollout adds."""
        strategy = self.manifest["spec"].get("strategy", {})
        if strategy.get("type") == "Recreate":
            return 0
        surge = strategy.get("rollingUpdate", {}).get("maxSurge", "25%")
        return surge if isinstance(surge, int) else math.ceil(self.pods_max * int(surge.rstrip("%")) / 100)

    def amounts(self, side: str) -> Amounts:
        """Return what one pod asks for; `side` is `requests` or `limits`."""
        return amounts_of(self.pod, side)


def amounts_of(pod: Mapping[str, Any], side: str) -> Amounts:
    """Return what a pod asks for: its containers together, or more if one that initializes asks for more."""
    total = dict(summed(each for container in pod["containers"] for each in stated(container, side).items()))
    for container in pod.get("initContainers", ()):
        for resource, amount in stated(container, side).items():
            total[resource] = max(total.get(resource, amount), amount)
    return total


def stated(container: Mapping[str, Any], side: str) -> Amounts:
    """Return the `requests` or `limits` of a container. A limit without a request is also the request."""
    resources = container.get("resources", {})
    amounts = {**resources.get("limits", {}), **resources.get(side, {})}
    return {resource: quantity(amount) for resource, amount in amounts.items()}


@dataclass(frozen=True)
class Demand:
    """A stack that is to fit."""

    resolved: Resolved
    """Its configuration, with the lines of its values."""
    manifests: Sequence[Manifest]
    """Its objects; empty where the cluster is not asked."""

    @property
    def config(self) -> StackConfig:
        """Its configuration."""
        return self.resolved.config

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return self.config.namespace

    @property
    def site_file(self) -> str:
        """File of the site, from the root of the repository."""
        return f"stacks/sites/{self.config.site_name}.yaml"

    def at(self, *path: str | int) -> str:
        """Return file, line and name of a key, such as `stacks/sites/purdue.yaml:12 site.access.namespace`."""
        return f"{self.resolved.tree.nearest_origin(path).place} {dotted(path)}"

    @cached_property
    def ways(self) -> Mapping[str, tuple[KeyPath, Exposure]]:
        """Each way in, with its path, by the name that its Service, Ingress and route have."""
        config = self.config
        return {
            way.service: (("site", *path), exposure)
            for (path, exposure), way in zip(config.site.exposures, config.ways_in, strict=True)
        }

    @cached_property
    def entrances(self) -> Mapping[str, tuple[KeyPath, Exposure | WebIngress]]:
        """Each way in, and each way of people to a page, with its path, by the name of its objects."""
        config = self.config
        pages = {
            names.join(config.name, page.component): (("site", *page.path), page.ingress)
            for page in config.site.web_pages
        }
        return {**self.ways, **pages}

    def at_way(self, manifest: Manifest, key: str) -> str:
        """Return file, line and name of a key of the way in, or to a page, that an object belongs to."""
        path, _ = self.entrances[manifest["metadata"]["name"]]
        return self.at(*path, key)

    def of_kind(self, *kinds: str) -> Iterator[Manifest]:
        """Yield the objects of some kinds."""
        return (each for each in self.manifests if each["kind"] in kinds)

    def makes(self, kind: str, name: str) -> bool:
        """Return True if the stack makes an object in its namespace itself."""
        return any(each["metadata"]["name"] == name for each in self.of_kind(kind))

    @cached_property
    def workloads(self) -> Sequence[Workload]:
        """Its Deployments."""
        scaled = {
            each["spec"]["scaleTargetRef"]["name"]: each["spec"]["maxReplicaCount"]
            for each in self.of_kind("ScaledObject")
        }
        return [
            Workload(
                each,
                scaled.get(each["metadata"]["name"], each["spec"].get("replicas", 1)),
                each["metadata"]["labels"],
            )
            for each in sorted(self.of_kind("Deployment"), key=lambda each: str(each["metadata"]["name"]))
        ]

    @property
    def own_workloads(self) -> Sequence[Workload]:
        """Its Deployments in its own namespace: a virtual kubelet is where its node's site has it."""
        return [workload for workload in self.workloads if workload.namespace == self.namespace]

    @property
    def counted_workloads(self) -> Sequence[Workload]:
        """What the limits of its own namespace count: its Deployments there, and the tunnel pods of its jobs, which
        interLink makes there."""
        return [*self.own_workloads, *(pods for pods, _ in self.tunnels)]

    @cached_property
    def tunnels(self) -> Sequence[tuple[Workload, VirtualNode]]:
        """The tunnel pods of each pool of jobs, and its virtual node."""
        site = self.config.site
        nodes = {pool.name: pool.virtual_node for pool in site.pools if isinstance(pool, InterLinkPool)}
        return [
            (_tunnels(workload, site.virtual_node(nodes[workload.pool])), site.virtual_node(nodes[workload.pool]))
            for workload in self.own_workloads
            if workload.pool in nodes
        ]

    @property
    def other_namespaces(self) -> Sequence[str]:
        """Further namespaces with Deployments of the stack, which it does not create."""
        return sorted({workload.namespace for workload in self.workloads} - {self.namespace})

    @property
    def virtual_nodes(self) -> Sequence[VirtualNode]:
        """Virtual nodes that its virtual kubelets make."""
        site = self.config.site
        return [node for node in site.virtual_nodes if node.deployed] if self.config.owns_singletons else []

    def pool_path(self, name: str | None) -> KeyPath:
        """Return the path of a pool in the configuration."""
        names = [pool.name for pool in self.config.site.pools]
        return ("site", "pools", names.index(name)) if name in names else ("site", "pools")

    def placement_path(self, workload: Workload) -> KeyPath:
        """Return the path of the keys that say on which nodes the pods go."""
        if workload.pool is not None:
            return self.pool_path(workload.pool)
        parts = {"envoy": "proxy", "virtual-node": "virtual_nodes"}
        return ("site", parts.get(workload.component, "monitoring"))


def _tunnels(virtual: Workload, node: VirtualNode) -> Workload:
    """Return the tunnel pods of virtual pods, one for each, as the pods of one Deployment."""
    resources = pod_resources(node.tunnel.cpu_cores)
    container = {"name": "tunnel", "resources": {"requests": resources, "limits": resources}}
    manifest = {
        "metadata": {"name": f"the tunnels of {virtual.name}", "namespace": virtual.namespace},
        "spec": {
            "strategy": virtual.manifest["spec"]["strategy"],
            "template": {"spec": {"containers": [container]}},
        },
    }
    return Workload(manifest, virtual.pods_max, {"app.kubernetes.io/component": "tunnel"})
