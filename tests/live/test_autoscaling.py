"""KEDA and the HPA do with the ScaledObject what components/autoscaling.py says that they do."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from acceptance.client import TritonClient
from acceptance.kserve import CallError
from acceptance.waking import wake
from components.autoscaling import AutoscalingArgs, scaled_object_spec
from components.pod import deployment_pod_pattern
from tests.support.chaos import Fault
from tests.support.dev_stack import PROMETHEUS, DevStack, eventually

pytestmark = pytest.mark.live

DECISION_SECONDS = 15
"""Between two decisions of the HPA."""
KNOWN_SECONDS = 300
"""More than the two minutes of a rate, the start of Prometheus, and KEDA's look each 30 s."""
FRESH = "test-autoscaling"
"""Namespace, Deployment and ScaledObject of a pool that is never scraped."""


@pytest.fixture
def dev() -> DevStack:
    return DevStack()


def _args(dev: DevStack) -> AutoscalingArgs:
    """Return the arguments of the stack's autoscaler."""
    pool = dev.server_pool
    assert pool.scale_target
    return AutoscalingArgs(
        pool=pool,
        target=pool.scale_target,
        scaling=dev.config.experiment.scaling,
        envoy_pattern="sonic-demo-envoy-.+",
        prometheus_url=f"http://{PROMETHEUS}.{dev.namespace}.svc.cluster.local:9090",
    )


@pytest.fixture(scope="module", autouse=True)
def fresh_pool() -> Iterator[None]:
    """Stands from the first test on, so that the minute until KEDA asks for its metric passes beside the others'."""
    dev = DevStack()
    stacks = _args(dev)
    pool = replace(
        stacks.pool,
        metrics=replace(stacks.pool.metrics, namespace=FRESH),
        pod_pattern=deployment_pod_pattern(FRESH),
    )
    target = replace(stacks.target, namespace=FRESH, name=FRESH, servers_min=3, servers_max=5)
    args = replace(stacks, pool=pool, target=target)
    metadata, labels = {"name": FRESH, "namespace": FRESH}, {"app": FRESH}
    pod = {
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "pause", "image": "localhost/sonic-dev/pause:1"}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    manifests = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": FRESH}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": metadata,
            "spec": scaled_object_spec(args),
        },
    ]
    for manifest in manifests:
        dev.kubectl.apply(json.dumps(manifest))
    yield
    dev.kubectl.run("delete", "namespace", FRESH, "--wait=false")


def test_the_scaled_object_is_ready(dev: DevStack) -> None:
    eventually(lambda: dev.condition("Ready") == "True", "KEDA has all metrics", timeout_seconds=KNOWN_SECONDS)


def test_servers_come_with_the_load_and_stay_while_nothing_is_known_of_it(dev: DevStack) -> None:
    """Up to the maximum under load; there while Prometheus is away and when it is back; down by one without load."""
    scaling = dev.config.experiment.scaling
    eventually(lambda: dev.replicas() == scaling.servers_min, "the minimum, before the load", timeout_seconds=300)
    try:
        with dev.load(clients=60, sleep_ms=500):
            eventually(lambda: dev.replicas() == scaling.servers_max, "the maximum, under load", timeout_seconds=120)
        # None of these waits: the servers stay because they are busy.
        with dev.load(clients=scaling.servers_max - 1, sleep_ms=500):
            dev.scale(PROMETHEUS, 0)
            away = time.monotonic()
            eventually(lambda: dev.condition("Ready") == "False", "KEDA says so", timeout_seconds=150)
            # Had silence been taken for no load, servers would go within this time.
            time.sleep(max(0.0, away + scaling.scale_down_wait_seconds + 2 * DECISION_SECONDS - time.monotonic()))
            assert dev.replicas() == scaling.servers_max
            dev.scale(PROMETHEUS, 1)
            # Had its few samples been taken for servers that were idle before, one would go at once.
            eventually(
                lambda: dev.replicas() < scaling.servers_max or dev.condition("Ready") == "True",
                "KEDA has the metric again",
                timeout_seconds=KNOWN_SECONDS,
            )
            time.sleep(2 * DECISION_SECONDS)
            assert dev.replicas() == scaling.servers_max
    finally:
        dev.scale(PROMETHEUS, 1)
    eventually(lambda: dev.replicas() < scaling.servers_max, "one server less", timeout_seconds=300)
    fewer = time.monotonic()
    assert dev.replicas() == scaling.servers_max - 1
    eventually(lambda: dev.replicas() < scaling.servers_max - 1, "and another", timeout_seconds=180)
    assert time.monotonic() - fewer > scaling.scale_down_period_seconds - 2 * DECISION_SECONDS


def test_the_first_client_of_a_stack_without_a_server_is_served(dev: DevStack) -> None:
    """Refused with a status to ask again, and answered by the server that KEDA starts for it."""
    with _from_zero(dev):
        eventually(lambda: not dev.pods("triton"), "no server, without requests", timeout_seconds=420)
        assert dev.condition("Ready") == "True"
        with TritonClient(dev.endpoint, tls=False) as client:
            with pytest.raises(CallError, match=r"^UNAVAILABLE"):
                client.server_live()
            wake(client, patience_seconds=180, tell=print)
            assert client.server_live()
        assert dev.replicas() == 1
    minimum = dev.config.experiment.scaling.servers_min
    eventually(lambda: len(dev.ready_pod_names("triton")) >= minimum, "the minimum again", timeout_seconds=180)


@contextmanager
def _from_zero(dev: DevStack) -> Iterator[None]:
    """The stack's ScaledObject as it is with a minimum of 0."""
    args = _args(dev)
    before = dev.get("scaledobject", dev.deployment)["spec"]
    changed = scaled_object_spec(replace(args, target=replace(args.target, servers_min=0)))
    try:
        _patch(dev, changed)
        yield
    finally:
        _patch(dev, {**dict.fromkeys(changed), **before})


def _patch(dev: DevStack, spec: Mapping[str, Any]) -> None:
    place = f"--namespace={dev.namespace}"
    dev.kubectl.run(
        "patch", "scaledobject", dev.deployment, place, "--type=merge", f"--patch={json.dumps({'spec': spec})}"
    )


@pytest.mark.chaos(Fault.PROMETHEUS)
def test_without_any_metric_the_minimum_stands(dev: DevStack) -> None:
    """A fresh stack: its servers are not scraped yet, and the Deployment was made with one."""

    def replicas() -> int:
        return int(dev.kubectl.get("deployment", FRESH, f"--namespace={FRESH}")["spec"]["replicas"])

    eventually(lambda: replicas() == 3, "the minimum", timeout_seconds=120)
    eventually(lambda: dev.condition("Ready", FRESH, FRESH) == "False", "KEDA says so", timeout_seconds=180)
    time.sleep(2 * DECISION_SECONDS)
    assert replicas() == 3
