"""The dev stack while its model repository is away, and while its node's kubelet is: nobody loses a call."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from devcluster.addresses import NODE_NAME
from devcluster.supervisor import Supervisor
from tests.support.chaos import Fault
from tests.support.dev_stack import DevStack, eventually

pytestmark = pytest.mark.live

KUBELET_AWAY_SECONDS = 20
"""Less than the 50 s after which Kubernetes takes the pods of a silent node out of their Services."""
WITHOUT_MODELS_SECONDS = 15
"""Much longer than a server takes to start with its models."""


@pytest.fixture
def dev() -> DevStack:
    """The stack with every server ready, whatever was done to it before."""
    stack = DevStack()
    eventually(
        lambda: (
            len(stack.ready_pod_names("triton")) >= stack.config.experiment.scaling.servers_min
            and len(stack.ready_pod_names("envoy")) == stack.config.site.proxy.replicas
        ),
        "servers and Envoys are ready",
        timeout_seconds=180,
    )
    return stack


@contextmanager
def hanging(name: str) -> Iterator[None]:
    """A daemon of the cluster that does nothing for a while."""
    pid = Supervisor().states()[name].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def lives(dev: DevStack) -> dict[str, int]:
    """Of each container of Triton and Envoy: how often it was restarted."""
    pods: list[dict[str, Any]] = dev.pods("triton") + dev.pods("envoy")
    containers = [(pod, status) for pod in pods for status in pod["status"]["containerStatuses"]]
    return {f"{pod['metadata']['uid']} {status['name']}": status["restartCount"] for pod, status in containers}


def heartbeat(dev: DevStack) -> str:
    """When the kubelet was last heard."""
    lease = dev.kubectl.get("lease", NODE_NAME, "--namespace=kube-node-lease")
    return str(lease["spec"]["renewTime"])


@pytest.mark.chaos(Fault.NODE_LOST)
def test_pods_serve_on_without_their_kubelet(dev: DevStack) -> None:
    before = lives(dev)
    with dev.load(clients=4, sleep_ms=20):
        with hanging("kubelet"):
            silent_since = heartbeat(dev)
            time.sleep(KUBELET_AWAY_SECONDS)
            assert heartbeat(dev) == silent_since
        os.kill(Supervisor().states()["kubelet"].pid, signal.SIGKILL)
        eventually(lambda: heartbeat(dev) > silent_since, "the kubelet is back", timeout_seconds=60)
        time.sleep(5)
    assert {container: lives(dev).get(container) for container in before} == before


@pytest.mark.chaos(Fault.MODEL_REPOSITORY)
def test_a_rollout_stops_while_the_models_are_away(dev: DevStack) -> None:
    """The first new server never becomes ready, so none of the old ones is stopped."""
    old = dev.ready_pod_names("triton")
    deployment, place = f"deployment/{dev.deployment}", f"--namespace={dev.namespace}"

    def none_but_old_ones_serve() -> bool:
        """The autoscaler may take some away, down to the minimum."""
        ready = dev.ready_pod_names("triton")
        return ready <= old and len(ready) >= dev.config.experiment.scaling.servers_min

    def new() -> set[str]:
        """Servers that run, and did not before."""
        running = {pod["metadata"]["name"] for pod in dev.pods("triton") if pod["status"]["phase"] == "Running"}
        return running - old

    with dev.load(clients=4, sleep_ms=20), hanging("s3"):
        dev.kubectl.run("rollout", "restart", deployment, place)
        try:
            eventually(lambda: bool(new()), "a new server runs", timeout_seconds=60)
            time.sleep(WITHOUT_MODELS_SECONDS)
            assert none_but_old_ones_serve()
        finally:
            dev.kubectl.run("rollout", "undo", deployment, place)
    eventually(lambda: not new(), "the new server is gone", timeout_seconds=180)
    assert none_but_old_ones_serve()
