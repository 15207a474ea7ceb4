"""Parts of the Slurm pool are lost, one at a time, while a pool of nodes is behind it: docs/slurm.md, "Lost parts".

No call fails, and the commands of that page make the pool whole again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devcluster.images.catalog import TRITON
from devcluster.slurm import commands
from devcluster.slurm.bastion import BASTION
from devcluster.slurm.bastion import NAMESPACE as INTERLINK
from devcluster.slurm.configuration import PARTITION
from devcluster.slurm.folders import IMAGES
from devcluster.supervisor import Supervisor
from tests.support.chaos import Fault
from tests.support.dev_stack import Calls, eventually
from tests.support.installed_edge import DATA_FOLDER
from tests.support.slurm_stack import SERVERS, VIRTUAL_KUBELET, SlurmStack, kill, slurm

pytestmark = [pytest.mark.live, pytest.mark.slurm, pytest.mark.chaos(Fault.SLURM_PART)]

FURTHER_CALLS = 500
"""A few seconds' calls."""
REFUSALS_CALLS = 1500
"""Calls of a time in which jobs would pile up that are submitted again at once."""


@pytest.fixture(scope="module")
def both_pools(deployed: SlurmStack) -> SlurmStack:
    """The stack with a server on a node behind those in jobs."""
    deployed.scale_nodes(1)
    return deployed


@pytest.fixture
def stack(both_pools: SlurmStack) -> SlurmStack:
    """The stack with every server, and without ended pods, whatever was done to it before."""
    both_pools.delete_ended_pods()
    both_pools.wait_until_whole()
    return both_pools


def go_on(calls: Calls, further: int = FURTHER_CALLS) -> None:
    """Wait until further calls have been answered."""
    wanted = calls.answered + further
    eventually(lambda: calls.answered >= wanted, f"{further} further calls are answered", timeout_seconds=120)


@contextmanager
def scaled_to_none(stack: SlurmStack, deployment: str) -> Iterator[None]:
    """A Deployment of interLink's namespace without a pod."""
    place = f"--namespace={INTERLINK}"
    labels = stack.kubectl.get("deployment", deployment, place)["spec"]["selector"]["matchLabels"]
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    stack.kubectl.run("scale", f"deployment/{deployment}", "--replicas=0", place)
    try:
        stack.kubectl.run("wait", "--for=delete", "pods", f"--selector={selector}", place, "--timeout=120s")
        yield
    finally:
        stack.kubectl.run("scale", f"deployment/{deployment}", "--replicas=1", place)
        stack.kubectl.run("rollout", "status", f"deployment/{deployment}", place, "--timeout=120s")


@contextmanager
def moved_away(path: Path) -> Iterator[None]:
    """A file or link under another name."""
    elsewhere = path.rename(path.with_name(f"{path.name}-away"))
    try:
        yield
    finally:
        elsewhere.rename(path)


@contextmanager
def partition_in_drain() -> Iterator[None]:
    """The partition takes no jobs."""
    slurm("scontrol", "update", f"PartitionName={PARTITION}", "State=DRAIN")
    try:
        yield
    finally:
        slurm("scontrol", "update", f"PartitionName={PARTITION}", "State=UP")


@contextmanager
def without_slurmctld() -> Iterator[None]:
    """Slurm without its controller; at the end it answers again."""
    Supervisor().stop("slurmctld")
    try:
        yield
    finally:
        Supervisor().start("slurmctld")
        eventually(lambda: commands.run("sinfo").returncode == 0, "Slurm answers")


def test_without_the_bastion_the_next_pool_serves_and_the_same_jobs_come_back(stack: SlurmStack) -> None:
    jobs = stack.jobs()
    with stack.load(clients=4, sleep_ms=20) as calls:
        with scaled_to_none(stack, BASTION):
            eventually(lambda: not stack.tunnels(), "no tunnel is left")
            go_on(calls)
        stack.wait_until_whole()
    assert stack.jobs() == jobs


def test_servers_outlive_their_virtual_kubelet(stack: SlurmStack) -> None:
    jobs = stack.jobs()
    with stack.load(clients=4, sleep_ms=20) as calls:
        with scaled_to_none(stack, VIRTUAL_KUBELET):
            go_on(calls)
        go_on(calls)
    assert stack.jobs() == jobs


def test_a_server_that_ends_without_interlinks_api_has_a_successor_once_it_is_back(stack: SlurmStack) -> None:
    lost, kept = stack.jobs()
    with stack.load(clients=4, sleep_ms=20) as calls:
        stack.edge.stop_interlink()
        try:
            kill(lost)
            go_on(calls)
        finally:
            stack.edge.heal_interlink()
        eventually(lambda: bool(stack.ended_pods()), "the lost job's end is known", timeout_seconds=120)
        stack.delete_ended_pods()
        stack.wait_until_whole()
    assert kept in stack.jobs()


def test_in_a_maintenance_of_slurm_servers_go_on_and_refused_jobs_do_not_pile_up(stack: SlurmStack) -> None:
    lost, kept = stack.jobs()
    with stack.load(clients=4, sleep_ms=20) as calls:
        with partition_in_drain():
            kill(lost)
            eventually(lambda: stack.tunnel_deployments() > SERVERS, "a successor was submitted", timeout_seconds=120)
            with without_slurmctld():
                go_on(calls, REFUSALS_CALLS)
            # The pod of the lost job, which has failed, and its successor, which the plugin waits for.
            assert stack.tunnel_deployments() == SERVERS + 1
        stack.delete_ended_pods()
        stack.restart_waiting_pods()
        stack.wait_until_whole()
    assert kept in stack.jobs(), "slurmctld found it again"


def test_without_the_image_new_jobs_fail_slowly_and_running_servers_go_on(stack: SlurmStack) -> None:
    lost, kept = stack.jobs()
    with stack.load(clients=4, sleep_ms=20) as calls:
        with moved_away(IMAGES / TRITON.reference):
            kill(lost)
            eventually(lambda: bool(failing_jobs()), "a successor failed", timeout_seconds=120)
            go_on(calls, REFUSALS_CALLS)
            assert len(failing_jobs()) == 1
        stack.delete_ended_pods()
        stack.restart_waiting_pods()
        stack.wait_until_whole()
    assert kept in stack.jobs()


def failing_jobs() -> list[Path]:
    """Logs of the jobs that say that their server failed."""
    return [
        log for log in DATA_FOLDER.glob("*/job.out") if "sonic: the server failed" in log.read_text(errors="replace")
    ]
