"""`up` when its engine, its provider, its state or the API server fails half-way, and when there are two.

The program is a ConfigMap, a Deployment whose pod is scheduled only once the test opens a gate, and a ConfigMap after
it: while the engine waits for the Deployment, it has done one thing, is doing another, and has the third before it.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from devcluster.addresses import NODE_NAME
from devcluster.errors import DevClusterError
from devcluster.images.catalog import PAUSE
from devcluster.pulumi_recovery import delete_half_created
from devcluster.supervisor import Supervisor
from testbed.polling import eventually
from tests.support.chaos import Fault
from tests.support.dev_cluster import Cluster
from tests.support.plugin_stack import PluginStack, resource
from tests.support.pulumi_cli import PulumiProject

pytestmark = pytest.mark.engine

WAITING = "app ReplicaSet"
"""In the plugin's message while it waits for the pods of a Deployment."""

PROVIDER_NOTICES_SECONDS = 3
"""Until a provider whose engine was killed has ended, and makes nothing more."""


class Gate:
    """A label of the node that lets the held Deployment be scheduled: `open` lets `up` go on."""

    def __init__(self, stack: PluginStack) -> None:
        self.label = f"gate-{stack.namespace}"
        self._kubectl = stack.kubectl

    def open(self) -> None:
        self._kubectl.run("label", "node", NODE_NAME, f"{self.label}=open", "--overwrite")

    def remove(self) -> None:
        self._kubectl.run("label", "node", NODE_NAME, f"{self.label}-")


@pytest.fixture
def gate(stack: PluginStack) -> Iterator[Gate]:
    made = Gate(stack)
    yield made
    made.remove()


@pytest.fixture
def project(stack: PluginStack, gate: Gate) -> PulumiProject:
    labels = {"app": "held"}
    pod = {
        "nodeSelector": {gate.label: "open"},
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "main", "image": PAUSE.reference, "imagePullPolicy": "Never"}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    held = {"selector": {"matchLabels": labels}, "template": template}
    return stack.declare(
        resource("before", "v1", "ConfigMap", data={"a": "1"}),
        resource("held", "apps/v1", "Deployment", metadata={"name": "held"}, spec=held, depends_on=["before"]),
        resource("after", "v1", "ConfigMap", data={"a": "2"}, depends_on=["held"]),
    )


def converges(stack: PluginStack, project: PulumiProject) -> None:
    """The next `up` makes what is missing, and nothing is there twice or left over."""
    project.up()
    project.run("preview", "--refresh", "--expect-no-changes")
    found = [
        item["metadata"]["name"].partition("-")[0]
        for kind in ("configmaps", "deployments")
        for item in stack.kubectl.get(kind, f"--namespace={stack.namespace}")["items"]
        if item["metadata"]["name"] != "kube-root-ca.crt"
    ]
    assert sorted(found) == ["after", "before", "held"]


def forget_what_was_half_created(project: PulumiProject, cluster: Cluster) -> None:
    """What docs/chaos.md tells an operator to do."""
    export = json.loads(project.run("stack", "export", merge_stderr=False).output)
    if delete_half_created(export, cluster.kubectl):
        project.refresh("--clear-pending-creates")


@pytest.mark.chaos(Fault.ENGINE_KILLED)
@pytest.mark.parametrize("step", ["ConfigMap before creating", WAITING, "ConfigMap after creating"])
def test_an_engine_killed_at_any_step(
    stack: PluginStack, project: PulumiProject, gate: Gate, cluster: Cluster, step: str
) -> None:
    if step != WAITING:
        gate.open()
    killed = project.disturbed_up(step, lambda engine: engine.kill())
    assert killed.returncode == -signal.SIGKILL
    told = project.up(fails=True).output
    assert "the stack is currently locked by 1 lock(s)" in told
    assert f"@{socket.gethostname()} (pid " in told
    project.run("cancel", "--yes")
    time.sleep(PROVIDER_NOTICES_SECONDS)
    forget_what_was_half_created(project, cluster)
    if step == WAITING:
        gate.open()
    converges(stack, project)


@pytest.mark.chaos(Fault.PROVIDER_KILLED)
def test_a_provider_killed(stack: PluginStack, project: PulumiProject, gate: Gate) -> None:
    """The engine records nothing of the object that was being created; the next `up` adopts it."""

    def kill_provider(engine: "subprocess.Popen[str]") -> None:
        (provider,) = [pid for pid in children(engine.pid) if psutil.Process(pid).name().startswith("pulumi-resource")]
        os.kill(provider, signal.SIGKILL)

    assert project.disturbed_up(WAITING, kill_provider).returncode != 0
    gate.open()
    converges(stack, project)


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in lists for child in file.read_text().split()]


@pytest.fixture
def small_disk(project: PulumiProject) -> Iterator[Path]:
    """The state on a disk of its own."""
    backend = project.directory / ".state"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "state", str(backend)], check=True)
    project.run("stack", "select", "--create", project.stack)
    yield backend
    subprocess.run(["umount", "--lazy", str(backend)], check=True)


@pytest.mark.chaos(Fault.STATE_UNWRITABLE)
def test_a_state_that_cannot_be_written(
    stack: PluginStack, project: PulumiProject, gate: Gate, cluster: Cluster, small_disk: Path
) -> None:
    filling = small_disk / "filling"

    def fill_and_go_on(_: object) -> None:
        with suppress(OSError), filling.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        gate.open()

    failed = project.disturbed_up(WAITING, fill_and_go_on)
    assert failed.returncode != 0
    assert "no space left on device" in failed.output
    assert "before" in project.export(), "what was known is still readable"
    filling.unlink()
    forget_what_was_half_created(project, cluster)
    converges(stack, project)


@pytest.mark.chaos(Fault.TWO_UPS)
def test_the_second_of_two_ups_is_refused_at_once(stack: PluginStack, project: PulumiProject, gate: Gate) -> None:
    refusals: list[str] = []

    def second(first: "subprocess.Popen[str]") -> None:
        refusals.append(project.up(fails=True).output)
        assert f"@{socket.gethostname()} (pid {first.pid})" in refusals[0]
        gate.open()

    assert project.disturbed_up(WAITING, second).returncode == 0
    assert "the stack is currently locked by 1 lock(s)" in refusals[0]
    converges(stack, project)


@pytest.mark.chaos(Fault.API_SERVER)
def test_an_api_server_that_restarts(stack: PluginStack, project: PulumiProject, gate: Gate, cluster: Cluster) -> None:
    def restart(_: object) -> None:
        before = Supervisor().states()["kube-apiserver"].pid
        os.kill(before, signal.SIGKILL)
        eventually(lambda: Supervisor().states()["kube-apiserver"].pid not in {0, before}, "another API server")
        eventually(answers, "it answers", timeout_seconds=120)
        gate.open()

    def answers() -> bool:
        with suppress(DevClusterError):
            return cluster.kubectl.run("get", "--raw=/readyz") == "ok"
        return False

    if project.disturbed_up(WAITING, restart).returncode != 0:
        forget_what_was_half_created(project, cluster)
    converges(stack, project)
