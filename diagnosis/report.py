"""All causes of a stack's failures, the likeliest first."""

from collections.abc import Iterator, Sequence

from access.cluster import Object
from diagnosis.autoscaling import autoscaling_causes
from diagnosis.cause import Cause
from diagnosis.envoy_view import EnvoyView, view_causes
from diagnosis.pods import pod_causes, refused_pods
from diagnosis.services import missing_objects, namespace_causes, service_causes
from diagnosis.snapshot import Snapshot, name_of
from stacks.schema import StackConfig


def causes(
    snapshot: Snapshot, config: StackConfig, declared: Sequence[Object], views: Sequence[EnvoyView] = ()
) -> list[Cause]:
    """Return the causes. Pods that fail alike are one cause.

    Args:
        snapshot: objects of the stack.
        config: configuration of the stack.
        declared: manifests of the stack; of kinds that the snapshot lists, the missing ones are causes.
        views: the servers as each Envoy sees them.
    """
    namespace = list(namespace_causes(snapshot, config.namespace, created=config.site.access.create_namespace))
    if snapshot.namespace is None:
        return namespace
    listed = {
        "Deployment": snapshot.deployments,
        "Service": snapshot.services,
        "ScaledObject": snapshot.scaled_objects,
        "PersistentVolumeClaim": snapshot.claims,
    }
    comparable = [manifest for manifest in declared if manifest["kind"] in listed]
    found = [(kind, name_of(each)) for kind, objects in listed.items() for each in objects]
    return [
        *namespace,
        *missing_objects(comparable, found, stack=config.stack),
        *_distinct(_pod_causes(snapshot)),
        *service_causes(snapshot),
        *_distinct(view_causes(snapshot, views)),
        *autoscaling_causes(snapshot),
    ]


def _pod_causes(snapshot: Snapshot) -> Iterator[Cause]:
    for deployment in snapshot.deployments:
        yield from refused_pods(deployment)
    for pod in snapshot.pods:
        if "deletionTimestamp" not in pod["metadata"]:
            yield from pod_causes(snapshot, pod)


def _distinct(found: Iterator[Cause]) -> Iterator[Cause]:
    """Yield one cause for all pods of one finding, with their number."""
    alike: dict[tuple[str, str], list[Cause]] = {}
    for cause in found:
        alike.setdefault((cause.finding, cause.way_out), []).append(cause)
    for same in alike.values():
        first, others = same[0], len(same) - 1
        more = f" and {others} more" if others else ""
        yield Cause(
            subject=first.subject + more,
            finding=first.finding,
            way_out=first.way_out,
            last_words=first.last_words,
        )
