"""Questions on an interLink that somebody else runs: its configuration, and Services that select servers in jobs.

What a row says was seen with interLink 0.7.0-pre2 and its Slurm plugin 0.6.2-pre5; `tests/pure/test_traps.py` lists it.
Names of objects are those of interLink's chart 0.6.1.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from access.cluster import CONFIG_MAPS, DEPLOYMENTS, SERVICES, ClusterView
from components.labels import TUNNEL_LABEL
from fit.demand import Demand
from fit.row import Finding, misfit, ok, unknown
from stacks.errors import ConfigurationError
from stacks.schema.pools import InterLinkPool
from stacks.schema.virtual_nodes import SocketApi, VirtualNode
from stacks.source import parse

_KUBELET_KEYS: Mapping[str, str] = {
    "EnableTunnel": "each server would have the address 127.0.0.1, for which Kubernetes refuses all endpoints of its "
    "Service",  # N4
    "WildcardDNS": "jobs would call another host than their tunnel's",  # trap 15
    "WstunnelCommand": "jobs would know no tunnel and end at once, or open the cluster to whoever reads a pod's "
    "annotations",  # traps 14 and N11
}
"""Key of `Network` in the virtual kubelet's configuration -> what another value does."""
_PLUGIN_KEYS: Mapping[str, str] = {
    "DataRootFolder": "jobs would not find their scripts",
    "EnableProbes": "pods would be ready before their servers are",  # trap 3
    "ResourceScriptPath": "the node would offer what is free, from which running jobs are subtracted twice",  # N9
    "ScancelPath": "a cancelled job would be killed before its server has drained",  # traps 10, 11 and N1
    "SingularityDefaultOptions": "servers would have other options of the container runtime than the site says",
}
"""Key of the Slurm plugin's configuration -> what another value does."""
_WAY_OUT = "upgrade interLink's chart with the values.yaml that `python -m stacks edge` writes"


def virtual_kubelets(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Compare what interLink's chart has deployed with what the stack's jobs need of it."""
    for node in _used(demand):
        if node.deployed:
            continue
        name = f"{node.name}-virtual-kubelet-config"
        found = cluster.get(CONFIG_MAPS, name, node.namespace)
        if found is None:
            yield unknown(
                f"namespace `{node.namespace}` has no ConfigMap `{name}`, as interLink's chart makes it: compare what "
                f"deploys virtual node `{node.name}` with the values.yaml that `python -m stacks edge` writes"
            )
            continue
        other = [*_other_kubelet(node, found["data"]), *_other_template(demand, node, cluster)]
        other += [*_other_images(demand, node, cluster), *_other_plugin(node, cluster)]
        yield from map(misfit, other)
        if not other:
            yield ok(f"virtual node `{node.name}` is configured as the stack's jobs need it")


def _used(demand: Demand) -> list[VirtualNode]:
    pools = [share.pool for share in demand.config.pool_shares]
    used = {pool.virtual_node for pool in pools if isinstance(pool, InterLinkPool)}
    return [node for node in demand.config.site.virtual_nodes if node.name in used]


def _other_kubelet(node: VirtualNode, data: Mapping[str, str]) -> Iterator[str]:
    from components.virtual_node.kubelet_config import (
        kubelet_config,
    )  # imports Pulumi, which the offline form is without

    name = f"{node.name}-virtual-kubelet-config"
    network, wanted = _read(data, "InterLinkConfig.yaml").get("Network", {}), kubelet_config(node)["Network"]
    yield from _differing(f"ConfigMap `{name}`", node, "Network.", _KUBELET_KEYS, network, wanted)


def _other_plugin(node: VirtualNode, cluster: ClusterView) -> Iterator[str]:
    from components.virtual_node.slurm_side import slurm_config
    from edge.chart import SCRIPTS_FOLDER

    name = f"{node.name}-plugin-config"
    found = cluster.get(CONFIG_MAPS, name, node.namespace) if isinstance(node.api, SocketApi) else None
    if found is not None:
        config, wanted = _read(found["data"], "plugin.yaml"), slurm_config(node, folder=SCRIPTS_FOLDER)
        yield from _differing(f"ConfigMap `{name}`", node, "", _PLUGIN_KEYS, config, wanted)


def _differing(
    thing: str, node: VirtualNode, above: str, keys: Mapping[str, str], found: Mapping[str, Any], wanted: Any
) -> Iterator[str]:
    for key, consequence in keys.items():
        if _plain(found.get(key)) != _plain(wanted[key]):
            yield (
                f"{thing} in namespace `{node.namespace}` has another {above}{key} than virtual node `{node.name}` "
                f"needs, so that {consequence}: {_WAY_OUT}"
            )


def _other_template(demand: Demand, node: VirtualNode, cluster: ClusterView) -> Iterator[str]:
    """InterLink's own template names another host than its clients call (trap 15), takes every forward (trap 14), is
    ready before the server is, and ends before it has drained (trap 10)."""
    from components.virtual_node.tunnel_template import tunnel_template

    name = f"{node.name}-wstunnel-template"
    found = cluster.get(CONFIG_MAPS, name, node.namespace)
    if found is None or found["data"].get("wstunnel.yaml", "").strip() != tunnel_template(node, _images(demand, node)):
        yield (
            f"ConfigMap `{name}` in namespace `{node.namespace}` has not the template of virtual node `{node.name}`, "
            f"so that tunnels would be ready before their servers and end before these have drained: {_WAY_OUT}"
        )


def _other_images(demand: Demand, node: VirtualNode, cluster: ClusterView) -> Iterator[str]:
    """The chart's images are `latest` by default (trap 22). Without SHARED_FS the plugin keeps the files of jobs to
    itself (N6)."""
    from components.images import mirrored

    name = f"{node.name}-node"
    found = cluster.get(DEPLOYMENTS, name, node.namespace)
    if found is None:
        return
    images, where = _images(demand, node), f"of Deployment `{name}` in namespace `{node.namespace}`"
    wanted = {"vk": images.kubelet, "interlink": images.api}
    if isinstance(node.api, SocketApi):
        wanted["plugin"] = mirrored(node.api.plugin_image, demand.config.site.images.mirrors)
    for container in found["spec"]["template"]["spec"]["containers"]:
        title, image = container["name"], container["image"]
        if image != wanted.get(title, image):
            release = demand.at("site", "virtual_nodes", demand.config.site.virtual_nodes.index(node))
            yield (
                f"container {title} {where} runs {image}, and not {wanted[title]} as {release} says: correct the "
                f"release there, or {_WAY_OUT}"
            )
        if title == "plugin" and not _shares_files(container):
            yield (
                f"container plugin {where} has no SHARED_FS=true, so that no file of a pod reaches its job: {_WAY_OUT}"
            )


def _shares_files(container: Mapping[str, Any]) -> bool:
    words = [*container.get("command", ()), *container.get("args", ())]
    set_there = {"name": "SHARED_FS", "value": "true"} in container.get("env", ())
    return set_there or any("SHARED_FS=true" in word for word in words)


def _images(demand: Demand, node: VirtualNode) -> Any:
    from components.virtual_node import VirtualNodeImages

    return VirtualNodeImages.of(node.interlink, demand.config.site.images)


def _read(data: Mapping[str, str], file: str) -> Mapping[str, Any]:
    """Return a file of a ConfigMap; empty where it is none that a program could read."""
    try:
        value = parse(data.get(file, ""), file).value
    except ConfigurationError:
        return {}
    return value if isinstance(value, dict) else {}


def _plain(value: Any) -> Any:
    return value.rstrip("/") if isinstance(value, str) else value


def other_services(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Find Services of others that select servers in jobs. interLink copies the labels of a virtual pod to its tunnel
    pod (trap 19), so that such a Service would have each server twice, and once at an address that it keeps when the
    tunnel pod has another (N5)."""
    pools = {share.pool.name for share in demand.config.pool_shares if isinstance(share.pool, InterLinkPool)}
    if not pools:
        return
    others = [
        each
        for each in cluster.list(SERVICES, demand.namespace)
        if each["spec"].get("selector") and not demand.makes("Service", each["metadata"]["name"])
    ]
    taken = [
        (service["metadata"]["name"], workload.name)
        for workload in demand.own_workloads
        if workload.pool in pools
        for labels in [{**workload.template["metadata"]["labels"], **TUNNEL_LABEL}]
        for service in others
        if service["spec"]["selector"].items() <= labels.items()
    ]
    for name, servers in taken:
        yield misfit(
            f"Service `{name}` of somebody else selects the servers of {servers}, of which it would have each twice, "
            "and once at an address that a replaced tunnel leaves: give it another selector, or delete it"
        )
    if not taken:
        yield ok("no Service of others selects the servers in jobs")
