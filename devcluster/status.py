"""`status`: each part of the cluster with its state, since when, and where it serves."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from devcluster import processes
from devcluster.addons import condition, is_rolled_out
from devcluster.addresses import API_HEALTH_URL, NODE_ADDRESS, NODE_NAME
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
        healthy: it does what it should.
        state: in one or two words.
        since: for how long, for people; empty if unknown.
        address: where it serves; empty if nowhere.
    """

    name: str
    healthy: bool
    state: str
    since: str
    address: str


def parts(toolchain: Toolchain) -> list[Part]:
    """Every part of the cluster; empty if it is down."""
    states = Supervisor().states()
    if not states:
        return []
    known = [*processes.control_plane(toolchain.path), *processes.node(toolchain.path), processes.s3()]
    found = [_of_process(process, states.get(process.name)) for process in known]
    if answers(API_HEALTH_URL):
        found += _of_cluster(Kubectl(toolchain.path("kubectl")))
    return found


def table(found: Sequence[Part]) -> str:
    """The parts as aligned lines under a heading."""
    rows = [("PART", "STATE", "SINCE", "ADDRESS"), *((p.name, p.state, p.since, p.address) for p in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _of_process(process: Process, state: ProcessState | None) -> Part:
    if state is None or state.state != "RUNNING":
        told = (state.problem or state.state.lower()) if state else "not started"
        return Part(name=process.name, healthy=False, state=told, since=_since(state), address="")
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


def _of_cluster(kubectl: Kubectl) -> list[Part]:
    node = kubectl.get("node", NODE_NAME)
    ready = condition(node, "Ready") == "True"
    parts = [
        Part(
            name=f"node {NODE_NAME}",
            healthy=ready,
            state="ready" if ready else "not ready",
            since=_age(node, "Ready"),
            address=NODE_ADDRESS,
        )
    ]
    deployments = kubectl.get("deployments", "--all-namespaces").get("items", [])
    services = kubectl.get("services", "--all-namespaces").get("items", [])
    return parts + [_of_deployment(deployment, services) for deployment in deployments]


def _of_deployment(deployment: dict[str, Any], services: Iterable[dict[str, Any]]) -> Part:
    rolled_out = is_rolled_out(deployment)
    wanted = deployment["spec"]["replicas"]
    available = deployment.get("status", {}).get("availableReplicas", 0)
    metadata = deployment["metadata"]
    return Part(
        name=f"{metadata['namespace']}/{metadata['name']}",
        healthy=rolled_out,
        state=f"{available}/{wanted} ready",
        since=_age(deployment, "Available"),
        address=", ".join(addresses_of(deployment, services)),
    )


def addresses_of(deployment: dict[str, Any], services: Iterable[dict[str, Any]]) -> list[str]:
    """Where this machine reaches a Deployment: its NodePorts on loopback, else its Services' own addresses."""
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    namespace = deployment["metadata"]["namespace"]
    found = []
    for service in services:
        selector = service["spec"].get("selector") or {}
        if service["metadata"]["namespace"] != namespace or not selector or not selector.items() <= labels:
            continue
        for port in service["spec"]["ports"]:
            if "nodePort" in port:
                found.append(f"127.0.0.1:{port['nodePort']}")
            elif service["spec"].get("clusterIP") not in (None, "None"):
                found.append(f"{service['spec']['clusterIP']}:{port['port']}")
    return list(dict.fromkeys(found))  # a port may be served over TCP and UDP


def _age(resource: dict[str, Any], kind: str) -> str:
    for one in resource.get("status", {}).get("conditions", []):
        if one["type"] == kind:
            changed = dt.datetime.fromisoformat(one["lastTransitionTime"])
            return duration((dt.datetime.now(dt.UTC) - changed).total_seconds())
    return ""
