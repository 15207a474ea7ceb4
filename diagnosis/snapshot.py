"""The objects of one instance in its cluster, at one moment."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from access.cluster import (
    AUTOSCALERS,
    CLAIMS,
    DEPLOYMENTS,
    ENDPOINTS,
    EVENTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SCALED_OBJECTS,
    SERVICES,
    LogView,
    Object,
)

LOG_LINES = 500
"""Lines that are read from the end of a container's log. Triton's help, which follows a wrong flag, has 402."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Objects of one instance; events of its whole namespace."""

    now: datetime
    """Time at which they were read."""
    namespace: Object | None
    """Namespace of the stack; None: there is none."""
    deployments: Sequence[Object]
    """Deployments."""
    replica_sets: Sequence[Object]
    """ReplicaSets."""
    pods: Sequence[Object]
    """Pods, also those that are stopping."""
    services: Sequence[Object]
    """Services."""
    endpoints: Sequence[Object]
    """Endpoints of the Services."""
    scaled_objects: Sequence[Object]
    """ScaledObjects of KEDA."""
    autoscalers: Sequence[Object]
    """HorizontalPodAutoscalers that KEDA made."""
    claims: Sequence[Object]
    """PersistentVolumeClaims of the namespace."""
    events: Sequence[Object]
    """Events of the namespace."""
    log: Callable[[str, str], Sequence[str]]
    """Last lines of a container, by pod and container; of its previous run if it is not running."""

    def deployment(self, name: str) -> Object | None:
        """Return a Deployment by name."""
        return next((each for each in self.deployments if name_of(each) == name), None)

    def pods_of(self, replica_set: Object) -> Iterator[Object]:
        """Yield the pods of a ReplicaSet that are not stopping."""
        for pod in self.pods:
            if owner(pod) == uid(replica_set) and "deletionTimestamp" not in pod["metadata"]:
                yield pod

    def newest(self, deployment: Object) -> Object | None:
        """Return the ReplicaSet of a Deployment's present template."""
        owned = [each for each in self.replica_sets if owner(each) == uid(deployment)]
        return max(owned, key=_revision, default=None)

    def events_about(self, subject: Object) -> list[Object]:
        """Return the events about an object, the latest first."""
        about = [event for event in self.events if event["involvedObject"].get("uid") == uid(subject)]
        return sorted(about, key=last_seen, reverse=True)

    def warnings(self, subject: Object) -> list[Object]:
        """Return the warnings about an object, the latest first."""
        return [event for event in self.events_about(subject) if event["type"] == "Warning"]

    def last_warning(self, subject: Object, otherwise: str) -> str:
        """Return the words of the latest warning about an object; without one, `otherwise`."""
        warnings = self.warnings(subject)
        return str(warnings[0]["message"]) if warnings else otherwise


def take(view: LogView, *, namespace: str, instance: str) -> Snapshot:
    """Read the objects of an instance.

    Args:
        view: the cluster; a fresh one, since it keeps its answers.
        namespace: namespace of the stack.
        instance: label `app.kubernetes.io/instance`.

    Raises:
        ClusterError: the cluster does not answer, or the user may not read the objects.
    """
    mine = f"app.kubernetes.io/instance={instance}"
    kinds = (DEPLOYMENTS, REPLICA_SETS, PODS, SERVICES, ENDPOINTS, SCALED_OBJECTS, AUTOSCALERS)
    with ThreadPoolExecutor(max_workers=len(kinds) + 2) as pool:
        found = pool.map(lambda kind: view.list(kind, namespace, mine), kinds)
        claims, events = pool.map(lambda kind: view.list(kind, namespace), (CLAIMS, EVENTS))
        deployments, replica_sets, pods, services, endpoints, scaled_objects, autoscalers = found
        return Snapshot(
            now=datetime.now(UTC),
            namespace=view.get(NAMESPACES, namespace),
            deployments=deployments,
            replica_sets=replica_sets,
            pods=pods,
            services=services,
            endpoints=endpoints,
            scaled_objects=scaled_objects,
            autoscalers=autoscalers,
            claims=claims,
            events=events,
            log=lambda pod, container: view.log(namespace, pod, container, lines=LOG_LINES),
        )


def name_of(found: Object) -> str:
    """Return the name of an object."""
    return str(found["metadata"]["name"])


def uid(found: Object) -> str:
    """Return the uid of an object."""
    return str(found["metadata"]["uid"])


def owner(found: Object) -> str | None:
    """Return the uid of the controller that made an object."""
    owners = [each["uid"] for each in found["metadata"].get("ownerReferences", ()) if each.get("controller")]
    return owners[0] if owners else None


def conditions(found: Object) -> Mapping[str, Mapping[str, Any]]:
    """Return the conditions of an object, by type."""
    return {each["type"]: each for each in found.get("status", {}).get("conditions") or ()}


def last_seen(event: Object) -> datetime:
    """Return the time of an event's last occurrence."""
    series = event.get("series") or {}
    moment = event.get("lastTimestamp") or series.get("lastObservedTime") or event.get("eventTime")
    return parse_time(moment or event["metadata"]["creationTimestamp"])


def parse_time(text: str) -> datetime:
    """Return a time of the API, such as `2026-11-27T03:10:00Z`."""
    return datetime.fromisoformat(text)


def _revision(replica_set: Object) -> int:
    return int(replica_set["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision", 0))
