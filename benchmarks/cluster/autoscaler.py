"""Keeps KEDA's hands off a Deployment."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from devcluster.kubectl import Kubectl
from devcluster.progress import Progress
from devcluster.wait import wait_until

_PAUSED = "autoscaling.keda.sh/paused"
_PATIENCE_SECONDS = 60.0


@contextmanager
def paused(kubectl: Kubectl, namespace: str, name: str, progress: Progress) -> Iterator[None]:
    """Pause a ScaledObject, wait until KEDA says so, and resume it on exit.

    Raises:
        DevClusterError: KEDA does not pause it.
    """
    place = f"--namespace={namespace}"
    try:
        kubectl.run("annotate", "scaledobject", name, f"{_PAUSED}=true", "--overwrite", place)
        wait_until(
            lambda: _is_paused(kubectl.get("scaledobject", name, place)),
            f"KEDA to pause {namespace}/{name}",
            timeout_seconds=_PATIENCE_SECONDS,
            interval_seconds=1,
            waiting=progress.waiting,
            hint="see `python -m devcluster logs keda-operator`",
        )
        yield
    finally:
        kubectl.run("annotate", "scaledobject", name, f"{_PAUSED}-", place)


def _is_paused(scaled_object: Mapping[str, Any]) -> bool:
    conditions = scaled_object.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Paused" and condition["status"] == "True" for condition in conditions)
