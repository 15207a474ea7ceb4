"""`status` prints each process with its state, since when, and where it serves; then kubectl's own view."""

from collections.abc import Mapping
from typing import Any

from devcluster import processes
from devcluster.addresses import API_HEALTH_URL
from devcluster.health import answers, is_ready
from devcluster.kubectl import Kubectl
from devcluster.progress import duration
from devcluster.supervisor import ProcessState, Supervisor
from devcluster.toolchain import Toolchain


def show(toolchain: Toolchain) -> bool:
    """Print the status; return whether all is well."""
    states = Supervisor().states()
    if not states:
        print("The cluster is down. `make up` starts it.")
        return False
    healthy = True
    print(row("PART", "STATE", "SINCE", "ADDRESS"))
    for process in processes.every(toolchain.path):
        state = states.get(process.name)
        is_healthy = state is not None and state.state == "RUNNING" and is_ready(process)
        since = duration(state.since_seconds) if state and state.pid else ""
        print(row(process.name, in_words(state, ready=is_healthy), since, process.address))
        healthy &= is_healthy
    if not answers(API_HEALTH_URL):
        return False
    kubectl = Kubectl(toolchain.path("kubectl"))
    print("\n" + kubectl.run("get", "nodes,deployments,services", "--all-namespaces").rstrip())
    return healthy and all(map(is_available, kubectl.get("deployments", "--all-namespaces")["items"]))


def row(part: str, state: str, since: str, address: str) -> str:
    """Return a line of the table, without trailing blanks."""
    return f"{part:<24} {state:<12} {since:<14} {address}".rstrip()


def in_words(state: ProcessState | None, *, ready: bool) -> str:
    """Return the state of a process in a few words."""
    if state is None:
        return "not started"
    if state.state != "RUNNING":
        return state.problem or state.state.lower()
    return "ready" if ready else "not ready"


def is_available(deployment: Mapping[str, Any]) -> bool:
    """Return whether all replicas that a Deployment asks for are available."""
    return bool(deployment["status"].get("availableReplicas", 0) >= deployment["spec"]["replicas"])
