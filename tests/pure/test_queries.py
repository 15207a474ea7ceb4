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
from components.autoscaling import Trigger
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


FIRST, SECOND = f"{DEPLOYMENT}-7d4b9c6f5-x2lqp", f"{DEPLOYMENT}-7d4b9c6f5-9wz4t"


def series(name: str, pod: str, *, model: str = "particlenet", namespace: str = "sonic-cms", job: str = "sonic") -> str:
    labels = f'namespace="{namespace}",pod="{pod}",model="{model}",version="1",job="{job}"'
    return f"nv_inference_{name}{{{labels}}}"


def pending(pod: str, **labels: str) -> str:
    return series("pending_request_count", pod, **labels)


def served(
    pod: str, *, per_second: float, execution_ms: float, batch: int = 1, samples: str = "0+{step:g}x200", **labels: str
) -> Mapping[str, str]:
    """Counters of a server that completes so many requests, in batches, a sample each two seconds."""
    microseconds = per_second * execution_ms * 1e3

    def counter(name: str, grows_per_second: float) -> Mapping[str, str]:
        return {series(name, pod, **labels): samples.format(step=grows_per_second * 2)}

    return {
        **counter("request_success", per_second),
        **counter("exec_count", per_second / batch),
        **counter("compute_input_duration_us", microseconds * 0.1),
        **counter("compute_infer_duration_us", microseconds * 0.8),
        **counter("compute_output_duration_us", microseconds * 0.1),
    }


def unused(pod: str) -> Mapping[str, str]:
    return served(pod, per_second=0, execution_ms=0)


def gpu(pod: str, utilisation: float, uuid: str = "GPU-1") -> Mapping[str, str]:
    name = f'nv_gpu_utilization{{namespace="sonic-cms",pod="{pod}",gpu_uuid="{uuid}",job="sonic"}}'
    return {name: f"{utilisation}x200"}


WORK_MS: Mapping[str, tuple[Mapping[str, str], float | None]] = {
    "all servers and models of the pool, before the first answer, at 10 ms each": (
        {pending(FIRST): "3x200", pending(FIRST, model="deepmet"): "4x200", pending(SECOND): "5x200"},
        120,
    ),
    "each model by its own time": (
        {
            pending(FIRST): "3x200",
            pending(FIRST, model="deepmet"): "4x200",
            **served(FIRST, per_second=10, execution_ms=5),
            **served(FIRST, per_second=10, execution_ms=50, model="deepmet"),
        },
        3 * 5 + 4 * 50,
    ),
    "a server that has answered nothing yet, by the time on others": (
        {pending(FIRST): "0x200", pending(SECOND): "6x200", **served(FIRST, per_second=10, execution_ms=5)},
        30,
    ),
    "four requests of a batch take their part of its time": (
        {pending(FIRST): "8x200", **served(FIRST, per_second=20, execution_ms=40, batch=4)},
        80,
    ),
    "two executions at the same time halve the wait": (
        {pending(FIRST): "8x200", **served(FIRST, per_second=20, execution_ms=100)},
        400,
    ),
    "a model that nobody asks for any more": ({pending(FIRST): "2x200", **unused(FIRST)}, 20),
    "idle": ({pending(FIRST): "0x200", **served(FIRST, per_second=1, execution_ms=5)}, 0),
    "no server is scraped yet": ({'up{job="sonic"}': "0x200"}, None),
    "a server that is gone": ({pending(FIRST): "3x10 stale", pending(SECOND): "5x200"}, 50),
    "another pool": ({pending(FIRST): "3x200", pending("sonic-cms-triton-cpu-7d4b9c6f5-x2lqp"): "100x200"}, 30),
    "a pool whose name begins alike": (
        {pending(FIRST): "3x200", pending(f"{DEPLOYMENT}-large-7d4b9c6f5-x2lqp"): "100x200"},
        30,
    ),
    "another namespace": ({pending(FIRST): "3x200", pending(FIRST, namespace="sonic-atlas"): "100x200"}, 30),
    "a server that two jobs scrape": (
        {
            pending(FIRST, job="pods"): "3x200",
            pending(FIRST, job="podmonitor"): "3x200",
            **served(FIRST, per_second=10, execution_ms=5, job="pods"),
            **served(FIRST, per_second=10, execution_ms=5, job="podmonitor"),
        },
        15,
    ),
}


@pytest.mark.parametrize("case", WORK_MS)
def test_waiting_work(case: str, tmp_path: Path) -> None:
    given_series, expected = WORK_MS[case]
    evaluate(queries.waiting_work_ms(pool(DEPLOYMENT), service_time_ms=10), given_series, expected, "200s", tmp_path)


def test_a_long_request_counts_as_a_part_of_the_target(tmp_path: Path) -> None:
    """Its model takes 5 ms, and the model of which none is complete 10 ms by the experiment."""
    given_series = {
        pending(FIRST): "3x200",
        **served(FIRST, per_second=10, execution_ms=5),
        pending(FIRST, model="deepmet"): "2x200",
    }
    query = queries.waiting_work_ms(pool(DEPLOYMENT), service_time_ms=10, request_max_ms=2)
    evaluate(query, given_series, 10, "200s", tmp_path)


BUSY: Mapping[str, tuple[Mapping[str, str], float | None]] = {
    "one in five eighths, one idle": (
        {
            pending(FIRST): "0x200",
            pending(SECOND): "0x200",
            **served(FIRST, per_second=10, execution_ms=62.5),
            **unused(SECOND),
        },
        0.625,
    ),
    "two models, a batch once": (
        {
            pending(FIRST): "0x200",
            **served(FIRST, per_second=20, execution_ms=50, batch=4),
            **served(FIRST, per_second=10, execution_ms=25, model="deepmet"),
        },
        0.5,
    ),
    "no more than one for each server": (
        {pending(FIRST): "9x200", **served(FIRST, per_second=40, execution_ms=100)},
        1,
    ),
    "a GPU with room": (
        {
            pending(FIRST): "0x200",
            **served(FIRST, per_second=10, execution_ms=90),
            **gpu(FIRST, 0.25),
            **gpu(FIRST, 0.75, "GPU-2"),
        },
        0.5,
    ),
    "a GPU that others use": (
        {pending(FIRST): "0x200", **served(FIRST, per_second=10, execution_ms=25), **gpu(FIRST, 1)},
        0.25,
    ),
    "a GPU that others use while nobody asks this server": (
        {pending(FIRST): "0x200", **unused(FIRST), **gpu(FIRST, 1)},
        0,
    ),
    "idle since its start": ({pending(FIRST): "0x200"}, 0),
    "no server is scraped yet": ({'up{job="sonic"}': "0x200"}, None),
    "a server that two jobs scrape": (
        {
            pending(FIRST): "0x200",
            **served(FIRST, per_second=10, execution_ms=50, job="pods"),
            **served(FIRST, per_second=10, execution_ms=50, job="podmonitor"),
        },
        0.5,
    ),
}


@pytest.mark.parametrize("case", BUSY)
def test_busy_servers(case: str, tmp_path: Path) -> None:
    given_series, expected = BUSY[case]
    evaluate(queries.busy_servers(pool(DEPLOYMENT), executions_per_server=1), given_series, expected, "200s", tmp_path)


NEW: Mapping[str, str] = {pending(FIRST): "0x200", **served(FIRST, per_second=10, execution_ms=50)}
AWAY_FROM_100_TO_190_S: Mapping[str, str] = {
    pending(FIRST): "0x50 _x44 0x200",
    **served(FIRST, per_second=10, execution_ms=50, samples="0+{step:g}x50 _x44 0+{step:g}x200"),
}
REPLACED: Mapping[str, str] = {
    pending(FIRST): "0x100 stale",
    **served(FIRST, per_second=10, execution_ms=50, samples="0+{step:g}x100 stale"),
    pending(SECOND): "_x90 0x200",
    **served(SECOND, per_second=10, execution_ms=50, samples="_x100 0+{step:g}x200"),
}
ALONE_AND_CRASHED_FOR_40_S: Mapping[str, str] = {
    pending(FIRST): "0x100 stale _x20 0x200",
    **served(FIRST, per_second=10, execution_ms=50, samples="0+{step:g}x100 stale _x20 0+{step:g}x200"),
}
EVERY_30_S: Mapping[str, str] = {
    pending(FIRST): " ".join(["0 _x14"] * 20),
    **served(FIRST, per_second=0, execution_ms=0, samples=" ".join(["0 _x14"] * 20)),
}


@pytest.mark.parametrize(
    ("given_series", "at", "expected"),
    [
        (NEW, "60s", None),
        (NEW, "118s", None),
        (NEW, "130s", 0.5),
        (AWAY_FROM_100_TO_190_S, "98s", None),
        (AWAY_FROM_100_TO_190_S, "192s", None),
        (AWAY_FROM_100_TO_190_S, "250s", None),
        (AWAY_FROM_100_TO_190_S, "290s", None),
        (AWAY_FROM_100_TO_190_S, "322s", 0.5),
        (REPLACED, "200s", 0.5),
        (REPLACED, "400s", 0.5),
        (ALONE_AND_CRASHED_FOR_40_S, "390s", 0.5),
        (EVERY_30_S, "200s", 0),
        (EVERY_30_S, "229s", 0),
        ({'up{job="sonic"}': "0x200"}, "200s", None),
    ],
)
def test_busy_servers_are_known_over_a_whole_window(
    given_series: Mapping[str, str], at: str, expected: float | None, tmp_path: Path
) -> None:
    evaluate(known(busy(), queries.whole_window(pool(DEPLOYMENT))), given_series, expected, at, tmp_path)


def test_a_new_server_among_old_ones_counts_at_once(tmp_path: Path) -> None:
    given_series = {**NEW, pending(SECOND): "_x90 0x110"}
    evaluate(known(busy(), queries.whole_window(pool(DEPLOYMENT))), given_series, 0.5, "200s", tmp_path)


@pytest.mark.parametrize(("known_servers", "expected"), [(0, 0), (1, None)])
def test_a_pool_without_a_server_has_no_load_while_prometheus_is_new(
    known_servers: int, expected: float | None, tmp_path: Path
) -> None:
    of_pool = pool(DEPLOYMENT)
    asked, sampled = (
        queries.or_no_server(each, of_pool, envoys=ENVOYS) for each in (busy(), queries.whole_window(of_pool))
    )
    given_series = {of_envoy("membership_total"): f"{known_servers}x30"}
    evaluate(known(asked, sampled), given_series, expected, "40s", tmp_path)


def known(query: str, condition: str) -> str:
    return Trigger(name="busy-servers", query=query, threshold=0.75, condition=condition).keda_query


def busy() -> str:
    return queries.busy_servers(pool(DEPLOYMENT), executions_per_server=1)


def test_a_server_of_four_instances_is_busy_with_four_executions(tmp_path: Path) -> None:
    given_series = {pending(FIRST): "0x200", **served(FIRST, per_second=20, execution_ms=100)}
    query = queries.busy_servers(pool(DEPLOYMENT), executions_per_server=4)
    evaluate(query, given_series, 0.5, "200s", tmp_path)


ENVOYS = "sonic-cms-envoy-.+"


def of_envoy(name: str, pod: str = "sonic-cms-envoy-7d4b9c6f5-abcde", cluster: str = "servers") -> str:
    return f'envoy_cluster_{name}{{namespace="sonic-cms",pod="{pod}",envoy_cluster_name="{cluster}"}}'


NO_SERVER: Mapping[str, tuple[Mapping[str, str], float | None]] = {
    "no Envoy knows a server": ({of_envoy("membership_total"): "0x200"}, 0),
    "Envoy knows one that is not scraped": ({of_envoy("membership_total"): "1x200"}, None),
    "another cluster of Envoy's": ({of_envoy("membership_total", cluster="admin"): "0x200"}, None),
    "no Envoy is scraped": ({'up{job="sonic"}': "0x200"}, None),
    "there is a server": ({pending(FIRST): "3x200", of_envoy("membership_total"): "0x200"}, 30),
}


@pytest.mark.parametrize("case", NO_SERVER)
def test_no_server_is_no_load_if_envoy_says_so(case: str, tmp_path: Path) -> None:
    given_series, expected = NO_SERVER[case]
    work = queries.waiting_work_ms(pool(DEPLOYMENT), service_time_ms=10)
    evaluate(queries.or_no_server(work, pool(DEPLOYMENT), envoys=ENVOYS), given_series, expected, "200s", tmp_path)


REFUSED: Mapping[str, tuple[Mapping[str, str], float | None]] = {
    "one of two Envoys refused a request": (
        {
            of_envoy("upstream_cx_none_healthy"): "0x70 1x200",
            of_envoy("upstream_cx_none_healthy", "sonic-cms-envoy-b"): "0x200",
        },
        1,
    ),
    "three minutes ago": ({of_envoy("upstream_cx_none_healthy"): "0x5 9x200"}, 0),
    "none": ({of_envoy("upstream_cx_none_healthy"): "0x200"}, 0),
    "no Envoy is scraped": ({'up{job="sonic"}': "0x200"}, None),
}


@pytest.mark.parametrize("case", REFUSED)
def test_requests_without_a_server(case: str, tmp_path: Path) -> None:
    given_series, expected = REFUSED[case]
    query = queries.refused_without_server(pool(DEPLOYMENT), envoys=ENVOYS)
    evaluate(query, given_series, expected, "200s", tmp_path)


def evaluate(query: str, given_series: Mapping[str, str], expected: float | None, at: str, tmp_path: Path) -> None:
    """Prometheus' own engine gives the expected value, or nothing, at that time after the first sample."""
    samples = [] if expected is None else [{"labels": "{}", "value": expected}]
    suite = {
        "evaluation_interval": "2s",
        "tests": [
            {
                "interval": "2s",
                "input_series": [{"series": name, "values": values} for name, values in given_series.items()],
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
    given_series, expected = WAITS[case]
    evaluate(queries.queue_wait_ms(POOLS, service_time_ms=10), given_series, expected, "180s", tmp_path)


SAFE = "bcdfghjklmnpqrstvwxz2456789"  # what Kubernetes makes random names of


@pytest.mark.parametrize("length", range(1, 64))
@given(template_hash=st.text(SAFE, min_size=8, max_size=10), suffix=st.text(SAFE, min_size=5, max_size=5))
@settings(max_examples=5)
def test_a_pod_is_found_however_long_its_name(length: int, template_hash: str, suffix: str) -> None:
    """Kubernetes cuts `<deployment>-<hash>-` at 58 characters and adds five."""
    deployment = ("sonic-cms-triton-" + "gpu-" * 12)[: length - 1] + "x"
    pod = f"{deployment}-{template_hash}-"[:58] + suffix
    assert re.fullmatch(deployment_pod_pattern(deployment), pod)
