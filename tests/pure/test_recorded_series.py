"""Recorded series of a stack, computed by promtool from series as Triton, Envoy and the agent export them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from components.monitoring.rules import groups
from tests.support.alert_cases import CLUSTER, OF_POOL, of_envoy
from tests.support.rule_tests import INSTANCE, RuleTest, facts, run, series_of
from tests.support.stacks import STACKS, rules_of

OWN = f'experiment="demo",sonic_instance="{INSTANCE}"'
OF_GPU, OF_HAMMER = (f'{OWN},pool="{pool}"' for pool in ("gpu", "hammer"))


class Values(NamedTuple):
    """Series, and the recorded ones that they make."""

    interval_seconds: int
    series: Mapping[str, str]
    """Series -> samples."""
    at: str
    """Time at which the recorded ones are compared."""
    expected: Sequence[tuple[str, float, str]]
    """Recorded series without labels that every one has, its value, and its labels; without labels: there is none."""


def of_server(name: str, pod: str, **labels: str) -> str:
    """Return a series of a server."""
    return series_of(name, namespace="sonic-demo", pod=pod, **labels)


def of_model(pod: str, model: str, *, requests: int, batch: int, ms: Mapping[str, int]) -> dict[str, str]:
    """Return the counters of a model, by requests from one sample to the next, their batches and their times."""

    def counter(name: str, grown: float) -> dict[str, str]:
        return {of_server(f"nv_inference_{name}", pod, model=model, version="1"): f"0+{grown:g}x90"}

    found = {**counter("request_success", requests), **counter("exec_count", requests / batch)}
    for name, each in ms.items():
        found |= counter(f"{name}_duration_us", requests * each * 1000)
    return found


TIMES = {"queue": 50, "compute_input": 10, "compute_infer": 100, "compute_output": 10}
"""Milliseconds of each request."""
TENTH = {"compute_input": 20, "compute_infer": 70, "compute_output": 10}
"""Milliseconds of a request that takes a tenth of a second."""
LOAD = {
    # Two requests a second in batches of two. A batch takes 120 ms, so 0.12 of them are in progress.
    **of_model("triton-gpu-a", "m", requests=30, batch=2, ms=TIMES),
    **of_model("triton-gpu-a", "idle", requests=0, batch=1, ms=TIMES),
    of_server("nv_inference_request_failure", "triton-gpu-a", model="m", version="1", reason="REJECTED"): "0+15x90",
    of_server("nv_inference_pending_request_count", "triton-gpu-a", model="m", version="1"): "3x90",
    of_server("nv_inference_pending_request_count", "triton-gpu-b", model="m", version="1"): "4x90",
    of_server("up", "triton-gpu-a", instance="10.0.0.1:8002"): "1x90",
    of_server("up", "triton-gpu-b", instance="10.0.0.2:8002"): "1x90",
    of_server("up", "triton-gpu-c", instance="10.0.0.3:8002"): "0x90",
    **{
        of_envoy(
            "cluster_endpoint_healthy",
            envoy,
            **CLUSTER,
            envoy_endpoint_address=f"10.0.0.{server}:8001",
            envoy_endpoint_hostname="gpu.example",
        ): f"{healthy}x90"
        for envoy, server, healthy in (("envoy-a", 1, 1), ("envoy-a", 2, 1), ("envoy-b", 1, 0), ("envoy-b", 2, 1))
    },
    of_server("up", "envoy-a", instance="10.0.1.1:9902"): "1x90",
}
TWO_SERVERS_ON_ONE_GPU = {
    of_server(metric, f"triton-gpu-{pod}", gpu_uuid=gpu): values
    for pod, gpu in (("a", "G1"), ("b", "G1"), ("c", "G2"))
    for metric, values in (("nv_gpu_utilization", "0.5x90"), ("nv_energy_consumption", "0+6000x90"))  # 100 W each
}
BUSY = {
    series_of("sonic_slurm_gpu_seconds_total", **OF_POOL): "0+60x90",
    of_server("nv_energy_consumption", "tunnel-a", gpu_uuid="G"): "0+6000x90",
    # 300 executions, 30 s a minute, beside 10 s a minute
    **of_model("tunnel-a", "batched", requests=1200, batch=4, ms=TENTH),
    **of_model("tunnel-a", "single", requests=100, batch=1, ms=TENTH),
    **of_model("tunnel-a", "idle", requests=0, batch=1, ms=TENTH),
}
CASES: Mapping[str, Values] = {
    "load of a pool": Values(
        15,
        LOAD,
        "10m",
        (
            ("model:sonic_service_seconds:rate5m", 0.06, f'{OF_GPU},model="m"'),
            ('model:sonic_service_seconds:rate5m{model="idle"}', 0, ""),
            ("model:sonic_requests:rate1m{model='m'}", 2, f'{OF_GPU},model="m"'),
            ("model:sonic_failed_requests:rate1m", 1, f'{OF_GPU},model="m",reason="REJECTED"'),
            ("model:sonic_queue_seconds:rate1m", 0.05, f'{OF_GPU},model="m"'),
            ("model:sonic_compute_seconds:rate1m", 0.12, f'{OF_GPU},model="m"'),
            ("pool:sonic_pending_requests:sum", 7, OF_GPU),
            ("pool:sonic_waiting_seconds:sum", 0.42, OF_GPU),
            ("pool:sonic_busy_servers:sum", 0.12, OF_GPU),
            ('pool:sonic_servers:count{pool="gpu"}', 2, OF_GPU),
            ('pool:sonic_healthy_servers:max{pool="gpu"}', 2, OF_GPU),
            ('pool:sonic_servers:count{pool="hammer"}', 0, OF_HAMMER),
            ('pool:sonic_healthy_servers:max{pool="hammer"}', 0, OF_HAMMER),
        ),
    ),
    "no Envoy tells of health": Values(
        15,
        {of_server("up", "triton-gpu-a"): "1x90"},
        "10m",
        (("pool:sonic_healthy_servers:max", 0, ""), ("pool:sonic_waiting_seconds:sum", 0, "")),
    ),
    "GPU hours of Slurm are those of its jobs": Values(
        60,
        {
            series_of("sonic_slurm_gpu_seconds_total", **OF_POOL): "0+120x90",  # two GPUs
            series_of("sonic_slurm_queue_seconds_total", **OF_POOL): "0+30x90",
        },
        "90m",
        (
            ("pool:sonic_gpu_hours:1h", 2, OF_HAMMER),
            ("pool:sonic_queue_hours:1h", 0.5, OF_HAMMER),
            ("experiment:sonic_gpu_hours:1h", 2, OWN),
            ("experiment:sonic_queue_hours:1h", 0.5, OWN),
        ),
    ),
    "a GPU that two servers share counts once": Values(
        60,
        TWO_SERVERS_ON_ONE_GPU,
        "90m",
        (
            ("pool:sonic_gpus:count", 2, OF_GPU),
            ("pool:sonic_gpu_hours:1h", 2, OF_GPU),
            ("pool:sonic_power_watts:rate5m", 200, OF_GPU),
            ("pool:sonic_energy_kwh:1h", 0.2, OF_GPU),
            ("experiment:sonic_energy_kwh:1h", 0.2, OWN),
        ),
    ),
    "a model has the part of its executions in the hours and the energy of its pool": Values(
        60,
        BUSY,
        "90m",
        (
            ('model:sonic_busy_hours:1h{model="batched"}', 0.5, f'{OF_HAMMER},model="batched"'),
            ('model:sonic_gpu_hours:1h{model="batched"}', 0.75, f'{OF_HAMMER},model="batched"'),
            ('model:sonic_gpu_hours:1h{model="single"}', 0.25, f'{OF_HAMMER},model="single"'),
            ('model:sonic_energy_kwh:1h{model="single"}', 0.025, f'{OF_HAMMER},model="single"'),
            ('model:sonic_gpu_hours:1h{model="idle"}', 0, ""),
        ),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_recorded_values(case: str, tmp_path: Path) -> None:
    """Values are rounded, since `increase` extrapolates."""
    values = CASES[case]
    expected = [
        {
            "expr": f"round({record}, 0.001)",
            "eval_time": values.at,
            "exp_samples": [{"labels": f"{{{labels}}}", "value": value}] if labels else [],
        }
        for record, value, labels in values.expected
    ]
    run(tmp_path, facts(), RuleTest(case, values.series, expected), interval_seconds=values.interval_seconds)


def records_of(rule_groups: list[dict[str, Any]]) -> set[str]:
    return {rule["record"] for group in rule_groups for rule in group["rules"] if "record" in rule}


def test_every_recorded_series_of_every_stack_is_computed_here() -> None:
    computed = {record.partition("{")[0] for case in CASES.values() for record, _, labels in case.expected if labels}
    recorded = records_of(groups(facts())).union(*(records_of(rules_of(stack)) for stack in STACKS))
    print("\n".join(sorted(recorded)))
    assert recorded == computed
