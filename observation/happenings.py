"""Events of Kubernetes about the objects of a stack."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from access.cluster import Object
from diagnosis.snapshot import last_seen
from observation.stack_names import StackNames

_SHORT = {"Deployment": "deploy", "HorizontalPodAutoscaler": "hpa", "ReplicaSet": "rs", "ScaledObject": "so"}
"""Kind -> its short name in `kubectl api-resources`."""


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One event, or one that has come several times."""

    age_seconds: float
    """Time since its last occurrence."""
    warning: bool
    """Kubernetes counts it as a warning."""
    subject: str
    """Object as kubectl takes it, such as `pod/sonic-cms-triton-af-5d8f-x2x4q`."""
    reason: str
    """Reason, such as `BackOff`."""
    message: str
    """Message in one line."""
    times: int
    """Number of occurrences."""


def happenings(events: Sequence[Object], names: StackNames, now: datetime) -> list[Happening]:
    """Return the events of the stack, the latest first; a namespace may hold other stacks."""
    own = [event for event in events if names.has(event["involvedObject"].get("name", ""))]
    return [_happening(event, now) for event in sorted(own, key=last_seen, reverse=True)]


def _happening(event: Object, now: datetime) -> Happening:
    subject, series = event["involvedObject"], event.get("series") or {}
    kind = subject.get("kind", "")
    return Happening(
        age_seconds=(now - last_seen(event)).total_seconds(),
        warning=event.get("type") == "Warning",
        subject=f"{_SHORT.get(kind, kind.lower())}/{subject.get('name', '')}",
        reason=event.get("reason", ""),
        message=" ".join((event.get("message") or "").split()),
        times=event.get("count") or series.get("count") or 1,
    )
