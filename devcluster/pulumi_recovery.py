"""Gets the next Pulumi past what a killed one left behind.

A killed Pulumi leaves its lock, and in the state the operations that were under way: the object that it was creating
may or may not exist. On this cluster nothing is lost by deleting that object and creating it again.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from devcluster.environment import PULUMI_STATE
from devcluster.kubectl import Kubectl

LOCKS = PULUMI_STATE / ".pulumi" / "locks"


def clear_locks(stack: str, waiting: Callable[[str], None]) -> None:
    """Remove the locks on a stack; first wait, without limit, for a Pulumi that is still at work.

    Args:
        stack: its name; of any project.
        waiting: gets the lock that is still held.
    """
    for lock in LOCKS.glob(f"**/{stack}/*.json"):
        while _is_held(lock):
            waiting(f"another pulumi to finish, which holds {lock}")
            time.sleep(0.5)
        lock.unlink(missing_ok=True)


def _is_held(lock: Path) -> bool:
    # A lock that is gone or was cut short is nobody's. The pid of a dead Pulumi may be another program's by now.
    with suppress(FileNotFoundError, json.JSONDecodeError, psutil.NoSuchProcess):
        process = psutil.Process(json.loads(lock.read_text()).get("pid", 0))
        return process.name() == "pulumi" and process.status() != psutil.STATUS_ZOMBIE
    return False


def delete_half_created(export: dict[str, Any], kubectl: Kubectl) -> bool:
    """Delete each object that was being created when Pulumi was killed.

    Args:
        export: the output of `pulumi stack export`.
        kubectl: of the cluster that the stack is on.

    Returns:
        True if any operation was under way; then the state needs `pulumi refresh --clear-pending-creates`.
    """
    pending = export.get("deployment", {}).get("pending_operations") or []
    for kind, namespace, name in half_created(pending):
        scope = [f"--namespace={namespace}"] if namespace else []
        kubectl.run("delete", kind, name, *scope, "--ignore-not-found")
    return bool(pending)


def half_created(pending: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Yield kind (for kubectl), namespace (empty if it has none) and name of each object that was being created."""
    for operation in pending:
        resource = operation["resource"]
        inputs = resource.get("inputs", {})
        metadata = inputs.get("metadata", {})
        if operation["type"] != "creating" or not resource["type"].startswith("kubernetes:") or "name" not in metadata:
            continue
        group, _, version = str(inputs["apiVersion"]).rpartition("/")
        kind = f"{inputs['kind']}.{version}.{group}"
        yield kind, metadata.get("namespace", ""), metadata["name"]
