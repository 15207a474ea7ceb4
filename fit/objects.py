"""Questions on the stack's objects: whether the user may make them, who has their names, whether they are valid."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from access.cluster import (
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    ClusterView,
    DryRun,
    NotAllowedError,
    Object,
    Resource,
    Right,
    is_missing,
)
from fit.concurrency import in_parallel
from fit.demand import Demand, Manifest
from fit.row import Finding, misfit, ok, unknown

_VERBS = ("get", "create", "patch", "delete")
"""Verbs of Pulumi's plugin on each kind that the stack makes."""
_AWAITED = frozenset({"deployments", "services", "ingresses", "persistentvolumeclaims"})
"""Kinds that the plugin also lists and watches, to wait until they are ready."""

_HELM_RELEASE = "meta.helm.sh/release-name"
_FALLBACK_NAMESPACE = "default"


def served(demand: Demand, cluster: ClusterView) -> list[tuple[Manifest, Resource, str | None]]:
    """Return the objects of kinds that the cluster serves, with their place in the API and their namespace."""
    found = []
    for manifest in sorted(demand.manifests, key=lambda each: (str(each["kind"]), str(each["metadata"]["name"]))):
        kind = cluster.served(manifest["apiVersion"]).get(manifest["kind"])
        if kind is not None:
            namespace = manifest["metadata"]["namespace"] if kind.namespaced else None
            found.append((manifest, Resource(manifest["apiVersion"], kind.plural), namespace))
    return found


def rights(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Ask for each right that `pulumi up`, a change and `pulumi destroy` need."""
    needed = dict.fromkeys(_needed_rights(demand, cluster))
    allowed = in_parallel(cluster.may, needed)
    verbs: dict[tuple[Resource, str | None], list[str]] = defaultdict(list)
    for right, may in zip(needed, allowed, strict=True):
        if not may:
            verbs[right.resource, right.namespace].append(right.verb)
    missing: dict[tuple[str, str | None], list[str]] = defaultdict(list)
    for (resource, namespace), denied in verbs.items():
        missing[", ".join(denied), namespace].append(str(resource))
    for (denied_verbs, namespace), resources in missing.items():
        place = f"in namespace `{namespace}`" if namespace else "in the whole cluster"
        yield misfit(
            f"you may not {denied_verbs} {', '.join(resources)} {place}: ask the administrator for these rights"
        )
    if not missing:
        yield ok(f"you have all {len(needed)} rights that up, preview and destroy need")


def _needed_rights(demand: Demand, cluster: ClusterView) -> Iterator[Right]:
    for _, resource, namespace in served(demand, cluster):
        awaited = ("list", "watch") if resource.plural in _AWAITED else ()
        yield from (Right(verb, resource, namespace) for verb in (*_VERBS, *awaited))
    for resource in (PODS, REPLICA_SETS):  # the plugin tells from them why a Deployment is not ready
        yield from (Right(verb, resource, demand.namespace) for verb in ("list", "watch"))
    if demand.config.owns_singletons and demand.config.site.node_labels:
        yield from (Right(verb, NODES, None) for verb in ("get", "patch"))


def names(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """See that no object of one of the stack's names was made by somebody else."""

    def look(entry: tuple[Manifest, Resource, str | None]) -> Object | NotAllowedError | None:
        manifest, resource, namespace = entry
        try:
            return cluster.get(resource, manifest["metadata"]["name"], namespace)
        except NotAllowedError as error:
            return error

    entries = [entry for entry in served(demand, cluster) if entry[1] != NAMESPACES]
    answers = in_parallel(look, entries)
    existing = [found for found in answers if found is not None and not isinstance(found, NotAllowedError)]
    taken = [(found, owner) for found in existing if (owner := _other_owner(found, demand)) is not None]
    for found, owner in taken:
        yield misfit(
            f"{found['kind']} `{found['metadata']['name']}`{_where(found)} exists "
            f"already, {owner}: {_other_name(found['metadata']['name'], demand)}, or delete it"
        )
    unseen = sum(isinstance(answer, NotAllowedError) for answer in answers)
    if unseen:
        yield unknown(f"you may not look for {unseen} of {len(entries)} objects of the stack")
    elif not taken:
        yield ok(f"{len(existing)} objects of the stack exist; the names of the others are free")


def _where(found: Object) -> str:
    namespace = found["metadata"].get("namespace")
    return f" in namespace `{namespace}`" if namespace else ""


def _other_name(name: str, demand: Demand) -> str:
    """Return the way to another name, which the instance makes unless the site gives a Service its own."""
    path, exposure = demand.ways.get(name, ((), None))
    if exposure is not None and exposure.service_name is not None:
        return f"write another name at {demand.at(*path, 'service_name')}"
    return f"write another sonic:instance in Pulumi.{demand.config.stack}.yaml"


def _other_owner(found: Object, demand: Demand) -> str | None:
    metadata = found["metadata"]
    labels, annotations = metadata.get("labels", {}), metadata.get("annotations", {})
    managers = [each.get("manager", "") for each in metadata.get("managedFields", ())]
    if _HELM_RELEASE in annotations:
        return f"of the Helm release `{annotations[_HELM_RELEASE]}`"
    manager = labels.get("app.kubernetes.io/managed-by", "pulumi")
    if manager != "pulumi":
        return f"managed by {manager}"
    instance = labels.get("app.kubernetes.io/instance")
    if instance != demand.config.name:
        return f"of the instance `{instance}`" if instance else "without a label of any instance"
    if not any(each.startswith("pulumi") for each in managers):
        return f"and was made by {', '.join(dict.fromkeys(managers)) or 'an unnamed tool'} and not by Pulumi"
    return None


def dry_run(demand: Demand, cluster: ClusterView) -> Iterator[Finding]:
    """Have each object validated and admitted, with unknown fields refused and dropped ones found."""
    found = served(demand, cluster)
    places: dict[str | None, str] = {
        name: _FALLBACK_NAMESPACE if is_missing(cluster, name) else name
        for name in {demand.namespace, *(namespace for _, _, namespace in found if namespace)}
    }
    place = places[demand.namespace]

    def attempt(entry: tuple[Manifest, Resource, str | None]) -> DryRun | NotAllowedError:
        manifest, resource, namespace = entry
        try:
            return cluster.dry_run(resource, manifest, namespace)
        except NotAllowedError as error:
            return error

    entries = [
        (_moved(manifest, places.get(namespace)), resource, places.get(namespace))
        for manifest, resource, namespace in found
    ]
    passed = 0
    denied = []
    for (manifest, _, _), answer in zip(entries, in_parallel(attempt, entries), strict=True):
        name = f"{manifest['kind']} `{manifest['metadata']['name']}`"
        if isinstance(answer, NotAllowedError):
            denied.append(name)
        elif answer.refusal is not None:
            yield misfit(f"the cluster refuses {name}: {answer.refusal}")
        elif answer.stored and (lost := list(dropped(manifest, answer.stored))):
            yield misfit(f"the cluster drops {', '.join(lost)} of {name} without a word: upgrade the cluster")
        else:
            passed += 1
    if denied:
        yield unknown(f"you may not create {', '.join(denied)} in namespace `{place}`, not even in a dry run")
    elif passed == len(entries):
        elsewhere = f", in `{place}` since `{demand.namespace}` does not exist yet" if place != demand.namespace else ""
        yield ok(f"{passed} objects pass a dry run{elsewhere}")


def _moved(manifest: Manifest, namespace: str | None) -> Manifest:
    """Return the object for a dry run in another namespace, without a node port, which has a question of its own."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "namespace"}
    moved = {**manifest, "metadata": metadata if namespace is None else {**metadata, "namespace": namespace}}
    if manifest["kind"] == "Service":
        ports = [{key: value for key, value in port.items() if key != "nodePort"} for port in manifest["spec"]["ports"]]
        moved["spec"] = {**manifest["spec"], "ports": ports}
    return moved


_REWRITTEN = frozenset({"stringData"})
"""Fields that the API server turns into others."""


def dropped(sent: Any, stored: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of what was sent and not stored. Empty values are left out by the API server."""
    if isinstance(sent, dict) and isinstance(stored, dict):
        for key, value in sent.items():
            if key in stored:
                yield from dropped(value, stored[key], f"{path}.{key}".lstrip("."))
            elif not _is_empty(value) and key not in _REWRITTEN:
                yield f"{path}.{key}".lstrip(".")
    elif isinstance(sent, list) and isinstance(stored, list) and len(sent) == len(stored):
        for index, (item, kept) in enumerate(zip(sent, stored, strict=True)):
            yield from dropped(item, kept, f"{path}[{index}]")


def _is_empty(value: Any) -> bool:
    return value in (None, "", [], {}, False, 0)
