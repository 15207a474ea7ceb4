"""Questions on the cluster itself: which one it is, its release, its KEDA, the kinds that it serves."""

import re
from collections.abc import Iterable, Iterator

from access.cluster import DEPLOYMENTS, ENDPOINTS, NAMESPACES, ClusterError, ClusterView, Object
from fit.demand import Demand
from fit.row import Finding, misfit, ok, unknown
from stacks.releases import KEDA_OLDEST, KUBERNETES_OLDEST, parts

_PROVIDERS = {
    "keda.sh": f"KEDA {KEDA_OLDEST} or later",
    "gateway.networking.k8s.io": "the Gateway API's CRDs, with GRPCRoute in version v1 (1.1 or later)",
    "monitoring.coreos.com": "the Prometheus Operator",
}
"""API group -> what installs it."""

_KEDA_IMAGE = re.compile(r"/keda(-operator)?[:@]")


def identity(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Compare the uid of namespace `kube-system`, which no two clusters share, with the one in the site file."""
    recorded = demand.config.site.access.cluster_uid
    found = _uid(cluster)
    if recorded is None:
        yield unknown(
            f"no identity is recorded: if this is the right cluster, write `cluster_uid: {found}` under `access` in "
            f"{demand.site_file}"
        )
    elif found == recorded:
        yield ok(f"namespace kube-system has the uid {recorded} that the site records")
    else:
        yield misfit(
            f"{demand.at('site', 'access', 'cluster_uid')} is {recorded}, and namespace kube-system of this "
            f"cluster has "
            f"{found}: it is another cluster: choose the right context, or record the new uid if the "
            f"cluster was rebuilt"
        )


def _uid(cluster: ClusterView) -> str:
    namespace = cluster.get(NAMESPACES, "kube-system")
    if namespace is None:
        msg = "there is no namespace kube-system"
        raise ClusterError(msg)
    return str(namespace["metadata"]["uid"])


def kubernetes(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Compare the release of the API server with the oldest supported one and with the site's."""
    found = cluster.version()
    release = _minor(found)
    said = demand.config.site.access.kubernetes_version
    if parts(release) < parts(KUBERNETES_OLDEST):
        yield misfit(f"the API server is {found}, and {KUBERNETES_OLDEST} is the oldest supported: upgrade the cluster")
    elif said is not None and parts(release) < parts(said):
        yield misfit(
            f"{demand.at('site', 'access', 'kubernetes_version')} is {said} and the API server is {found}, "
            f'which is older: write "{release}" there'
        )
    else:
        newer = f"; the site says {said}" if said and said != release else ""
        yield ok(f"{found}; {KUBERNETES_OLDEST} is the oldest supported{newer}")


def _minor(version: str) -> str:
    found = re.search(r"(\d+)\.(\d+)", version)
    if found is None:
        msg = f"`{version}` names no release"
        raise ClusterError(msg)
    return found.group()


def keda(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Find KEDA's operator in the namespace that the site names, and read its release."""
    site = demand.config.site
    if site.keda is None or not any(demand.of_kind("ScaledObject")):
        return
    where = demand.at("site", "keda", "namespace")
    operator = _operator(cluster.list(DEPLOYMENTS, site.keda.namespace))
    if operator is None:
        elsewhere = _operator_elsewhere(cluster)
        way_out = (
            f"write `{elsewhere}` there, where it runs"
            if elsewhere
            else f"install KEDA {KEDA_OLDEST} or later, or remove `keda` from the site and set servers_min "
            f"and servers_max equal"
        )
        yield misfit(f"{where} is `{site.keda.namespace}`, which has no KEDA operator: {way_out}")
        return
    release = _release(operator)
    if release is None:
        yield unknown(f"KEDA's operator in `{site.keda.namespace}` does not say its release; {KEDA_OLDEST} is needed")
    elif parts(_minor(release)) < parts(KEDA_OLDEST):
        yield misfit(
            f"KEDA in `{site.keda.namespace}` is {release}, and {KEDA_OLDEST} is the oldest supported: upgrade KEDA"
        )
    elif not operator.get("status", {}).get("availableReplicas"):
        yield misfit(
            f"KEDA's operator in `{site.keda.namespace}` has no pod that is available: "
            f"kubectl -n {site.keda.namespace} describe deployment {operator['metadata']['name']}"
        )
    else:
        yield ok(f"{release} in namespace `{site.keda.namespace}`; {KEDA_OLDEST} is the oldest supported")


def _operator(deployments: Iterable[Object]) -> Object | None:
    return next((each for each in deployments if any(_KEDA_IMAGE.search(f"/{image}") for image in _images(each))), None)


def _images(deployment: Object) -> list[str]:
    return [container["image"] for container in deployment["spec"]["template"]["spec"]["containers"]]


def _operator_elsewhere(cluster: ClusterView) -> str | None:
    try:
        operator = _operator(cluster.list(DEPLOYMENTS))
    except ClusterError:
        return None
    return None if operator is None else str(operator["metadata"]["namespace"])


def _release(operator: Object) -> str | None:
    """Return what the image's tag or the recommended label says."""
    tags = [image.partition("@")[0].rpartition(":")[2] for image in _images(operator)]
    label = operator["metadata"].get("labels", {}).get("app.kubernetes.io/version", "")
    return next((each for each in (*tags, label) if re.match(r"v?\d+\.\d+", each)), None)


def kinds(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Find each kind of object among those that the API server serves."""
    wanted = sorted({(each["apiVersion"], each["kind"]) for each in demand.manifests})
    missing = [(api, kind) for api, kind in wanted if kind not in cluster.served(api)]
    for api, kind in missing:
        group = api.rpartition("/")[0]
        way_out = f"install {_PROVIDERS[group]}" if group in _PROVIDERS else "upgrade the cluster"
        yield misfit(f"the cluster serves no {kind} of {api}, which the stack makes: {way_out}")
    if not missing:
        yield ok(f"all {len(wanted)} kinds of object that the stack makes are served")


def api_server_port(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Compare the port of the API servers with the one that a NetworkPolicy opens for the stack's own Prometheus."""
    access = demand.config.site.access
    if not any(workload.pod.get("automountServiceAccountToken") for workload in demand.workloads):
        return
    endpoints = cluster.get(ENDPOINTS, "kubernetes", "default")
    found = sorted({port["port"] for subset in (endpoints or {}).get("subsets", ()) for port in subset["ports"]})
    if not found:
        yield unknown("Service `kubernetes` in namespace `default` has no endpoints")
    elif access.api_server_port in found:
        yield ok(f"the API servers listen on {access.api_server_port}")
    else:
        yield misfit(
            f"{demand.at('site', 'access', 'api_server_port')} is {access.api_server_port} and the API "
            f"servers listen on "
            f"{', '.join(map(str, found))}, so Prometheus would find no pod: write `api_server_port: {found[0]}`"
        )
