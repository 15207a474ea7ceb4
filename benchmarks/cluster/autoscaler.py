"""Keeps KEDA's hands off a Deployment, and lets it at work again."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from devcluster.kubectl import Kubectl
from devcluster.progress import Progress
from devcluster.wait import wait_until

PAUSED = "autoscaling.keda.sh/paused"
"""Annotation of a ScaledObject."""
_PATIENCE_SECONDS = 60.0
_HINT = "see `python -m devcluster logs keda-operator`"


@contextmanager
def paused(kubectl: Kubectl, namespace: str, name: str, progress: Progress) -> Iterator[None]:
    """Pause a ScaledObject, wait until KEDA says so, and resume it on exit.

    Raises:
        DevClusterError: KEDA does not pause it.
    """
    place = f"--namespace={namespace}"
    try:
        _pause(kubectl, namespace, name, progress)
        yield
    finally:
        kubectl.run("annotate", "scaledobject", name, f"{PAUSED}-", place)


@contextmanager
def at_work(kubectl: Kubectl, namespace: str, name: str, progress: Progress) -> Iterator[None]:
    """Resume a paused ScaledObject, wait until its HPA is there, and pause it on exit.

    The HPA is a new one, without a memory of loads and changes.

    Raises:
        DevClusterError: KEDA does not resume or pause it.
    """
    place = f"--namespace={namespace}"
    try:
        kubectl.run("annotate", "scaledobject", name, f"{PAUSED}-", place)
        wait_until(
            lambda: bool(kubectl.get("hpa", f"keda-hpa-{name}", place)),
            f"KEDA to make the HPA of {namespace}/{name}",
            timeout_seconds=_PATIENCE_SECONDS,
            interval_seconds=1,
            waiting=progress.waiting,
            hint=_HINT,
        )
        yield
    finally:
        _pause(kubectl, namespace, name, progress)


def _pause(kubectl: Kubectl, namespace: str, name: str, progress: Progress) -> None:
    place = f"--namespace={namespace}"
    kubectl.run("annotate", "scaledobject", name, f"{PAUSED}=true", "--overwrite", place)
    wait_until(
        lambda: _is_paused(kubectl.get("scaledobject", name, place)),
        f"KEDA to pause {namespace}/{name}",
        timeout_seconds=_PATIENCE_SECONDS,
        interval_seconds=1,
        waiting=progress.waiting,
        hint=_HINT,
    )


def _is_paused(scaled_object: Mapping[str, Any]) -> bool:
    conditions = scaled_object.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Paused" and condition["status"] == "True" for condition in conditions)
