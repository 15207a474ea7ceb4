"""What the drain of a node does to pods: it evicts them, one of a kind at a time, and clients lose nothing."""

import json
from typing import Any

import pytest

from devcluster.errors import DevClusterError
from tests.support.chaos import Fault
from tests.support.dev_stack import DevStack, eventually

pytestmark = pytest.mark.live

SUCCESSOR_SECONDS = 180


@pytest.fixture
def dev() -> DevStack:
    """The stack with every server and Envoy ready, and none on its way out."""
    stack = DevStack()
    eventually(
        lambda: whole(stack, "triton") and whole(stack, "envoy"),
        "the stack is whole",
        timeout_seconds=SUCCESSOR_SECONDS,
    )
    return stack


def whole(dev: DevStack, component: str) -> bool:
    """Whether the pods of a part are as many as they should be, and all of them ready."""
    least = {"triton": dev.config.experiment.scaling.servers_min, "envoy": dev.config.site.proxy.replicas}
    return len(dev.pods(component)) == len(dev.ready_pod_names(component)) >= least[component]


def evict(dev: DevStack, pod: str) -> None:
    """Ask for the eviction of a pod, as `kubectl drain` does.

    Raises:
        DevClusterError: the API server refuses it, because of a disruption budget for example.
    """
    eviction: dict[str, Any] = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": dev.namespace},
    }
    place = f"/api/v1/namespaces/{dev.namespace}/pods/{pod}/eviction"
    dev.kubectl.run("create", f"--raw={place}", "--filename=-", stdin=json.dumps(eviction))


@pytest.mark.chaos(Fault.EVICTION)
@pytest.mark.parametrize("component", ["triton", "envoy"])
def test_an_evicted_pod_leaves_without_a_lost_call_and_the_next_one_waits_for_its_successor(
    dev: DevStack, component: str
) -> None:
    first, second, *_ = sorted(dev.ready_pod_names(component))
    with dev.load(clients=4, sleep_ms=20):
        evict(dev, first)
        with pytest.raises(DevClusterError, match="disruption budget"):
            evict(dev, second)
        eventually(
            lambda: first not in {pod["metadata"]["name"] for pod in dev.pods(component)} and whole(dev, component),
            "the evicted pod is gone and its successor ready",
            timeout_seconds=SUCCESSOR_SECONDS,
        )
        assert second in dev.ready_pod_names(component)
