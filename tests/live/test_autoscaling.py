"""KEDA and the HPA do with the ScaledObject what components/autoscaling.py says that they do."""

import json
import time
from collections.abc import Iterator

import pytest

from components.autoscaling import AutoscalingArgs, scaled_object_spec
from tests.support.dev_stack import PROMETHEUS, DevStack, eventually

pytestmark = pytest.mark.live

DECISION_SECONDS = 15
"""Between two decisions of the HPA."""


@pytest.fixture
def dev() -> DevStack:
    return DevStack()


def test_the_scaled_object_is_ready(dev: DevStack) -> None:
    assert dev.condition("Ready") == "True"


def test_servers_come_with_the_load_and_stay_while_nothing_is_known_of_it(dev: DevStack) -> None:
    """Up to the maximum under load; there while Prometheus is away, the load gone; down one by one once it is back."""
    scaling = dev.config.experiment.scaling
    eventually(lambda: dev.replicas() == scaling.servers_min, "the minimum, before the load", timeout_seconds=300)
    try:
        with dev.load(clients=60, sleep_ms=500):
            eventually(lambda: dev.replicas() == scaling.servers_max, "the maximum, under load", timeout_seconds=120)
            dev.scale(PROMETHEUS, 0)
        eventually(lambda: dev.condition("Fallback") == "True", "the fallback", timeout_seconds=150)
        assert dev.condition("Ready") == "True"
        # Had silence been taken for no load, servers would go by now.
        time.sleep(scaling.scale_down_wait_seconds + 2 * DECISION_SECONDS)
        assert dev.replicas() == scaling.servers_max
    finally:
        dev.scale(PROMETHEUS, 1)
    eventually(lambda: dev.condition("Fallback") == "False", "the end of the fallback", timeout_seconds=150)
    back = time.monotonic()
    seen = [dev.replicas()]
    while seen[-1] > scaling.servers_min:
        assert time.monotonic() < back + 400, f"awaited for 400 s: the minimum; seen {seen}"
        time.sleep(1)
        replicas = dev.replicas()
        if replicas != seen[-1]:
            seen.append(replicas)
    assert seen == list(range(scaling.servers_max, scaling.servers_min - 1, -1)), "one at a time"


@pytest.fixture
def empty_namespace(dev: DevStack) -> Iterator[str]:
    name = "test-autoscaling"
    dev.kubectl.run("create", "namespace", name)
    yield name
    dev.kubectl.run("delete", "namespace", name, "--wait=true", "--timeout=120s")


def test_without_any_metric_the_minimum_stands(dev: DevStack, empty_namespace: str) -> None:
    """A fresh stack: the servers are not scraped yet, and the Deployment was made with one."""
    (share,) = dev.config.pool_shares
    args = AutoscalingArgs(
        instance="idle",
        namespace=empty_namespace,
        share=share._replace(servers_min=3, servers_max=5),
        scaling=dev.config.experiment.scaling,
        deployment_name="idle",
        prometheus_url=f"http://{PROMETHEUS}.{dev.namespace}.svc.cluster.local:9090",
    )
    labels = {"app": "idle"}
    pod = {"containers": [{"name": "pause", "image": "localhost/sonic-dev/pause:1"}]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "idle", "namespace": empty_namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }
    scaled_object = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "idle", "namespace": empty_namespace},
        "spec": scaled_object_spec(args),
    }
    for manifest in (deployment, scaled_object):
        dev.kubectl.apply(json.dumps(manifest))

    def replicas() -> int:
        return int(dev.kubectl.get("deployment", "idle", f"--namespace={empty_namespace}")["spec"]["replicas"])

    eventually(lambda: replicas() == 3, "the minimum", timeout_seconds=120)
    eventually(
        lambda: dev.condition("Fallback", empty_namespace, "idle") == "True", "the fallback", timeout_seconds=180
    )
    assert replicas() == 3
