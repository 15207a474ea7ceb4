"""The stack `dev-slurm` as the benchmarks see it: its servers, their jobs and tunnel pods."""

import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cluster.release import healthy_members
from benchmarks.errors import BenchmarkError
from components import names
from components.envoy.cluster import CLUSTER
from components.envoy.ports import STATS_PORT
from components.labels import JOB_COMPONENT, POOL_LABEL, Labels, instance_selector
from devcluster.kubectl import Kubectl
from devcluster.slurm import commands
from devcluster.slurm.folders import JOBS
from stacks.schema import StackConfig
from stacks.schema.exposure import NodePortExposure
from testbed.pods import is_ready

Manifest = Mapping[str, Any]

TUNNEL_PREFIX = "wstunnel-"
"""First characters of the names that interLink gives to tunnel pods."""
_CALL_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job of Slurm."""

    number: int
    pod_uid: str
    """Uid of its virtual pod, which is the job's name."""
    state: str
    """Slurm's long state, such as `RUNNING`."""

    @property
    def address(self) -> str:
        """Loopback address of its server, as the job's script computes it (components/triton/slurm_job.py)."""
        return f"127.{64 + self.number // 65536 % 64}.{self.number // 256 % 256}.{self.number % 256}"


@dataclass(frozen=True, kw_only=True)
class JobServer:
    """A server that is a job."""

    job: Job
    tunnel_address: str
    """IP address of its tunnel pod."""


class SlurmStack:
    """The deployed stack.

    Args:
        kubectl: as the cluster's administrator.
        config: its configuration.
    """

    def __init__(self, kubectl: Kubectl, config: StackConfig) -> None:
        (share,) = config.pool_shares
        exposure = config.site.exposure
        if not isinstance(exposure, NodePortExposure):
            msg = (
                f"the stack {config.stack} is exposed by {exposure.kind}: the benchmark calls it on a port of the node"
            )
            raise TypeError(msg)
        self.kubectl = kubectl
        self.namespace = config.namespace
        self.deployment = names.join(config.name, "triton", share.pool.name)
        self.target = f"{exposure.hostname}:{exposure.port}"
        """`host:port` that clients call."""
        self.pool_selector = _selector({**instance_selector(config.name), POOL_LABEL: share.pool.name})
        self._envoy_selector = _selector(Labels(instance=config.name, component="envoy").selector)

    def pod_template(self) -> Manifest:
        """Return the template of the virtual pods."""
        found = self.kubectl.get("deployment", self.deployment, f"--namespace={self.namespace}")
        template: Manifest = found["spec"]["template"]
        return template

    def scale(self, servers: int) -> None:
        """Set the number of servers, as an autoscaler does."""
        self.kubectl.run(
            "scale", f"deployment/{self.deployment}", f"--replicas={servers}", f"--namespace={self.namespace}"
        )

    def jobs(self) -> list[Job]:
        """Return the jobs that have not ended.

        Raises:
            BenchmarkError: squeue failed.
        """
        run = commands.run("squeue", "--noheader", "--format=%i %j %T")
        if run.returncode != 0:
            msg = f"`squeue` failed: {run.stderr.strip()}; see `python -m devcluster logs slurmctld`"
            raise BenchmarkError(msg)
        return jobs_of(run.stdout)

    def log_of(self, job: Job) -> Path:
        """Return the file with the output of a job's server; interLink's plugin makes it."""
        return JOBS / f"{self.namespace}-{job.pod_uid}" / "run-triton.out"

    def servers(self) -> list[JobServer]:
        """Return the servers that run and whose tunnel pod is ready."""
        pods = self._pods(self.pool_selector)
        return paired(pods, self.jobs())

    def unrest(self, servers: int) -> str:
        """Return the change in progress, in words; empty if so many servers are ready and every Envoy knows them."""
        pods, jobs = self._pods(self.pool_selector), self.jobs()
        found = paired(pods, jobs)
        if not len(found) == len(jobs) == servers or len(pods) != 2 * servers:
            return f"{servers} servers in jobs, each with its tunnel pod ready"
        if any(self._members(pod) != servers for pod in self._pods(self._envoy_selector)):
            return f"every Envoy to know {servers} healthy servers"
        return ""

    def _pods(self, selector: str) -> list[Manifest]:
        listed = self.kubectl.get("pods", f"--selector={selector}", f"--namespace={self.namespace}")
        found: list[Manifest] = listed.get("items", [])
        return found

    def _members(self, pod: Manifest) -> int:
        address = pod["status"].get("podIP", "")
        url = f"http://{address}:{STATS_PORT}/stats/prometheus?filter=membership_healthy"
        try:
            with urllib.request.urlopen(url, timeout=_CALL_SECONDS) as answer:
                return healthy_members(answer.read().decode(), CLUSTER)
        except (OSError, ValueError):
            return 0


def jobs_of(printed: str) -> list[Job]:
    """Return the jobs of squeue's lines `number name state`."""
    rows = (line.split() for line in printed.splitlines())
    return [Job(number=int(number), pod_uid=name, state=state) for number, name, state in rows]


def paired(pods: Sequence[Manifest], jobs: Sequence[Job]) -> list[JobServer]:
    """Return the servers whose virtual pod is not being deleted, whose job runs, and whose tunnel pod is ready."""
    running = {job.pod_uid: job for job in jobs if job.state == "RUNNING"}
    ready = [pod for pod in pods if is_tunnel(pod["metadata"]["name"]) and is_ready(pod)]
    servers = []
    for pod in pods:
        metadata = pod["metadata"]
        if metadata["labels"].get("app.kubernetes.io/component") != JOB_COMPONENT or "deletionTimestamp" in metadata:
            continue
        own = f"{TUNNEL_PREFIX}{metadata['name']}-{metadata['namespace']}-"
        tunnel = next((each for each in ready if each["metadata"]["name"].startswith(own)), None)
        if tunnel and metadata["uid"] in running:
            servers.append(JobServer(job=running[metadata["uid"]], tunnel_address=tunnel["status"]["podIP"]))
    return servers


def is_tunnel(pod_name: str) -> bool:
    """Return True for the name of a tunnel pod."""
    return pod_name.startswith(TUNNEL_PREFIX)


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())
