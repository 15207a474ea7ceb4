"""Questions on the way in: classes, controllers, listeners, and names and ports that somebody else has."""

from collections.abc import Iterator, Mapping
from typing import Any

from access.cluster import (
    GATEWAY_CLASSES,
    GATEWAYS,
    GRPC_ROUTES,
    INGRESS_CLASSES,
    INGRESSES,
    NAMESPACES,
    PODS,
    SERVICES,
    ClusterError,
    ClusterView,
    Object,
    names_of,
)
from fit.demand import Demand, Manifest
from fit.row import Finding, misfit, ok, unknown

_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"


def ingress_class(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Find the class of the Ingress, or a default one."""
    for ingress in demand.of_kind("Ingress"):
        name = ingress["spec"].get("ingressClassName")
        where = demand.at_way(ingress, "class_name")
        existing = cluster.list(INGRESS_CLASSES)
        way_out = f"write one of {names_of(existing)}" if existing else "install an ingress controller"
        if name is None:
            default = [each for each in existing if _annotations(each).get(_DEFAULT_CLASS) == "true"]
            if default:
                yield ok(f"the cluster's default class is `{_name(default[0])}`")
            else:
                yield misfit(
                    f"{where} is not set, and the cluster has no default class, so no controller would take the "
                    f"Ingress: {way_out}"
                )
        elif name in {_name(each) for each in existing}:
            found = next(each for each in existing if _name(each) == name)
            yield ok(f"class `{name}` is of {found['spec'].get('controller', 'an unnamed controller')}")
        else:
            yield misfit(f"{where} is `{name}`, which does not exist: {way_out}")


def controller(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Find pods that run in the namespaces of the proxies that pass the calls on."""
    for path, exposure in demand.entrances.values():
        namespace = getattr(exposure, "controller_namespace", None)
        if namespace is None or cluster.get(NAMESPACES, namespace) is None:
            continue
        running = [pod for pod in cluster.list(PODS, namespace) if pod.get("status", {}).get("phase") == "Running"]
        where = demand.at(*path, "controller_namespace")
        if not running:
            yield misfit(
                f"{where} is `{namespace}`, where no pod runs, so nothing would answer: name the controller's namespace"
            )
        elif all(pod["spec"].get("hostNetwork") for pod in running) and not exposure.caller_cidrs:
            yield misfit(
                f"{where} is `{namespace}`, whose pods use the network of their nodes, which a NetworkPolicy does "
                "not know by namespace: write the addresses of the nodes in controller_cidrs"
            )
        else:
            yield ok(f"{len(running)} pods run in `{namespace}`")


def gateway(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Find each Gateway that a route names, its class and a listener that takes the route."""
    if "Gateway" not in cluster.served(GATEWAYS.api_version):
        return
    for route in demand.of_kind("GRPCRoute"):
        for parent in route["spec"]["parentRefs"]:
            yield _parent(demand, cluster, route, parent)


def _parent(demand: Demand, cluster: ClusterView, route: Manifest, parent: Mapping[str, Any]) -> Finding:
    name, namespace = parent["name"], parent.get("namespace", demand.namespace)
    where = demand.at_way(route, "gateway")
    found = cluster.get(GATEWAYS, name, namespace)
    if found is None:
        return misfit(
            f"{where} is `{name}`, and namespace `{namespace}` has no such Gateway: correct the name or namespace"
        )
    class_name = found["spec"]["gatewayClassName"]
    if cluster.get(GATEWAY_CLASSES, class_name) is None:
        return misfit(
            f"{where}: Gateway `{name}` is of class `{class_name}`, which does not exist: install its controller"
        )
    if _condition(found, "Programmed") == "False" or _condition(found, "Accepted") == "False":
        return misfit(
            f"{where}: Gateway `{name}` is not accepted or not programmed by its controller: "
            f"kubectl -n {namespace} describe gateway {name}"
        )
    listeners = found["spec"]["listeners"]
    section = parent.get("sectionName")
    if section is not None and section not in {each["name"] for each in listeners}:
        names = ", ".join(f"`{each['name']}`" for each in listeners)
        return misfit(
            f"{demand.at_way(route, 'section')} is `{section}`, and Gateway `{name}` has the listeners {names}: write "
            "one of them"
        )
    return _listener(demand, cluster, route, found, section)


def _listener(demand: Demand, cluster: ClusterView, route: Manifest, found: Object, section: str | None) -> Finding:
    host = route["spec"]["hostnames"][0]
    listeners = [each for each in found["spec"]["listeners"] if section in (None, each["name"])]
    of_host = [each for each in listeners if _covers(each.get("hostname"), host)]
    where = demand.at_way(route, "hostname")
    if not of_host:
        hosts = ", ".join(sorted({f"`{each['hostname']}`" for each in listeners}))
        return misfit(f"{where} is `{host}`, and the listeners of Gateway `{_name(found)}` are for {hosts}: correct it")
    own = cluster.get(NAMESPACES, demand.namespace)
    labels = {"kubernetes.io/metadata.name": demand.namespace, **((own or {}).get("metadata", {}).get("labels", {}))}
    if not any(_admits(each, found, demand.namespace, labels) for each in of_host):
        return misfit(
            f"no listener of Gateway `{_name(found)}` takes routes of namespace `{demand.namespace}`: have its owner "
            "add it to allowedRoutes, or name another namespace"
        )
    return ok(f"Gateway `{_name(found)}` takes the route of {host}")


def _covers(pattern: str | None, host: str) -> bool:
    if pattern is None or pattern == host:
        return True
    return pattern.startswith("*.") and host.endswith(pattern[1:])


def _admits(listener: Mapping[str, Any], found: Object, namespace: str, labels: Mapping[str, str]) -> bool:
    allowed = listener.get("allowedRoutes", {}).get("namespaces", {})
    match allowed.get("from", "Same"):
        case "All":
            return True
        case "Selector":
            wanted = allowed.get("selector", {}).get("matchLabels", {})
            return bool(wanted.items() <= labels.items())
        case _:
            return bool(found["metadata"]["namespace"] == namespace)


def hosts(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """See that no other Ingress or route has the host name."""
    for manifest in demand.of_kind("Ingress", "GRPCRoute"):
        own = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        resource, names = (INGRESSES, _hosts) if manifest["kind"] == "Ingress" else (GRPC_ROUTES, _hostnames)
        wanted = names(manifest)
        others = [each for each in cluster.list(resource) if wanted & names(each) and _key(each) != own]
        for other in others:
            namespace, name = _key(other)
            yield misfit(
                f"{demand.at_way(manifest, 'hostname')} is {', '.join(sorted(wanted))}, which {manifest['kind']} "
                f"`{name}` in namespace `{namespace}` has already: choose another host name"
            )
        if not others:
            yield ok(f"no other {manifest['kind']} has {', '.join(sorted(wanted))}")


def _hosts(ingress: Object) -> set[str]:
    return {rule["host"] for rule in ingress["spec"].get("rules") or () if "host" in rule}


def _hostnames(route: Object) -> set[str]:
    return set(route["spec"].get("hostnames", ()))


def node_ports(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """See that no other Service has the node port."""
    for service in demand.of_kind("Service"):
        for port in (each["nodePort"] for each in service["spec"]["ports"] if "nodePort" in each):
            own = service["metadata"]["namespace"], service["metadata"]["name"]
            others = [each for each in cluster.list(SERVICES) if port in _node_ports(each) and _key(each) != own]
            for namespace, name in map(_key, others):
                yield misfit(
                    f"{demand.at_way(service, 'port')} is {port}, which Service `{name}` in namespace `{namespace}` "
                    "has already: choose another port"
                )
            if not others:
                yield ok(f"node port {port} is free, or this stack's")


def _node_ports(service: Object) -> set[int]:
    ports = service["spec"].get("ports") or ()
    return {each["nodePort"] for each in ports if each.get("nodePort")} | {
        service["spec"].get("healthCheckNodePort", 0)
    }


def load_balancer(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """See that another Service of type LoadBalancer was given an address: the API does not show who gives them."""
    for service in demand.of_kind("Service"):
        if service["spec"].get("type") != "LoadBalancer":
            continue
        try:
            others = [each for each in cluster.list(SERVICES) if each["spec"].get("type") == "LoadBalancer"]
        except ClusterError as error:
            yield unknown(str(error))
            continue
        given = [each for each in others if each.get("status", {}).get("loadBalancer", {}).get("ingress")]
        if given:
            yield ok(f"{len(given)} Services of type LoadBalancer have an address")
        elif others:
            yield misfit(
                f"{demand.at_way(service, 'kind')} is load-balancer, and none of {len(others)} Services of that type "
                "has been given an address: install a controller such as MetalLB, or choose another kind"
            )
        else:
            yield unknown("no Service of type LoadBalancer exists yet that would show that somebody gives addresses")


def _key(found: Object) -> tuple[str, str]:
    return found["metadata"]["namespace"], found["metadata"]["name"]


def _name(found: Object) -> str:
    return str(found["metadata"]["name"])


def _annotations(found: Object) -> Mapping[str, str]:
    annotations: Mapping[str, str] = found["metadata"].get("annotations", {})
    return annotations


def _condition(found: Object, kind: str) -> str | None:
    conditions = found.get("status", {}).get("conditions", [])
    return next((each["status"] for each in conditions if each["type"] == kind), None)
