"""Questions on the limits of the namespace: its quotas against a rollout, its LimitRanges against each container."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from access.cluster import (
    DEPLOYMENTS,
    INGRESSES,
    LIMIT_RANGES,
    PODS,
    QUOTAS,
    SERVICES,
    ClusterView,
    Object,
    Resource,
    is_missing,
)
from fit.demand import Demand, Manifest, amounts_of, stated
from fit.quantity import Amounts, quantity, summed, written
from fit.row import Finding, misfit, ok
from stacks.schema.virtual_nodes import WstunnelTunnel

_SCOPES_WITHOUT_OUR_PODS = frozenset({"BestEffort", "Terminating"})
"""Every container has limits, and no pod has activeDeadlineSeconds."""


def quotas(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Compare each quota with a rollout of all parts at once, at their largest number of pods."""
    if is_missing(cluster, demand.namespace):
        return
    found = [each for each in cluster.list(QUOTAS, demand.namespace) if _counts_our_pods(each, demand)]
    if not found:
        return
    own = _used_by_pods(cluster.list(PODS, demand.namespace, f"app.kubernetes.io/instance={demand.config.name}"))
    objects = [*_objects(demand, cluster), *_objects_of_tunnels(demand, cluster)]
    wanted = {**_wanted_by_pods(demand), **summed(objects)}
    short = [finding for quota in found for finding in _short(quota, wanted, own, demand)]
    yield from short
    if not short:
        yield ok(f"{', '.join(map(_name, found))} has room for {_most(demand)}")


def _short(quota: Object, wanted: Amounts, own: Amounts, demand: Demand) -> Iterator[Finding]:
    used = quota.get("status", {}).get("used", {})
    for key, hard in quota["spec"].get("hard", {}).items():
        resource = key.removeprefix("requests.")
        free = quantity(hard) - quantity(used.get(key, "0")) + own.get(resource, 0)
        need = wanted.get(resource, 0)
        if need > free:
            yield misfit(
                f"quota {_name(quota)} leaves {key} {written(key, free)} of {hard}, and the stack needs "
                f"{written(key, need)} at {_most(demand)}: {_way_out(resource, demand)}, or ask for a larger quota"
            )


def _way_out(resource: str, demand: Demand) -> str:
    if resource.startswith("services."):
        path = next(path for path, way in demand.ways.values() if way.kind in {"load-balancer", "node-port"})
        return f"choose another kind of exposure at {demand.at(*path)}"
    return f"lower servers_max or spare_servers at {demand.at('site', 'pools')}"


def _counts_our_pods(quota: Object, demand: Demand) -> bool:
    expressions = quota["spec"].get("scopeSelector", {}).get("matchExpressions", [])
    scopes = {*quota["spec"].get("scopes", ()), *(each["scopeName"] for each in expressions)}
    if scopes & _SCOPES_WITHOUT_OUR_PODS:
        return False
    classes = {workload.pod.get("priorityClassName", "") for workload in demand.own_workloads}
    return all(
        classes & set(each.get("values", classes)) for each in expressions if each["scopeName"] == "PriorityClass"
    )


def _most(demand: Demand) -> str:
    pods, more = (sum(getattr(each, key) for each in demand.counted_workloads) for key in ("pods_max", "surge"))
    return f"{pods} pods and {more} more in a rollout"


def _name(found: Object) -> str:
    return f"`{found['metadata']['name']}`"


def _keys_of_a_quota(pod: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from (("pods", 1), ("count/pods", 1))
    yield from amounts_of(pod, "requests").items()
    yield from ((f"limits.{resource}", amount) for resource, amount in amounts_of(pod, "limits").items())


def _wanted_by_pods(demand: Demand) -> Amounts:
    return summed(
        (resource, amount * (workload.pods_max + workload.surge))
        for workload in demand.counted_workloads
        for resource, amount in _keys_of_a_quota(workload.pod)
    )


def _used_by_pods(pods: Sequence[Object]) -> Amounts:
    running = [pod for pod in pods if pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}]
    return summed(chain.from_iterable(_keys_of_a_quota(pod["spec"]) for pod in running))


def _objects(demand: Demand, cluster: ClusterView) -> Iterator[tuple[str, Any]]:
    """Count the objects that do not exist yet."""
    for manifest in demand.manifests:
        if manifest["metadata"].get("namespace") == demand.namespace:
            resource = _resource(manifest, cluster)
            if resource and cluster.get(resource, manifest["metadata"]["name"], demand.namespace) is None:
                yield from _counted(manifest, resource)


def _objects_of_tunnels(demand: Demand, cluster: ClusterView) -> Iterator[tuple[str, Any]]:
    """Count what interLink makes for each job and has not made yet: a Deployment, a Service, and an Ingress where the
    tunnels come through one. A refused tunnel leaves its pod Pending for ever."""
    made: dict[Resource, int] = {}
    for pods, node in demand.tunnels:
        ingress = [INGRESSES] if isinstance(node.tunnel, WstunnelTunnel) else []
        for resource in (DEPLOYMENTS, SERVICES, *ingress):
            made[resource] = made.get(resource, 0) + pods.pods_max + pods.surge
    labels = f"app.kubernetes.io/instance={demand.config.name},app.kubernetes.io/managed-by=interlink"
    for resource, number in made.items():
        missing = max(0, number - len(cluster.list(resource, demand.namespace, labels)))
        yield from ((f"count/{resource}", missing), (resource.plural, missing))


def _resource(manifest: Manifest, cluster: ClusterView) -> Resource | None:
    served = cluster.served(manifest["apiVersion"]).get(manifest["kind"])
    return served and Resource(manifest["apiVersion"], served.plural)


def _counted(manifest: Manifest, resource: Resource) -> Iterator[tuple[str, Any]]:
    yield from ((f"count/{resource}", 1), (resource.plural, 1))
    spec = manifest.get("spec", {})
    if resource.plural == "services":
        balanced = spec.get("type") == "LoadBalancer"
        yield "services.loadbalancers", int(balanced)
        ports = balanced and spec.get("allocateLoadBalancerNodePorts", True)
        yield "services.nodeports", len(spec["ports"]) if ports or spec.get("type") == "NodePort" else 0
    if resource.plural == "persistentvolumeclaims":
        yield "storage", quantity(spec["resources"]["requests"]["storage"])


def limit_ranges(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Compare each LimitRange with every container, pod and new claim."""
    if is_missing(cluster, demand.namespace):
        return
    found = cluster.list(LIMIT_RANGES, demand.namespace)
    broken = [
        misfit(f"LimitRange {_name(each)} refuses {text}")
        for each in found
        for limit in each["spec"]["limits"]
        for text in _outside(limit, demand)
    ]
    yield from broken
    if found and not broken:
        yield ok(f"{', '.join(map(_name, found))} admits every container")


def _outside(limit: Mapping[str, Any], demand: Demand) -> Iterator[str]:
    match limit["type"]:
        case "Container":
            for workload in demand.counted_workloads:
                for container in workload.containers:
                    requests, limits = stated(container, "requests"), stated(container, "limits")
                    thing = f"container {container['name']} of {workload.name}"
                    size = container["name"]
                    yield from _sentences(thing, _compare(limit, requests, limits), size)
        case "Pod":
            for workload in demand.counted_workloads:
                requests, limits = workload.amounts("requests"), workload.amounts("limits")
                thing = f"a pod of {workload.name}"
                yield from _sentences(thing, _compare(limit, requests, limits), workload.component)
        case "PersistentVolumeClaim":
            for claim in demand.of_kind("PersistentVolumeClaim"):
                requests = {"storage": quantity(claim["spec"]["resources"]["requests"]["storage"])}
                thing = f"claim `{claim['metadata']['name']}`"
                yield from _sentences(thing, _compare(limit, requests, requests), claim["kind"])


_SIZES = {
    ("triton", "cpu"): "experiment.server.cpu_cores",
    ("triton", "memory"): "experiment.server.memory_gib",
    ("envoy", "cpu"): "site.proxy.cpu_cores",
    ("envoy", "memory"): "site.proxy.memory_mib",
    ("prometheus", "memory"): "site.monitoring.memory_mib",
    ("tunnel", "cpu"): "site.virtual_nodes[].tunnel.cpu_cores",
    ("grafana", "memory"): "site.monitoring.dashboards.memory_mib",
}
"""Container and resource -> key of its amount."""


def _sentences(thing: str, broken: Iterable[tuple[str, str]], size: str) -> Iterator[str]:
    for resource, text in broken:
        key = _SIZES.get((size, resource))
        yield f"{thing}: {text}: {f'change {key}, or ' if key else ''}have the range changed for this namespace"


def _compare(limit: Mapping[str, Any], requests: Amounts, limits: Amounts) -> Iterator[tuple[str, str]]:
    """Yield each resource that is outside, with the reason."""
    for resource, most in limit.get("max", {}).items():
        if limits.get(resource, 0) > quantity(most):
            yield resource, f"its limit of {resource} is {written(resource, limits[resource])}, and {most} is the most"
    for resource, least in limit.get("min", {}).items():
        if requests.get(resource, quantity(least)) < quantity(least):
            found = written(resource, requests[resource])
            yield resource, f"its request of {resource} is {found}, and {least} is the least"
    for resource, ratio in limit.get("maxLimitRequestRatio", {}).items():
        if resource in limits and limits[resource] > requests[resource] * quantity(ratio):
            found = f"{float(limits[resource] / requests[resource]):.3g}"
            yield resource, f"its limit of {resource} is {found} times its request, and {ratio} times is the most"
