"""The stack `dev-slurm` with a pool of nodes behind its Slurm pool, for the live tests."""

import os
import re
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from devcluster.slurm import commands
from devcluster.slurm.models import MODELS
from testbed.pods import is_ready
from testbed.slurm_site import slurm_time
from tests.support.dev_stack import Calls, DevStack, eventually
from tests.support.installed_edge import STACK, InstalledEdge
from tests.support.second_stack import SERVER

SERVERS = 2
"""Servers of the Slurm pool. The pool of nodes has one."""
ENOUGH_CALLS = 3000
SUCCESSOR_SECONDS = 240
"""A drain, a place in the queue, a start, and the probes of a tunnel."""
SLURM_POOL, NODE_POOL = "t4", "node"
SLURM_DEPLOYMENT, NODE_DEPLOYMENT = f"sonic-slurm-triton-{SLURM_POOL}", f"sonic-slurm-triton-{NODE_POOL}"
VIRTUAL_KUBELET = "virtual-node-interlink-dev"
_POOL_LABEL = "sonic.fastmachinelearning.org/pool"
_MODELS = "slurm-models"
"""Volume and StorageClass of the models for the pool of nodes."""
_CLAIM = "models"
OVERRIDE = {
    "experiment": {
        "server": SERVER,
        "models": {"repository": {"kind": "volume", "paths": ["/"]}},
        "scaling": {"servers_min": SERVERS + 1, "servers_max": SERVERS + 1},
    },
}
"""Changes of the experiment: two pools, whose servers read one folder."""


def add_pool_of_nodes(site_file: Path) -> None:
    """Write a pool of nodes behind the Slurm pool into a site's file. `models_volume` must be there for its server."""
    site = yaml.safe_load(site_file.read_text())
    (slurm_pool,) = site["pools"]
    del slurm_pool["binds"]
    slurm_pool["models_folder"] = str(MODELS)
    site["pools"].append({"kind": "kubernetes", "name": NODE_POOL, "servers_max": 1, "gpu": {}})
    claim = {"kind": "pvc", "claim": _CLAIM, "create": True, "storage_class": _MODELS, "size_gib": 1}
    site["storage"] = {"volume": claim}
    site_file.write_text(yaml.safe_dump(site))


def models_volume() -> dict[str, Any]:
    """Return the volume that the claim of the pool of nodes gets: the folder of the jobs' models."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": _MODELS},
        "spec": {
            "storageClassName": _MODELS,
            "accessModes": ["ReadWriteMany"],
            "capacity": {"storage": "1Gi"},
            "hostPath": {"path": str(MODELS), "type": "Directory"},
            "persistentVolumeReclaimPolicy": "Retain",
        },
    }


class SlurmStack(DevStack):
    """The stack, its jobs and its tunnels, and the agent of its Slurm."""

    def __init__(self, edge: InstalledEdge) -> None:
        super().__init__(STACK)
        self.edge = edge
        self._on_nodes = 1

    def tunnels(self) -> set[str]:
        """Names of the tunnel pods that are ready."""
        return {pod["metadata"]["name"] for pod in self._pods("tunnel") if is_ready(pod)}

    def virtual_pods(self) -> list[dict[str, Any]]:
        """Virtual pods that are not on their way out."""
        return [pod for pod in self._pods("virtual") if "deletionTimestamp" not in pod["metadata"]]

    def ended_pods(self) -> list[dict[str, Any]]:
        """Virtual pods that have failed or succeeded."""
        return [pod for pod in self.virtual_pods() if pod["status"]["phase"] in {"Failed", "Succeeded"}]

    def _pods(self, kind: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.get("pods", f"--selector={_POOL_LABEL}={SLURM_POOL}")["items"]
        return [pod for pod in listed if pod["metadata"]["name"].startswith("wstunnel-") == (kind == "tunnel")]

    def delete_ended_pods(self) -> None:
        """Delete the pods of jobs that ended, as an operator does: each keeps a tunnel pod, and with it CPUs of a node.
        A cancelled job that drained is a pod that succeeded."""
        self._delete_pods_in("status.phase!=Running,status.phase!=Pending")

    def restart_waiting_pods(self) -> None:
        """Delete the pods whose servers have not started, as an operator does who does not wait for a minute."""
        self._delete_pods_in("status.phase=Pending")

    def _delete_pods_in(self, phase: str) -> None:
        which = (f"--selector={_POOL_LABEL}={SLURM_POOL}", f"--field-selector={phase}")
        self.kubectl.run("delete", "pods", *which, f"--namespace={self.namespace}", "--wait=false")

    def tunnel_deployments(self) -> int:
        """Number of tunnels, whether they serve or not."""
        return len(self.get("deployments", "--selector=app.kubernetes.io/managed-by=interlink")["items"])

    def jobs(self) -> dict[str, str]:
        """State of each job that Slurm has not ended, by its id."""
        printed = slurm("squeue", "--noheader", "--format=%i %T")
        return dict(line.split() for line in printed.splitlines())

    def ended_as(self, job: str) -> str:
        """State of a job that Slurm has ended lately."""
        return slurm("squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={job}").strip()

    def drain_seconds(self) -> int:
        """Time before its limit at which a job is asked to drain."""
        flags = self.virtual_pods()[0]["metadata"]["annotations"]["slurm-job.vk.io/flags"]
        (seconds,) = re.findall(r"--signal=B:TERM@(\d+)", flags)
        return int(seconds)

    def scale_nodes(self, servers: int) -> None:
        """Set the servers of the pool of nodes, and wait for them."""
        self.scale(NODE_DEPLOYMENT, servers)
        selector = f"--selector={_POOL_LABEL}={NODE_POOL}"

        def ready() -> list[bool]:
            return [is_ready(pod) for pod in self.get("pods", selector).get("items", [])]

        eventually(
            lambda: ready() == [True] * servers,
            f"{servers} servers on nodes are ready",
            timeout_seconds=SUCCESSOR_SECONDS,
        )
        self._on_nodes = servers

    def balanced(self) -> int:
        """Number of healthy servers that every Envoy has, by Prometheus."""
        found = self.query('min(envoy_cluster_membership_healthy{envoy_cluster_name="servers"})')
        return int(found[0]["value"][1]) if found else 0

    def wait_until_whole(self, *, without: frozenset[str] = frozenset()) -> None:
        """Wait until every server serves through a tunnel and every Envoy has it, and none of some jobs is left."""
        eventually(
            lambda: (
                len(self.tunnels()) == SERVERS
                and self.balanced() == SERVERS + self._on_nodes
                and list(self.jobs().values()) == ["RUNNING"] * SERVERS
                and without.isdisjoint(self.jobs())
            ),
            f"{SERVERS} servers serve",
            timeout_seconds=SUCCESSOR_SECONDS,
        )

    def enough(self, calls: Calls) -> None:
        """Wait until a load is large enough to tell a loss."""
        eventually(lambda: calls.answered >= ENOUGH_CALLS, f"{ENOUGH_CALLS} calls", timeout_seconds=SUCCESSOR_SECONDS)


def slurm(command: str, *arguments: str) -> str:
    """Run a command of Slurm and return what it prints."""
    result = commands.run(command, *arguments)
    result.check_returncode()
    return result.stdout


def kill(job: str) -> None:
    """Kill the processes of a job, as a crash does: `scancel --signal=KILL` would let it drain."""
    for file in Path("/proc").glob("[0-9]*/cgroup"):
        with suppress(OSError):  # one that ended meanwhile
            if f"/job_{job}/step_" in file.read_text():
                os.kill(int(file.parent.name), signal.SIGKILL)


def end_in(job: str, *, seconds: float) -> None:
    """Move the time limit of a running job."""
    slurm("scontrol", "update", f"JobId={job}", f"EndTime={slurm_time(seconds)}")
