"""The autoscaler's query, evaluated by Prometheus' own engine on series as Prometheus would hold them."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import queries
from components.pod import deployment_pod_pattern
from components.server_pool import MetricTarget, ServerPool
from tests.support.server_pools import a_pool
from tests.support.tools import tool

DEPLOYMENT = "sonic-cms-triton-gpu"


def pool(deployment: str, namespace: str = "sonic-cms") -> ServerPool:
    return a_pool(
        host="servers.example.org",
        metrics=MetricTarget(name="server-metrics", namespace=namespace, labels={}, port=8002, path="/metrics"),
        pod_pattern=deployment_pod_pattern(deployment),
    )


QUERY = queries.pending_requests(pool(DEPLOYMENT))


def pending(pod: str, *, model: str = "particlenet", namespace: str = "sonic-cms", job: str = "sonic") -> str:
    labels = f'namespace="{namespace}",pod="{pod}",model="{model}",version="1",job="{job}"'
    return f"nv_inference_pending_request_count{{{labels}}}"


FIRST, SECOND = f"{DEPLOYMENT}-7d4b9c6f5-x2lqp", f"{DEPLOYMENT}-7d4b9c6f5-9wz4t"

CASES: Mapping[str, tuple[Mapping[str, str], float | None]] = {
    "all servers and models of the pool": (
        {pending(FIRST): "3", pending(FIRST, model="deepmet"): "4", pending(SECOND): "5"},
        12,
    ),
    "idle": ({pending(FIRST): "0", pending(SECOND): "0"}, 0),
    "no server is scraped yet": ({'up{job="sonic"}': "0"}, None),
    "a server that is gone": ({pending(FIRST): "3 stale", pending(SECOND): "5x2"}, 5),
    "another pool": ({pending(FIRST): "3", pending("sonic-cms-triton-cpu-7d4b9c6f5-x2lqp"): "100"}, 3),
    "a pool whose name begins alike": ({pending(FIRST): "3", pending(f"{DEPLOYMENT}-large-7d4b9c6f5-x2lqp"): "100"}, 3),
    "another namespace": ({pending(FIRST): "3", pending(FIRST, namespace="sonic-atlas"): "100"}, 3),
    "a server that two jobs scrape": ({pending(FIRST, job="pods"): "3", pending(FIRST, job="podmonitor"): "3"}, 3),
}


@pytest.mark.parametrize("case", CASES)
def test_pending_requests(case: str, tmp_path: Path) -> None:
    series, expected = CASES[case]
    evaluate(QUERY, series, expected, "2s", tmp_path)


def evaluate(query: str, series: Mapping[str, str], expected: float | None, at: str, tmp_path: Path) -> None:
    """Prometheus' own engine gives the expected value, or nothing, at that time after the first sample."""
    samples = [] if expected is None else [{"labels": "{}", "value": expected}]
    suite = {
        "evaluation_interval": "2s",
        "tests": [
            {
                "interval": "2s",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [{"expr": query, "eval_time": at, "exp_samples": samples}],
            }
        ],
    }
    (tmp_path / "suite.yml").write_text(json.dumps(suite))
    command = [str(tool("promtool")), "test", "rules", str(tmp_path / "suite.yml")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


POOLS = (pool(DEPLOYMENT), pool("sonic-cms-triton-cpu"), pool("sonic-cms-tunnel", "tunnels"))
THIRD = "sonic-cms-triton-cpu-7d4b9c6f5-x2lqp"
TUNNEL = "sonic-cms-tunnel-7d4b9c6f5-x2lqp"
WAITS: Mapping[str, tuple[Mapping[str, str], float | None]] = {
    "3 and 5 wait before two servers, for 10 ms each": ({pending(FIRST): "3x90", pending(SECOND): "5x90"}, 40),
    "all pools": ({pending(FIRST): "3x90", pending(THIRD): "5x90"}, 40),
    "pools of two namespaces": ({pending(FIRST): "3x90", pending(TUNNEL, namespace="tunnels"): "5x90"}, 40),
    "a pool's pods in the namespace of another": ({pending(FIRST): "3x90", pending(TUNNEL): "100x90"}, 30),
    "all models of a server": ({pending(FIRST): "3x90", pending(FIRST, model="deepmet"): "4x90"}, 70),
    "a server that two jobs scrape": ({pending(FIRST, job="a"): "3x90", pending(FIRST, job="b"): "3x90"}, 30),
    "another namespace": ({pending(FIRST): "3x90", pending(FIRST, namespace="sonic-atlas"): "100x90"}, 30),
    "a server that is gone": ({pending(FIRST): "3x10 stale", pending(SECOND): "5x90"}, 50),
    "a server last scraped two minutes ago": ({pending(FIRST): "100x30", pending(SECOND): "5x90"}, 50),
    "nothing scraped for two minutes": ({pending(FIRST): "100x30"}, None),
    "no server": ({'up{job="sonic"}': "0x90"}, None),
}


@pytest.mark.parametrize("case", WAITS)
def test_wait_in_the_queues(case: str, tmp_path: Path) -> None:
    series, expected = WAITS[case]
    evaluate(queries.queue_wait_ms(POOLS, service_time_ms=10), series, expected, "180s", tmp_path)


SAFE = "bcdfghjklmnpqrstvwxz2456789"  # what Kubernetes makes random names of


@pytest.mark.parametrize("length", range(1, 64))
@given(template_hash=st.text(SAFE, min_size=8, max_size=10), suffix=st.text(SAFE, min_size=5, max_size=5))
@settings(max_examples=5)
def test_a_pod_is_found_however_long_its_name(length: int, template_hash: str, suffix: str) -> None:
    """Kubernetes cuts `<deployment>-<hash>-` at 58 characters and adds five."""
    deployment = ("sonic-cms-triton-" + "gpu-" * 12)[: length - 1] + "x"
    pod = f"{deployment}-{template_hash}-"[:58] + suffix
    assert re.fullmatch(deployment_pod_pattern(deployment), pod)
