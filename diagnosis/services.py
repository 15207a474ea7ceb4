"""Causes outside the pods: objects that are gone, Services that lead nowhere, the namespace itself."""

from collections.abc import Iterator, Sequence
from typing import Any

from access.cluster import Object
from diagnosis.cause import Cause
from diagnosis.snapshot import Snapshot, conditions, name_of


def missing_objects(declared: Sequence[Object], found: Sequence[tuple[str, str]], *, stack: str) -> Iterator[Cause]:
    """Yield the objects of a stack that the cluster does not have.

    Args:
        declared: manifests of the stack.
        found: kind and name of what the cluster has.
        stack: name of the stack.
    """
    for manifest in declared:
        kind, name = manifest["kind"], name_of(manifest)
        if (kind, name) not in found:
            yield Cause(
                subject=f"{kind} {name}",
                finding="it is declared, and the cluster does not have it",
                way_out=f"pulumi up --refresh --stack {stack}",
            )


def namespace_causes(snapshot: Snapshot, namespace: str, *, created: bool) -> Iterator[Cause]:
    """Yield a namespace that is missing or on its way out."""
    subject = f"namespace {namespace}"
    if snapshot.namespace is None:
        way_out = "pulumi up makes it" if created else "make it, or set site.access.create_namespace to true"
        yield Cause(subject=subject, finding="the cluster does not have it", way_out=way_out)
    elif snapshot.namespace.get("status", {}).get("phase") == "Terminating":
        blockers = [each["message"] for each in conditions(snapshot.namespace).values() if each["status"] == "True"]
        yield Cause(
            subject=subject,
            finding=f"it is being deleted: {' '.join(blockers) or 'its objects are still there'}",
            way_out="wait until it is gone, or remove what the message names; then pulumi up --refresh",
        )


def service_causes(snapshot: Snapshot) -> Iterator[Cause]:
    """Yield each Service without a ready pod behind it, and each load balancer without an address."""
    ready = {name_of(each) for each in snapshot.endpoints if any(part.get("addresses") for part in _subsets(each))}
    for service in snapshot.services:
        name = name_of(service)
        if service["spec"].get("selector") and name not in ready:
            yield Cause(
                subject=f"Service {name}",
                finding="no ready pod is behind it, so calls to it fail",
                way_out="see the causes of its pods",
            )
        balancer = service.get("status", {}).get("loadBalancer") or {}
        if service["spec"].get("type") == "LoadBalancer" and not balancer.get("ingress"):
            yield Cause(
                subject=f"Service {name}",
                finding="it has no address yet: " + snapshot.last_warning(service, "no load balancer has taken it"),
                way_out="check the address pool in site.exposure.annotations, and the cluster's load balancer",
            )


def _subsets(endpoints: Object) -> Sequence[Any]:
    return endpoints.get("subsets") or ()
