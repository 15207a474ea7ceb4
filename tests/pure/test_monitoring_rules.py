"""Rules of a stack, run by promtool over series as the agent and Triton export them."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from components.monitoring.rules import RUNBOOK, RuleFacts, groups
from components.server_pool import Queue
from stacks.resolve import ROOT
from tests.support.server_pools import a_pool
from tests.support.tools import tool

NODE, INSTANCE = "interlink-hammer", "sonic-demo"
HAMMER = a_pool(
    host="hammer",
    name="hammer",
    pod_pattern="tunnel-.*",
    queue=Queue(virtual_node=NODE, wait_seconds=600, start_seconds=300),
)
GPU = a_pool(host="gpu", name="gpu", pod_pattern="triton-gpu-.*")


def facts(**changes: Any) -> RuleFacts:
    defaults: dict[str, Any] = {
        "instance": INSTANCE,
        "experiment": "demo",
        "pools": (GPU, HAMMER),
        "agents": frozenset({NODE}),
    }
    return RuleFacts(**(defaults | changes))


OF_NODE = f'virtual_node="{NODE}"'
OF_POOL = f'sonic_instance="{INSTANCE}",pool="hammer",{OF_NODE}'
HEALTHY = {
    f"up{{{OF_NODE}}}": "1x90",
    f'sonic_agent_answered{{source="slurm",{OF_NODE}}}': "1x90",
    f'sonic_agent_answered{{source="kubernetes",{OF_NODE}}}': "1x90",
    f'sonic_virtual_node_condition{{condition="Ready",{OF_NODE}}}': "1x90",
    f'sonic_virtual_node_condition{{condition="InterlinkConnectivity",{OF_NODE}}}': "1x90",
    f'sonic_janitor_overdue{{finding="orphan-job",{OF_NODE}}}': "0x90",
    f"sonic_slurm_forecast_success{{{OF_POOL}}}": "1x90",
    f"sonic_slurm_queue_wait_seconds{{{OF_POOL}}}": "500x90",
    f'sonic_slurm_ended_jobs_total{{end="early",{OF_POOL}}}': "0x90",
    f'sonic_slurm_jobs{{state="RUNNING",{OF_POOL}}}': "2x90",
    f'sonic_slurm_jobs{{state="PENDING",{OF_POOL}}}': "1x90",
    'nv_inference_request_success{namespace="sonic-demo",pod="tunnel-a",model="m",version="1"}': "0x90",
}
"""Series in samples of one minute, as promtool writes them: value x number of further samples."""


def find(name: str, *parts: str) -> str:
    (found,) = [
        series for series in HEALTHY if series.startswith(f"{name}{{") and all(part in series for part in parts)
    ]
    return found


def run(folder: Path, series: Mapping[str, str], expected: Sequence[Mapping[str, Any]]) -> None:
    """Let promtool compare the results of expressions."""
    (folder / "rules.json").write_text(json.dumps({"groups": groups(facts())}))
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": expected,
    }
    (folder / "test.json").write_text(
        json.dumps({"rule_files": ["rules.json"], "evaluation_interval": "1m", "tests": [test]})
    )
    command = [str(tool("promtool")), "test", "rules", "test.json"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def firing(alerts: set[str], at: str) -> dict[str, Any]:
    """Expect these alerts to fire at a time, and no other."""
    return {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": at,
        "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(alerts)],
    }


CAUSES: tuple[tuple[str, str, set[str]], ...] = (
    (find("up"), "0x90", {"SonicSlurmAgentSilent"}),
    (find("sonic_agent_answered", 'slurm"'), "0x90", {"SonicSlurmDown"}),
    (find("sonic_agent_answered", "kubernetes"), "0x90", {"SonicSlurmAgentLockedOut"}),
    (find("sonic_virtual_node_condition", "Ready"), "0x90", {"SonicVirtualNodeNotReady"}),
    (find("sonic_virtual_node_condition", "Interlink"), "0x90", {"SonicInterlinkDown"}),
    (find("sonic_janitor_overdue"), "3x90", {"SonicSlurmLeftovers"}),
    (find("sonic_slurm_forecast_success"), "0x90", {"SonicSlurmRefusesJobs"}),
    (find("sonic_slurm_queue_wait_seconds"), "601x90", {"SonicSlurmQueueLong"}),
    (find("sonic_slurm_ended_jobs_total"), "0x50 1x40", {"SonicSlurmJobEndedEarly"}),
    (find("sonic_slurm_jobs", "RUNNING"), "0x90", {"SonicSlurmPoolEmpty"}),
    (find("nv_inference_request_success"), "_x90", {"SonicSlurmJobsUnreachable"}),
)


@pytest.mark.parametrize(("series", "values", "alerts"), CAUSES, ids=[f"{name} {values}" for name, values, _ in CAUSES])
def test_one_cause_raises_one_alert(series: str, values: str, alerts: set[str], tmp_path: Path) -> None:
    run(tmp_path, HEALTHY | {series: values}, [firing(alerts, "60m")])


def test_a_pool_that_fills_its_partition_raises_none(tmp_path: Path) -> None:
    """A further job would start when one of its servers ends, and none waits."""
    full = {find("sonic_slurm_queue_wait_seconds"): "7200x90", find("sonic_slurm_jobs", "PENDING"): "0x90"}
    run(tmp_path, HEALTHY | full, [firing(set(), "60m")])


def test_a_healthy_pool_raises_none(tmp_path: Path) -> None:
    run(tmp_path, HEALTHY, [firing(set(), "60m")])


def test_a_cause_of_a_minute_raises_none(tmp_path: Path) -> None:
    broken = {series: values for series, values, _ in CAUSES if not series.startswith("sonic_slurm_ended")}
    run(tmp_path, HEALTHY | broken, [firing(set(), "1m")])


def test_an_agent_that_was_never_read_is_silent(tmp_path: Path) -> None:
    run(tmp_path, {}, [firing({"SonicSlurmAgentSilent"}, "10m")])


def test_slurm_that_does_not_answer_refuses_no_job(tmp_path: Path) -> None:
    """Without an answer there is no forecast either."""
    down = {find("sonic_agent_answered", 'slurm"'): "0x90", find("sonic_slurm_forecast_success"): "0x90"}
    run(tmp_path, HEALTHY | down, [firing({"SonicSlurmDown"}, "60m")])


def test_an_agent_that_two_stacks_scrape_counts_once(tmp_path: Path) -> None:
    twice = {name.replace("}", ',job="another"}'): values for name, values in HEALTHY.items()}
    overdue = {name: "3x90" for name in (HEALTHY | twice) if name.startswith("sonic_janitor_overdue")}
    run(tmp_path, HEALTHY | twice | overdue, [firing({"SonicSlurmLeftovers"}, "60m")])


def alerts_of(rules: RuleFacts) -> set[str]:
    return {rule["alert"] for group in groups(rules) for rule in group["rules"] if "alert" in rule}


def test_every_alert_has_a_cause_here_and_a_section_in_the_runbook() -> None:
    assert alerts_of(facts()) == set().union(*(alerts for *_, alerts in CAUSES))
    sections = re.findall(r"^### (\w+)$", (ROOT / RUNBOOK).read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(alerts_of(facts()))
    for group in groups(facts()):
        for rule in group["rules"]:
            if "alert" in rule:
                assert rule["annotations"]["runbook"] == f"{RUNBOOK}#{rule['alert'].lower()}"


def test_a_node_whose_agent_nobody_reads_raises_no_alert() -> None:
    assert alerts_of(facts(agents=frozenset())) == set()


OWN = f'experiment="demo",sonic_instance="{INSTANCE}"'


def equals(record: str, value: float, *labels: str) -> dict[str, Any]:
    """Expect one series of a record after 90 minutes. Values are rounded, since `increase` extrapolates."""
    names = ",".join(labels)
    return {
        "expr": f"round({record}, 0.001)",
        "eval_time": "90m",
        "exp_samples": [{"labels": f"{{{names}}}", "value": value}] if labels else [],
    }


def test_gpu_hours_of_slurm_are_those_of_its_jobs(tmp_path: Path) -> None:
    series = {
        f"sonic_slurm_gpu_seconds_total{{{OF_POOL}}}": "0+120x90",  # two GPUs
        f"sonic_slurm_queue_seconds_total{{{OF_POOL}}}": "0+30x90",
    }
    expected = [
        equals("pool:sonic_gpu_hours:1h", 2, OWN, 'pool="hammer"'),
        equals("pool:sonic_queue_hours:1h", 0.5, OWN, 'pool="hammer"'),
        equals("experiment:sonic_gpu_hours:1h", 2, OWN),
        equals("experiment:sonic_queue_hours:1h", 0.5, OWN),
    ]
    run(tmp_path, series, expected)


def of_server(name: str, pod: str, **labels: str) -> str:
    """Return a series of a server."""
    matchers = ",".join(f'{key}="{value}"' for key, value in {"namespace": "sonic-demo", "pod": pod, **labels}.items())
    return f"{name}{{{matchers}}}"


def test_a_gpu_that_two_servers_share_counts_once(tmp_path: Path) -> None:
    servers = (("a", "G1"), ("b", "G1"), ("c", "G2"))
    series = {of_server("nv_gpu_utilization", f"triton-gpu-{pod}", gpu_uuid=gpu): "0.5x90" for pod, gpu in servers}
    energy = {  # 100 W each
        of_server("nv_energy_consumption", f"triton-gpu-{pod}", gpu_uuid=gpu): "0+6000x90" for pod, gpu in servers
    }
    expected = [
        equals("pool:sonic_gpu_hours:1h", 2, OWN, 'pool="gpu"'),
        equals("pool:sonic_power_watts:rate5m", 200, OWN, 'pool="gpu"'),
        equals("pool:sonic_energy_kwh:1h", 0.2, OWN, 'pool="gpu"'),
        equals("experiment:sonic_energy_kwh:1h", 0.2, OWN),
    ]
    run(tmp_path, series | energy, expected)


def of_model(model: str, requests: int, batch: int, execution_ms: int) -> dict[str, str]:
    """Return the counters of a model in one server, by requests a minute in batches of a size."""

    def counter(name: str, per_minute: int) -> dict[str, str]:
        return {of_server(f"nv_inference_{name}", "tunnel-a", model=model, version="1"): f"0+{per_minute}x90"}

    return {
        **counter("request_success", requests),
        **counter("exec_count", requests // batch),
        **counter("compute_infer_duration_us", requests * execution_ms * 1000),
    }


def test_a_model_has_the_part_of_its_executions_in_the_hours_and_the_energy_of_its_pool(tmp_path: Path) -> None:
    batched = of_model("batched", requests=1200, batch=4, execution_ms=100)  # 300 executions, 30 s a minute
    single = of_model("single", requests=100, batch=1, execution_ms=100)  # 10 s a minute
    series = {
        f"sonic_slurm_gpu_seconds_total{{{OF_POOL}}}": "0+60x90",
        of_server("nv_energy_consumption", "tunnel-a", gpu_uuid="G"): "0+6000x90",
        **batched,
        **single,
        **of_model("idle", requests=0, batch=1, execution_ms=1),
    }
    pool = (OWN, 'pool="hammer"')
    expected = [
        equals('model:sonic_busy_hours:1h{model="batched"}', 0.5, *pool, 'model="batched"'),
        equals('model:sonic_gpu_hours:1h{model="batched"}', 0.75, *pool, 'model="batched"'),
        equals('model:sonic_gpu_hours:1h{model="single"}', 0.25, *pool, 'model="single"'),
        equals('model:sonic_energy_kwh:1h{model="single"}', 0.025, *pool, 'model="single"'),
        equals('model:sonic_gpu_hours:1h{model="idle"}', 0),
    ]
    run(tmp_path, series, expected)
