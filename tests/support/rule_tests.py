"""Rules run by promtool, over series as a stack's servers, Envoys and agents export them."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from components.monitoring.rules import RuleFacts, groups
from components.server_pool import Queue, ScaleTarget
from stacks.schema.experiment import Scaling
from tests.support.server_pools import a_pool
from tests.support.tools import tool

NODE, INSTANCE = "interlink-hammer", "sonic-demo"
TARGET = ScaleTarget(
    namespace="sonic-demo",
    api_version="apps/v1",
    kind="Deployment",
    name="triton-gpu",
    labels={},
    servers_min=1,
    servers_max=4,
)
GPU = a_pool(host="gpu.example", name="gpu", pod_pattern="triton-gpu-.*", scale_target=TARGET)
HAMMER = a_pool(
    host="hammer.example",
    name="hammer",
    pod_pattern="tunnel-.*",
    priority=1,
    queue=Queue(virtual_node=NODE, wait_seconds=600, start_seconds=300),
)


def facts(**changes: Any) -> RuleFacts:
    """Return a stack with a scaled pool of GPUs and a pool of Slurm jobs, and with all that has rules."""
    defaults: dict[str, Any] = {
        "instance": INSTANCE,
        "experiment": "demo",
        "pools": (GPU, HAMMER),
        "agents": frozenset({NODE}),
        "namespace": "sonic-demo",
        "envoy_pattern": "envoy-.*",
        "models": ("m", "n"),
        "scaling": Scaling(servers_max=4, queue_target_ms=100, service_time_ms=10),
        "tls": True,
        "tokens": True,
        "limited": True,
    }
    return RuleFacts(**(defaults | changes))


class RuleTest(NamedTuple):
    """Series, and what becomes of them."""

    name: str
    """Named where it fails."""
    series: Mapping[str, str]
    """Series -> samples, one per interval, as promtool writes them."""
    expected: Sequence[Mapping[str, Any]]
    """Expressions and their values, as promtool writes them (`promql_expr_test`)."""


def run(folder: Path, stack: RuleFacts, *tests: RuleTest, interval_seconds: int = 60) -> None:
    """Let promtool run the rules of a stack and compare the results.

    Args:
        folder: gets the files.
        stack: whose rules are run.
        tests: each of them has a Prometheus of its own.
        interval_seconds: from one sample, and one evaluation, to the next.
    """
    interval = f"{interval_seconds}s"
    suite = {
        "rule_files": ["rules.json"],
        "evaluation_interval": interval,
        "tests": [
            {
                "name": test.name,
                "interval": interval,
                "input_series": [{"series": name, "values": values} for name, values in test.series.items()],
                "promql_expr_test": list(test.expected),
            }
            for test in tests
        ],
    }
    (folder / "rules.json").write_text(json.dumps({"groups": groups(stack)}))
    (folder / "suite.json").write_text(json.dumps(suite))
    command = [str(tool("promtool")), "test", "rules", "suite.json"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def firing(alerts: set[str], at: str) -> dict[str, Any]:
    """Expect these alerts to fire at a time, and no other."""
    return {
        "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": at,
        "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(alerts)],
    }


def series_of(name: str, **labels: str) -> str:
    """Return a series as promtool reads it."""
    pairs = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{name}{{{pairs}}}"
