"""`status`: each process of the cluster with its state, since when, and where it serves; then kubectl's own view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devcluster import processes
from devcluster.addresses import API_HEALTH_URL
from devcluster.health import answers, is_ready
from devcluster.kubectl import Kubectl
from devcluster.processes import Process
from devcluster.progress import duration
from devcluster.supervisor import ProcessState, Supervisor
from devcluster.toolchain import Toolchain


@dataclass(frozen=True, kw_only=True)
class Part:
    """One line of the table.

    Args:
        healthy: it runs and answers.
        state: in one or two words.
        since: for how long, for people; empty if unknown.
        address: where it serves; empty if nowhere.
    """

    name: str
    healthy: bool
    state: str
    since: str
    address: str


def show(toolchain: Toolchain) -> bool:
    """Print the status; return whether all is well."""
    parts = process_parts(toolchain)
    if not parts:
        print("The cluster is down. `make up` starts it.")
        return False
    print(table(parts))
    if not answers(API_HEALTH_URL):
        return False
    kubectl = Kubectl(toolchain.path("kubectl"))
    print("\n" + kubectl.run("get", "nodes,deployments,services", "--all-namespaces").rstrip())
    deployments = kubectl.get("deployments", "--all-namespaces")["items"]
    return all([*(part.healthy for part in parts), *map(is_available, deployments)])


def is_available(deployment: Mapping[str, Any]) -> bool:
    """Return whether all replicas that a Deployment asks for are available."""
    return bool(deployment["status"].get("availableReplicas", 0) >= deployment["spec"]["replicas"])


def process_parts(toolchain: Toolchain) -> list[Part]:
    """Return a line for each process; none if the cluster is down."""
    states = Supervisor().states()
    known = [*processes.control_plane(toolchain.path), *processes.node(toolchain.path), processes.s3()]
    return [_of_process(process, states.get(process.name)) for process in known] if states else []


def table(parts: Sequence[Part]) -> str:
    """Return the parts as aligned lines under a heading."""
    rows = [("PART", "STATE", "SINCE", "ADDRESS"), *((p.name, p.state, p.since, p.address) for p in parts)]
    return "\n".join(f"{part:<24} {state:<12} {since:<14} {address}".rstrip() for part, state, since, address in rows)


def _of_process(process: Process, state: ProcessState | None) -> Part:
    if state is None or state.state != "RUNNING":
        text = (state.problem or state.state.lower()) if state else "not started"
        return Part(name=process.name, healthy=False, state=text, since=_since(state), address="")
    ready = is_ready(process)
    return Part(
        name=process.name,
        healthy=ready,
        state="ready" if ready else "not ready",
        since=_since(state),
        address=process.address,
    )


def _since(state: ProcessState | None) -> str:
    return duration(state.since_seconds) if state and state.pid else ""
