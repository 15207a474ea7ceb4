"""Spec of the ScaledObject, checked against KEDA's own CRD."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from components.autoscaling import AutoscalingArgs, scaled_object_spec
from components.server_pool import Queue
from components.triton import server_pool
from tests.support.configs import stack_config
from tests.support.pool_args import pool_args
from tests.support.tools import tool


def args(**scaling: float | str) -> AutoscalingArgs:
    config = stack_config(experiment={"scaling": {"servers_min": 2, "servers_max": 4, **scaling}})
    pool = server_pool(pool_args(config))
    assert pool.scale_target
    return AutoscalingArgs(
        pool=pool,
        target=pool.scale_target,
        scaling=config.experiment.scaling,
        envoy_pattern="sonic-demo-envoy-.+",
        prometheus_url="http://prometheus:9090",
    )


def test_a_server_is_added_for_each_target_of_waiting_work_and_beside_busy_ones() -> None:
    thresholds = {
        trigger["name"]: trigger["metadata"]["threshold"]
        for trigger in scaled_object_spec(args(queue_target_ms=250.0))["triggers"]
    }
    assert thresholds == {"waiting-work": "250.0", "busy-servers": "0.75"}


def test_the_triggers_ask_for_a_load_per_server_and_take_silence_for_an_error() -> None:
    for trigger in scaled_object_spec(args())["triggers"]:
        assert trigger["metricType"] == "AverageValue"
        assert trigger["metadata"]["ignoreNullValues"] == "false"


def test_what_the_experiment_says_of_its_servers_is_in_the_queries() -> None:
    work, busy = scaled_object_spec(args(service_time_ms=12.5, queue_target_ms=100, executions_per_server=3))[
        "triggers"
    ]
    assert "* 12.5" in work["metadata"]["query"]
    assert ", 20)" in work["metadata"]["query"], "five requests that wait ask for a server, however long they take"
    assert "/ 3" in busy["metadata"]["query"]


def test_the_range_is_the_share_of_the_pool_and_lost_metrics_leave_the_number_alone() -> None:
    spec = scaled_object_spec(args())
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 4)
    assert "fallback" not in spec, "KEDA 2.16 would set its number of servers at the first error"


def test_up_at_once_and_down_by_four_after_the_wait() -> None:
    behavior = scaled_object_spec(args(scale_down_wait_seconds=300))["advanced"]["horizontalPodAutoscalerConfig"][
        "behavior"
    ]
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] == 300
    assert behavior["scaleDown"]["policies"] == [{"type": "Pods", "value": 4, "periodSeconds": 60}]


@pytest.mark.parametrize(("wait_seconds", "kept_seconds"), [(30, 300), (600, 600), (7200, 3600)])
def test_a_server_of_a_queue_is_kept_as_long_as_the_next_one_waits(wait_seconds: int, kept_seconds: int) -> None:
    plain = args(scale_down_wait_seconds=300)
    queue = Queue(virtual_node="interlink-hammer", wait_seconds=wait_seconds, start_seconds=120)
    spec = scaled_object_spec(replace(plain, pool=replace(plain.pool, queue=queue)))
    scale_down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert scale_down["stabilizationWindowSeconds"] == kept_seconds


def test_a_site_that_lends_gpus_adds_servers_one_by_one() -> None:
    scaling = {"scale_up_wait_seconds": 30, "scale_up_servers": 1, "scale_up_period_seconds": 45}
    spec = scaled_object_spec(args(**scaling, scale_down_servers=2, scale_down_period_seconds=30))
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 30
    assert behavior["scaleUp"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 45}]
    assert behavior["scaleDown"]["policies"] == [{"type": "Pods", "value": 2, "periodSeconds": 30}]


def test_with_a_server_at_least_the_hpa_alone_decides() -> None:
    assert not {"pollingInterval", "cooldownPeriod"} & scaled_object_spec(args()).keys()


def test_a_pool_without_a_server_wakes_for_requests_that_envoy_refuses() -> None:
    none = args(scale_down_wait_seconds=900)
    spec = scaled_object_spec(replace(none, target=replace(none.target, servers_min=0)))
    assert spec["minReplicaCount"] == 0
    assert (spec["pollingInterval"], spec["cooldownPeriod"]) == (5, 900)
    names = [trigger["name"] for trigger in spec["triggers"]]
    assert names == ["waiting-work", "busy-servers", "refused-requests"]
    assert _refusals(spec) == []


def test_an_own_query_and_its_threshold_replace_those_of_the_program() -> None:
    query = 'sum(rate(envoy_cluster_upstream_rq_time_sum{namespace="{namespace}",pod=~"{envoys}"}[1m])) / 1e3\n'
    (trigger,) = scaled_object_spec(args(query=f'{query}+ sum(up{{pod=~"{{pods}}"}})\n', threshold=2.0))["triggers"]
    pool = args().pool
    assert trigger["metadata"]["query"] == (
        'sum(rate(envoy_cluster_upstream_rq_time_sum{namespace="sonic-demo",pod=~"sonic-demo-envoy-.+"}[1m])) / 1e3\n'
        f'+ sum(up{{pod=~"{pool.pod_pattern}"}})'
    )
    assert trigger["metadata"]["threshold"] == "2.0"
    assert _refusals(scaled_object_spec(args(query=query, threshold=2.0))) == []


def test_keda_takes_every_field() -> None:
    assert _refusals(scaled_object_spec(args())) == []


def test_a_field_that_keda_does_not_know_would_be_noticed() -> None:
    spec = scaled_object_spec(args())
    misspelt = {**spec, "advanced": {**spec["advanced"], "scalingModifier": {}}}
    assert _refusals(misspelt) == ["Additional properties are not allowed ('scalingModifier' was unexpected)"]


def _refusals(spec: Mapping[str, Any]) -> list[str]:
    """Why the schema of KEDA's CRD refuses a spec; the API server would drop unknown fields without a word."""
    crd = yaml.safe_load((tool("keda-manifests") / "crd/bases/keda.sh_scaledobjects.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return [error.message for error in Draft202012Validator(_closed(schema)).iter_errors(spec)]


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    return {**closed, "additionalProperties": False} if isinstance(schema.get("properties"), dict) else closed
