"""One side in the cluster, observed and changed by kubectl."""

import os
import signal
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.cluster.deployed_sides import Side
from benchmarks.errors import BenchmarkError
from devcluster.kubectl import Kubectl
from devcluster.wait import wait_until

Manifest = Mapping[str, Any]

_METRICS_PATH = "/stats/prometheus?filter=membership_healthy"
_POLL_SECONDS = 1.0
_RESTART_PATIENCE_SECONDS = 60.0
_PROC = Path("/proc")
_PROGRAM = "tritonserver"
CRASH_MS, CRASH_FILE = -9.0, "/tmp/sleep-identity-crash"  # noqa: S108  # of models/sleep_identity
"""Sleep of a request that asks for the end of its server, and the file by which the model tells it."""


class Release:
    """The Deployments of a side.

    Args:
        kubectl: as the cluster's administrator.
        side: whose.
    """

    def __init__(self, kubectl: Kubectl, side: Side) -> None:
        self._kubectl = kubectl
        self._side = side
        self._in_namespace = f"--namespace={side.namespace}"

    def restart_servers(self) -> None:
        """Replace every server, as a changed pod template does."""
        self._restart(self._side.servers)

    def restart_envoys(self) -> None:
        """Replace every Envoy, as a changed pod template does."""
        self._restart(self._side.envoys)

    def scale(self, servers: int) -> None:
        """Set the number of servers, as an autoscaler does."""
        self._kubectl.run("scale", f"deployment/{self._side.servers}", f"--replicas={servers}", self._in_namespace)

    def crash_server(self) -> None:
        """`kill -9` of the Triton process of one pod, from the node; returns when the kubelet has restarted it.

        The one that was restarted least: the kubelet waits before it restarts a container a second time.

        Raises:
            DevClusterError: the kubelet does not restart it.
        """
        victim = min(self.pods(self._side.servers), key=restarts)
        os.kill(_pid_in(victim), signal.SIGKILL)
        name = victim["metadata"]["name"]
        wait_until(
            lambda: restarts(self._kubectl.get("pod", name, self._in_namespace)) > restarts(victim),
            f"the kubelet to restart pod {name}",
            timeout_seconds=_RESTART_PATIENCE_SECONDS,
            interval_seconds=_POLL_SECONDS,
        )

    def restarts(self) -> int:
        """Return the restarts of all servers."""
        return sum(map(restarts, self.pods(self._side.servers)))

    @contextmanager
    def crashing(self) -> Iterator[None]:
        """`kill -9` each server in which a request asks for it, from the node, within about 10 ms."""
        files = {_PROC / str(pid) / f"root{CRASH_FILE}": pid for pid in map(_pid_in, self.pods(self._side.servers))}
        ended = threading.Event()

        def watch() -> None:
            while files and not ended.wait(0.01):
                for file in [file for file in files if file.exists()]:
                    file.unlink()
                    os.kill(files.pop(file), signal.SIGKILL)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def pods(self, deployment: str) -> list[Manifest]:
        """Return every pod of a Deployment, terminating pods included."""
        return self._pods_of(self._get(deployment))

    def selector(self, deployment: str) -> str:
        """Return the label selector of a Deployment's pods."""
        return _selector(self._get(deployment))

    def server_address(self) -> str:
        """IP address of one of the servers."""
        return str(self.pods(self._side.servers)[0]["status"]["podIP"])

    def unrest(self, servers: int) -> str:
        """Return the change in progress, in words; empty if so many servers are ready and every Envoy knows them."""
        pods: list[Manifest] = []
        for name, count in ((self._side.servers, servers), (self._side.envoys, None)):
            deployment = self._get(name)
            pods = self._pods_of(deployment)
            if not at_rest(deployment, pods, deployment["spec"]["replicas"] if count is None else count):
                return f"{self._side.namespace}/{name} to come to rest with {len(pods)} pods"
        # The last of them are the Envoys'.
        if any(self.members(str(pod["status"]["podIP"])) != servers for pod in pods):
            return f"every Envoy of {self._side.name} to know {servers} healthy servers"
        return ""

    def _pods_of(self, deployment: Manifest) -> list[Manifest]:
        listed = self._kubectl.get("pods", f"--selector={_selector(deployment)}", self._in_namespace)
        found: list[Manifest] = listed.get("items", [])
        return found

    def _restart(self, deployment: str) -> None:
        self._kubectl.run("rollout", "restart", f"deployment/{deployment}", self._in_namespace)

    def _get(self, deployment: str) -> Manifest:
        found = self._kubectl.get("deployment", deployment, self._in_namespace)
        if not found:
            msg = f"the cluster has no Deployment {self._side.namespace}/{deployment}: `make down`, then run again"
            raise BenchmarkError(msg)
        return found

    def members(self, address: str) -> int:
        """Return the servers that the Envoy at an address sends requests to; 0 if it does not answer."""
        url = f"http://{address}:{self._side.metrics_port}{_METRICS_PATH}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return healthy_members(answer.read().decode(), self._side.cluster)
        except OSError:
            return 0


def at_rest(deployment: Manifest, pods: Sequence[Manifest], count: int) -> bool:
    """Return True if a Deployment has exactly so many pods, all available, of its newest template, none terminating."""
    status = deployment.get("status", {})
    return bool(
        deployment["spec"]["replicas"] == count == len(pods)
        and status.get("observedGeneration", 0) == deployment["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == status.get("availableReplicas", 0) == count
    )


def _selector(deployment: Manifest) -> str:
    return ",".join(f"{key}={value}" for key, value in deployment["spec"]["selector"]["matchLabels"].items())


def restarts(pod: Manifest) -> int:
    """Return the restarts of all containers of a pod."""
    return sum(container["restartCount"] for container in pod["status"].get("containerStatuses", []))


def healthy_members(metrics: str, cluster: str) -> int:
    """Return the healthy servers of an Envoy, from its metrics in Prometheus' format; 0 if the metric is missing."""
    series = f'envoy_cluster_membership_healthy{{envoy_cluster_name="{cluster}"}} '
    values = [line.removeprefix(series) for line in metrics.splitlines() if line.startswith(series)]
    return int(values[0]) if values else 0


def _pid_in(pod: Manifest) -> int:
    """Id of a pod's Triton process, as the node sees it: its cgroup has the pod's UID in its name."""
    uid = pod["metadata"]["uid"]
    for entry in _PROC.iterdir():
        try:
            if (entry / "comm").read_text().strip() == _PROGRAM and uid in (entry / "cgroup").read_text():
                return int(entry.name)
        except OSError:  # no process, or one that has just ended
            continue
    msg = f"no process of this machine is the {_PROGRAM} of pod {pod['metadata']['name']}: did it end by itself?"
    raise BenchmarkError(msg)
