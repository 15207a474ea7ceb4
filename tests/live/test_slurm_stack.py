"""The stack `dev-slurm`, whose HPC side the installation page leads to: planned ends lose no call of thousands."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
import yaml

from components.virtual_node.agent.janitor import FINDINGS
from devcluster.credentials import KUBECONFIG
from devcluster.slurm import commands
from devcluster.slurm.bastion import NAMESPACE as INTERLINK
from testbed.pods import is_ready
from testbed.slurm_site import slurm_time
from tests.support.dev_cluster import Cluster
from tests.support.dev_stack import Calls, DevStack, eventually
from tests.support.hpc_host import HpcHost
from tests.support.installed_edge import STACK, InstalledEdge
from tests.support.pulumi_cli import PulumiProject, copy_of_the_program, engine_environment

pytestmark = [pytest.mark.live, pytest.mark.slurm]

SERVERS = 2
ENOUGH_CALLS = 3000
SUCCESSOR_SECONDS = 240
"""A drain, a place in the queue, a start, and the probes of a tunnel."""
LIMITS_SECONDS = 30
"""slurmctld compares jobs with their time limits this often (`PERIODIC_TIMEOUT`)."""
POOL = "sonic.fastmachinelearning.org/pool=t4"
DEPLOYMENT = "sonic-slurm-triton-t4"
VIRTUAL_KUBELET = "virtual-node-interlink-dev"


class SlurmStack(DevStack):
    """The stack, its jobs and its tunnels, and the agent of its Slurm."""

    def __init__(self, edge: InstalledEdge) -> None:
        super().__init__(STACK)
        self.edge = edge

    def tunnels(self) -> set[str]:
        """Names of the tunnel pods that are ready."""
        return {pod["metadata"]["name"] for pod in self._pods("tunnel") if is_ready(pod)}

    def virtual_pods(self) -> list[dict[str, Any]]:
        """Virtual pods that are not on their way out."""
        return [pod for pod in self._pods("virtual") if "deletionTimestamp" not in pod["metadata"]]

    def _pods(self, kind: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.get("pods", f"--selector={POOL}")["items"]
        return [pod for pod in listed if pod["metadata"]["name"].startswith("wstunnel-") == (kind == "tunnel")]

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

    def wait_until_whole(self, *, without: frozenset[str] = frozenset()) -> None:
        """Wait until every server serves through a tunnel, and none of some jobs is left."""
        eventually(
            lambda: (
                len(self.tunnels()) == SERVERS
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


def end_in(job: str, *, seconds: float) -> None:
    """Move the time limit of a running job."""
    slurm("scontrol", "update", f"JobId={job}", f"EndTime={slurm_time(seconds)}")


@pytest.fixture(scope="module")
def deployed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmStack]:
    """The stack with two servers, by a Pulumi program and its real plugin, and its HPC side by the page."""
    result = cluster.command("up", "--cluster-only", "--slurm")
    assert result.returncode == 0, result.stderr
    directory = tmp_path_factory.mktemp("program")
    copy_of_the_program(directory)
    file = directory / f"Pulumi.{STACK}.yaml"
    document = yaml.safe_load(file.read_text())
    document["config"]["sonic:override"] = {
        "experiment": {"scaling": {"servers_min": SERVERS, "servers_max": SERVERS}},
    }
    file.write_text(yaml.safe_dump(document))
    project = PulumiProject(directory, engine_environment(KUBECONFIG), STACK)
    with ExitStack() as after:
        host = after.enter_context(HpcHost(tmp_path_factory.mktemp("host"), project.environment))
        edge = InstalledEdge(host, project, cluster.kubectl)
        after.callback(edge.remove)
        edge.install()
        # interLink's plugin repeats one pod's state to whoever asks within ten seconds: others would wait for minutes.
        edge.fault(status_cache_seconds=0)
        after.callback(project.destroy)
        after.callback(project.run, "state", "unprotect", "--all", "--yes")
        project.up()
        edge.check()
        edge.measure()
        project.up()
        yield SlurmStack(edge)


@pytest.fixture
def stack(deployed: SlurmStack) -> SlurmStack:
    """The stack with every server, whatever was done to it before."""
    deployed.wait_until_whole()
    return deployed


def test_the_installation_page_leads_from_an_empty_folder_to_a_pool_that_serves(stack: SlurmStack) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "acceptance", STACK, f"--endpoint={stack.endpoint}"],
        env={**os.environ, **engine_environment(KUBECONFIG)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_scale_down_loses_no_call(stack: SlurmStack) -> None:
    with stack.load(clients=4, sleep_ms=20) as calls:
        stack.scale(DEPLOYMENT, 1)
        eventually(lambda: len(stack.jobs()) == 1, "one job has ended", timeout_seconds=SUCCESSOR_SECONDS)
        stack.enough(calls)
    stack.scale(DEPLOYMENT, SERVERS)


def test_the_agent_replaces_servers_before_their_limit_and_no_call_is_lost(stack: SlurmStack) -> None:
    before = frozenset(stack.jobs())
    with stack.edge.acting_agent(), stack.load(clients=4, sleep_ms=20) as calls:
        for job in before:
            end_in(job, seconds=350)  # less than two turns of a queue wait and a start each, and the margin
        stack.wait_until_whole(without=before)
        stack.enough(calls)
        renewals = [value for name, value in stack.edge.metrics().items() if name.startswith("sonic_agent_renewals_")]
    assert renewals == [1.0]
    assert {stack.ended_as(job) for job in before} == {"COMPLETED"}


def test_a_job_at_its_time_limit_loses_no_call(stack: SlurmStack) -> None:
    """Slurm itself sends the signal. The agent does nothing, as it is installed."""
    job = min(stack.jobs())
    with stack.load(clients=4, sleep_ms=20) as calls:
        end_in(job, seconds=stack.drain_seconds() + LIMITS_SECONDS + 5)
        stack.wait_until_whole(without=frozenset({job}))
        stack.enough(calls)
    assert stack.ended_as(job) == "COMPLETED", "it drained before the limit"


def test_a_replaced_tunnel_pod_loses_no_call(stack: SlurmStack) -> None:
    tunnel = min(stack.tunnels())
    with stack.load(clients=4, sleep_ms=20) as calls:
        stack.kubectl.run("delete", "pod", tunnel, f"--namespace={stack.namespace}", "--wait=false")
        eventually(
            lambda: tunnel not in stack.tunnels() and len(stack.tunnels()) == SERVERS,
            "another tunnel pod is ready",
            timeout_seconds=SUCCESSOR_SECONDS,
        )
        stack.enough(calls)


def test_servers_outlive_their_virtual_kubelet(stack: SlurmStack) -> None:
    jobs = stack.jobs()
    place = f"--namespace={INTERLINK}"
    with stack.load(clients=4, sleep_ms=20) as calls:
        stack.kubectl.run("scale", f"deployment/{VIRTUAL_KUBELET}", "--replicas=0", place)
        stack.enough(calls)
        stack.kubectl.run("scale", f"deployment/{VIRTUAL_KUBELET}", "--replicas=1", place)
        stack.kubectl.run("rollout", "status", f"deployment/{VIRTUAL_KUBELET}", place, "--timeout=120s")
    assert stack.jobs() == jobs


def test_a_killed_job_costs_no_call_that_may_be_sent_again_and_has_a_successor(stack: SlurmStack) -> None:
    job = min(stack.jobs())
    with stack.load(clients=4, sleep_ms=20) as calls:
        slurm("scancel", "--full", "--signal=KILL", job)
        stack.wait_until_whole(without=frozenset({job}))
        stack.enough(calls)


def test_prometheus_knows_by_the_agent_that_slurm_and_kubernetes_answer(stack: SlurmStack) -> None:
    def answering() -> set[str]:
        return {each["metric"]["source"] for each in stack.query("sonic_agent_answered == 1")}

    eventually(lambda: answering() == {"slurm", "kubernetes"}, "Prometheus has read the agent")
    (running,) = stack.query('sonic_slurm_jobs{state="RUNNING"}')
    assert running["metric"].items() >= {"virtual_node": "interlink-dev", "pool": "t4"}.items()
    assert stack.query('ALERTS{alertname=~"SonicSlurmAgent.*"}') == []


def test_the_janitor_leaves_nothing_of_servers_that_ended(stack: SlurmStack) -> None:
    with stack.edge.acting_agent(grace_seconds=0):
        eventually(lambda: len(stack.virtual_pods()) == len(stack.jobs()) == SERVERS, "only pods of jobs are left")
        eventually(lambda: stack.tunnel_deployments() == SERVERS, "only tunnels of jobs are left")
        eventually(lambda: not any(findings(stack.edge.metrics())), "the agent finds nothing more")


def findings(metrics: Mapping[str, float]) -> list[float]:
    return [metrics[f'sonic_janitor_findings{{finding="{kind}"}}'] for kind in FINDINGS]
