"""Questions on objects that must be there already: secrets, classes of pods, nodes, namespaces and Services."""

from collections.abc import Iterator, Mapping
from typing import Any

from access.cluster import (
    CONFIG_MAPS,
    NAMESPACES,
    NODES,
    PRIORITY_CLASSES,
    RUNTIME_CLASSES,
    SECRETS,
    SERVICES,
    ClusterView,
    names_of,
)
from fit.demand import Demand, Workload
from fit.namespace import how_to_create, is_awaited
from fit.row import Finding, misfit, ok, unknown
from stacks.origin import leaves
from stacks.schema.url import cluster_service, endpoint

_PULL_TYPES = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg")


def secrets(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Find each Secret and ConfigMap that pods or the Ingress read and that the stack does not make."""
    if is_awaited(demand, cluster):
        return
    for (namespace, name, purpose), (types, keys) in sorted(_read_secrets(demand).items()):
        found = cluster.get(SECRETS, name, namespace)
        create = how_to_create(demand, cluster, namespace)
        thing = f"{_origin(demand, name, 'secret')} is `{name}` ({purpose}), "
        if found is None:
            yield misfit(f"{thing}and no such secret is in namespace `{namespace}`: {create}, or correct the name")
        elif types and found.get("type") not in types:
            yield misfit(
                f"{thing}a secret of type {found.get('type')}, and must be of {types[0]}: delete it and {create}"
            )
        elif missing := [key for key in keys if key not in found.get("data", {})]:
            yield misfit(f"{thing}a secret without the key {', '.join(missing)}: add it")
        else:
            yield ok(f"secret `{name}` ({purpose}) exists")
    for namespace, name in sorted(_read_config_maps(demand)):
        if cluster.get(CONFIG_MAPS, name, namespace) is None:
            yield misfit(
                f"ConfigMap `{name}` does not exist in namespace `{namespace}`, and pods mount it: create it there"
            )


_Needs = tuple[tuple[str, ...], tuple[str, ...]]
"""Types of which a secret must be one, and keys that it must have."""
_TLS: _Needs = (("kubernetes.io/tls",), ("tls.crt", "tls.key"))


def _read_secrets(demand: Demand) -> dict[tuple[str, str, str], _Needs]:
    """Return namespace, name and purpose of each secret."""
    found: dict[tuple[str, str, str], _Needs] = {}
    for workload in demand.workloads:
        place = workload.namespace
        for reference in workload.pod.get("imagePullSecrets", ()):
            found[place, reference["name"], "image pull"] = (_PULL_TYPES, ())
        for volume in workload.pod.get("volumes", ()):
            if volume["name"] == "tls":
                found[place, volume["secret"]["secretName"], "certificate"] = _TLS
            elif "secret" in volume:
                keys = tuple(item["key"] for item in volume["secret"].get("items", ()))
                found[place, volume["secret"]["secretName"], f"read by {workload.component}"] = ((), keys)
        for reference in _secret_variables(workload):
            found[place, reference["name"], f"read by {workload.component}"] = ((), (reference["key"],))
    for ingress in demand.of_kind("Ingress"):
        names = [entry["secretName"] for entry in ingress["spec"].get("tls", ()) if "secretName" in entry]
        found.update({(demand.namespace, name, "certificate of the Ingress"): _TLS for name in names})
    return {key: needs for key, needs in found.items() if not demand.makes("Secret", key[1])}


def _secret_variables(workload: Workload) -> list[Mapping[str, Any]]:
    variables = [each for container in workload.containers for each in container.get("env", ())]
    references = [variable.get("valueFrom", {}).get("secretKeyRef") for variable in variables]
    return [reference for reference in references if reference]


def _read_config_maps(demand: Demand) -> set[tuple[str, str]]:
    """Return namespace and name of each ConfigMap that a pod must have and that the stack does not make."""
    found = {
        (workload.namespace, volume["configMap"]["name"])
        for workload in demand.workloads
        for volume in workload.pod.get("volumes", ())
        if "configMap" in volume and not volume["configMap"].get("optional")
    }
    return {(namespace, name) for namespace, name in found if not demand.makes("ConfigMap", name)}


def classes(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Find the priority classes and runtime classes that the pods name."""
    for key, resource in (("priorityClassName", PRIORITY_CLASSES), ("runtimeClassName", RUNTIME_CLASSES)):
        for name in sorted({workload.pod[key] for workload in demand.workloads if key in workload.pod}):
            if cluster.get(resource, name) is not None:
                yield ok(f"{key} `{name}` exists")
            else:
                yield misfit(
                    f"{key} is `{name}`, which does not exist, so no pod would start: leave it out of "
                    f"{demand.site_file}, or write another; the cluster has {names_of(cluster.list(resource))}"
                )


def labelled_nodes(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Find the nodes that the stack labels: a label for a missing one would create it."""
    if not demand.config.owns_singletons:
        return
    for index, entry in enumerate(demand.config.site.node_labels):
        if cluster.get(NODES, entry.node) is not None:
            yield ok(f"node `{entry.node}` exists")
        else:
            yield misfit(
                f"{demand.at('site', 'node_labels', index, 'node')} is `{entry.node}`, which does not exist: "
                "correct it, or take the entry out"
            )


def namespaces_of_peers(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Find the namespaces that the NetworkPolicies admit by name."""
    for name in sorted(_peers(demand)):
        if name == demand.namespace:
            continue
        if cluster.get(NAMESPACES, name) is not None:
            yield ok(f"namespace `{name}`, which the NetworkPolicies admit, exists")
        else:
            yield misfit(
                f"{_origin(demand, name, 'namespace')} is `{name}`, which does not exist, and the NetworkPolicies "
                "admit nobody else: correct the name"
            )


def _origin(demand: Demand, name: str, kind: str) -> str:
    """Return the key that names a `namespace` or a `secret`."""
    everything = demand.config.model_dump(mode="json")
    paths = [path for path, value in leaves(everything) if value == name and kind in ".".join(map(str, path))]
    return demand.at(*paths[0]) if paths else f"a {kind} of {demand.site_file}"


def _peers(demand: Demand) -> set[str]:
    peers = [
        peer
        for policy in demand.of_kind("NetworkPolicy")
        for side, key in (("ingress", "from"), ("egress", "to"))
        for rule in policy["spec"].get(side) or ()
        for peer in rule.get(key) or ()
    ]
    label = "kubernetes.io/metadata.name"
    return {
        name
        for peer in peers
        if (name := peer.get("namespaceSelector", {}).get("matchLabels", {}).get(label)) is not None
    }


def prometheus(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Find the Service of the Prometheus that KEDA and admission ask."""
    for url in sorted(_asked_urls(demand)):
        yield from _called_service(demand, cluster, url, demand.at("site", "monitoring", "url"))


def collector(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Find the Service of the collector that gets the traces."""
    tracing = demand.config.site.tracing
    if tracing is not None:
        yield from _called_service(demand, cluster, tracing.url, demand.at("site", "tracing", "url"))


def _called_service(demand: Demand, cluster: ClusterView, url: str, where: str) -> Iterator[Finding]:
    """Find the Service that a URL leads to, but for those that the stack makes."""
    asked = endpoint(url)
    called = cluster_service(asked.host)
    if called is None:
        yield unknown(f"{url} is no Service of the cluster: ask it from a pod")
        return
    name, namespace = called.name, called.namespace or demand.namespace
    if namespace == demand.namespace and demand.makes("Service", name):
        return
    service = cluster.get(SERVICES, name, namespace)
    ports = [each["port"] for each in (service or {}).get("spec", {}).get("ports", ())]
    if service is None:
        yield misfit(f"{where} is {url}, and there is no Service `{name}` in namespace `{namespace}`: correct it")
    elif asked.port not in ports:
        yield misfit(f"{where} is {url}, and that Service has the ports {ports}: correct the port")
    else:
        yield ok(f"Service `{name}` in namespace `{namespace}` has port {asked.port}")


def _asked_urls(demand: Demand) -> set[str]:
    return {
        trigger["metadata"]["serverAddress"]
        for scaled in demand.of_kind("ScaledObject")
        for trigger in scaled["spec"]["triggers"]
        if "serverAddress" in trigger["metadata"]
    }
