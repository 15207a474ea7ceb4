"""The stack `dev-slurm`, whose HPC side the installation page leads to: planned ends lose no call of thousands."""

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from components.virtual_node.agent.janitor import FINDINGS
from devcluster.credentials import KUBECONFIG
from tests.support.dev_stack import eventually
from tests.support.installed_edge import STACK
from tests.support.pulumi_cli import engine_environment
from tests.support.slurm_stack import SERVERS, SLURM_DEPLOYMENT, SUCCESSOR_SECONDS, SlurmStack, end_in, kill

pytestmark = [pytest.mark.live, pytest.mark.slurm]

LIMITS_SECONDS = 30
"""slurmctld compares jobs with their time limits this often (`PERIODIC_TIMEOUT`)."""


@pytest.fixture(scope="module")
def alone(deployed: SlurmStack) -> SlurmStack:
    """The Slurm pool alone: no other pool hides what it loses."""
    deployed.scale_nodes(0)
    return deployed


@pytest.fixture
def stack(alone: SlurmStack) -> SlurmStack:
    """The stack with every server in a job, whatever was done to it before."""
    alone.wait_until_whole()
    return alone


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
        stack.scale(SLURM_DEPLOYMENT, 1)
        eventually(lambda: len(stack.jobs()) == 1, "one job has ended", timeout_seconds=SUCCESSOR_SECONDS)
        stack.enough(calls)
    stack.scale(SLURM_DEPLOYMENT, SERVERS)


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


def test_a_killed_job_costs_no_call_that_may_be_sent_again_and_has_a_successor(stack: SlurmStack) -> None:
    job = min(stack.jobs())
    with stack.load(clients=4, sleep_ms=20) as calls:
        kill(job)
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
