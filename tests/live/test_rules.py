"""Rules of the stack's own Prometheus, over the metrics of real servers and Envoys."""

import re
from functools import partial

import pytest

from components.monitoring.rules import groups
from tests.support.dev_stack import DevStack, eventually
from tests.support.rule_tests import facts
from tests.support.stacks import rules_of

pytestmark = pytest.mark.live

OF_GPUS = {"nv_gpu_utilization", "nv_gpu_memory_used_bytes", "nv_gpu_memory_total_bytes", "nv_energy_consumption"}
"""Triton's metrics of GPUs, missing here: `TRITON_ENABLE_METRICS_GPU` in its core/src/metrics.cc."""


@pytest.fixture
def dev() -> DevStack:
    return DevStack()


def test_the_servers_export_every_series_that_a_rule_reads(dev: DevStack) -> None:
    expressions = " ".join(rule["expr"] for group in groups(facts()) for rule in group["rules"])
    read = set(re.findall(r"\bnv_\w+", expressions))
    assert read > OF_GPUS
    assert [name for name in sorted(read - OF_GPUS) if not dev.query(name)] == []
    assert {each["metric"]["reason"] for each in dev.query("nv_inference_request_failure")} >= {"BACKEND", "CANCELED"}


def is_recorded(dev: DevStack, record: str) -> bool:
    return bool(dev.query(record))


def test_every_series_of_the_load_is_recorded(dev: DevStack) -> None:
    (load,) = [group for group in rules_of("dev") if group["name"].endswith("-load")]
    with dev.load(clients=1, sleep_ms=10):
        for record in sorted({rule["record"] for rule in load["rules"]}):
            eventually(partial(is_recorded, dev, record), f"{record} is there", timeout_seconds=90)


@pytest.mark.parametrize("count", ["pool:sonic_servers:count", "pool:sonic_healthy_servers:max"])
def test_prometheus_and_envoy_count_the_same_servers(dev: DevStack, count: str) -> None:
    def agrees() -> bool:
        ready = str(len(dev.ready_pod_names("triton")))
        return [each["value"][1] for each in dev.query(count)] == [ready]

    eventually(agrees, f"{count} is the number of ready servers", timeout_seconds=60)
