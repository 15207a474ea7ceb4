"""Servers of each pool with their state, from their pods."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from access.cluster import Object
from components.labels import POOL_LABEL
from diagnosis.jobs import is_job, is_server
from diagnosis.snapshot import conditions, name_of, parse_time

_FAILING = ("BackOff", "Err", "Invalid", "CreateContainerConfigError", "CreateContainerError")
"""Parts of the reasons for which a container that waits does not start by itself."""


class State(StrEnum):
    """State of a server, the one that needs a look first."""

    FAILING = "failing"
    """Its container crashes or cannot be made, or its job has failed."""
    UNPLACED = "unplaced"
    """No node takes its pod, or its job waits in the queue of Slurm."""
    STARTING = "starting"
    DRAINING = "draining"
    """It finishes its requests, and stops."""
    READY = "ready"


@dataclass(frozen=True, kw_only=True)
class Server:
    """One server."""

    name: str
    """Name of its pod."""
    pool: str
    """Name of its pool."""
    state: State
    """State."""
    detail: str
    """Reason of the state; empty if there is nothing to tell."""
    restarts: int
    """Restarts of its containers."""
    age_seconds: float
    """Time since its pod was made."""


def servers(pods: Sequence[Object], now: datetime) -> list[Server]:
    """Return the servers, those first that need a look.

    A server in a Slurm job has a virtual pod, and a tunnel pod once the job runs. Only the latter tells its state.
    """
    tunnels = [name_of(pod) for pod in pods if is_server(pod)]
    shown = [pod for pod in pods if is_server(pod) or (is_job(pod) and not _has_tunnel(pod, tunnels))]
    order = list(State)
    return sorted((_server(pod, now) for pod in shown), key=lambda each: (order.index(each.state), each.age_seconds))


def _has_tunnel(pod: Object, servers: Sequence[str]) -> bool:
    return any(name.startswith(f"wstunnel-{name_of(pod)}-") for name in servers)


def _server(pod: Object, now: datetime) -> Server:
    state, detail = _state(pod, now)
    containers = pod.get("status", {}).get("containerStatuses") or ()
    return Server(
        name=name_of(pod),
        pool=pod["metadata"].get("labels", {}).get(POOL_LABEL, ""),
        state=state,
        detail="; ".join(filter(None, (detail, _last_end(containers, now)))),
        restarts=sum(each.get("restartCount", 0) for each in containers),
        age_seconds=_seconds(pod["metadata"]["creationTimestamp"], now),
    )


def _state(pod: Object, now: datetime) -> tuple[State, str]:
    status, found = pod.get("status", {}), conditions(pod)
    if "deletionTimestamp" in pod["metadata"]:
        left = -_seconds(pod["metadata"]["deletionTimestamp"], now)
        return State.DRAINING, f"is killed in {left:.0f} s" if left > 0 else "should be gone"
    if status.get("phase") == "Failed":
        return State.FAILING, _words(status)
    if is_job(pod):
        queued = status.get("phase") == "Pending"
        return (State.UNPLACED, "its job waits in the queue") if queued else (State.STARTING, "its job runs")
    if found.get("PodScheduled", {}).get("status") == "False":
        return State.UNPLACED, found["PodScheduled"].get("message", "")
    waiting = _waiting(status)
    if any(part in waiting.get("reason", "") for part in _FAILING):
        return State.FAILING, _words(waiting)
    if found.get("Ready", {}).get("status") == "True":
        return State.READY, ""
    return State.STARTING, waiting.get("reason", "") or "its models load"


def _waiting(status: Any) -> Any:
    """Return the reason and message of the first container that waits; empty: all run."""
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return next((each["state"]["waiting"] for each in containers if each.get("state", {}).get("waiting")), {})


def _last_end(containers: Sequence[Any], now: datetime) -> str:
    """Return the reason of the last restart; empty without one."""
    ends = [each["lastState"]["terminated"] for each in containers if each.get("lastState", {}).get("terminated")]
    if not ends:
        return ""
    last = max(ends, key=lambda end: end.get("finishedAt") or "")
    ago = f" {age(_seconds(last['finishedAt'], now))} ago" if last.get("finishedAt") else ""
    return f"last run ended{ago}: {last.get('reason', 'ended')}, exit code {last.get('exitCode')}"


def _words(found: Any) -> str:
    return ": ".join(filter(None, (found.get("reason", ""), found.get("message", ""))))


def _seconds(moment: str, now: datetime) -> float:
    return (now - parse_time(moment)).total_seconds()


def age(seconds: float) -> str:
    """Return a time as `kubectl get` writes it, such as `45s`, `12m` or `3d`."""
    for unit, length, most in (("s", 1, 120), ("m", 60, 120), ("h", 3600, 48)):
        if seconds < most * length:
            return f"{max(seconds, 0) / length:.0f}{unit}"
    return f"{seconds / 86400:.0f}d"
