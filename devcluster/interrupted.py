"""What a Pulumi that was killed leaves behind, and how the next one gets past it.

It leaves its lock, and in the state the operations that were under way: of an object that it was creating nobody
knows whether it is there. On this cluster nothing is lost by deleting that object and creating it again.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from devcluster.environment import PULUMI_STATE
from devcluster.kubectl import Kubectl
from devcluster.pids import PROC

LOCKS = PULUMI_STATE / ".pulumi" / "locks"


def clear_locks(stack: str, waiting: Callable[[str], None]) -> None:
    """Remove the locks of the dead on a stack, after those of the living are gone.

    Args:
        stack: its name; whichever project it is of.
        waiting: told who is awaited.
    """
    for lock in LOCKS.glob(f"**/{stack}/*.json"):
        while (pid := _holder(lock)) and _is_pulumi(pid):
            waiting(f"another pulumi (process {pid}) to finish")
            time.sleep(0.5)
        lock.unlink(missing_ok=True)


def _holder(lock: Path) -> int:
    """The pid that a lock names; 0 if it is gone, or was cut short."""
    with suppress(FileNotFoundError, json.JSONDecodeError):
        return int(json.loads(lock.read_text()).get("pid", 0))
    return 0


def _is_pulumi(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        _, name, rest = re.split(r"[()]", (PROC / str(pid) / "stat").read_text(), maxsplit=2)
        return name == "pulumi" and not rest.lstrip().startswith("Z")  # a zombie holds nothing
    return False


def delete_half_created(export: dict[str, Any], kubectl: Kubectl) -> bool:
    """Delete each object that was being created when Pulumi was killed.

    Args:
        export: what `pulumi stack export` prints.
        kubectl: of the cluster that the stack is on.

    Returns:
        Whether any operation was under way at all; then the state needs `pulumi refresh --clear-pending-creates`.
    """
    pending = export.get("deployment", {}).get("pending_operations") or []
    for kind, namespace, name in half_created(pending):
        scope = [f"--namespace={namespace}"] if namespace else []
        kubectl.run("delete", kind, name, *scope, "--ignore-not-found")
    return bool(pending)


def half_created(pending: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Kind as kubectl wants it, namespace (empty if it has none) and name of the Kubernetes objects being created."""
    for operation in pending:
        resource = operation["resource"]
        inputs = resource.get("inputs", {})
        metadata = inputs.get("metadata", {})
        if operation["type"] != "creating" or not resource["type"].startswith("kubernetes:") or "name" not in metadata:
            continue
        group, _, version = str(inputs["apiVersion"]).rpartition("/")
        kind = f"{inputs['kind']}.{version}.{group}"
        yield kind, metadata.get("namespace", ""), metadata["name"]
