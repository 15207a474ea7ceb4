"""Dashboards: Prometheus takes each query, its series exist, and it gives what its panel's title says."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components.dashboards import StackFacts, stack_board
from components.dashboards.board import COLUMNS, Panel
from components.dashboards.grafana_json import dashboard_json
from tests.support.dashboards import FACTS, GPU, boards, names_in, promql, queries
from tests.support.exported_series import AGENT, TRITON
from tests.support.supersonic import PANELS
from tests.support.tools import tool

ROLES = tuple(boards())
CONFIG_MAP_BYTES_MAX = 1 << 20


def panel(title: str, role: str = "stack") -> Panel:
    (found,) = [each for each in boards()[role].panels if each.title == title]
    return found


def expression(title: str, legend: str | None = None, role: str = "stack") -> str:
    (found,) = [each for each in panel(title, role).queries if legend in {None, each.legend}]
    return promql(found.expression)


@pytest.mark.parametrize("role", ROLES)
def test_prometheus_takes_each_query(role: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"query:number:{number}", "expr": promql(query.expression)}
        for number, (_, query) in enumerate(queries(boards()[role]))
    ]
    (tmp_path / "rules.json").write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    command = [str(tool("promtool")), "check", "rules", "rules.json"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("role", ROLES)
def test_each_series_is_exported(role: str) -> None:
    """Those of Envoy are compared with a real one in tests/loopback."""
    named = set().union(*(names_in(query.expression) for _, query in queries(boards()[role])))
    assert {name for name in named if not name.startswith("envoy_")} <= TRITON | AGENT
    assert any(name.startswith("envoy_") for name in named)


@pytest.mark.parametrize("role", ROLES)
def test_titles_and_ids_differ(role: str) -> None:
    board = boards()[role]
    titles = [each.title for each in board.panels] + [row.title for row in board.rows]
    assert len(set(titles)) == len(titles)
    made = json.loads(dashboard_json(board, datasource=None))["panels"]
    assert len({each["id"] for each in made}) == len(made) == len(titles)


@pytest.mark.parametrize("role", ROLES)
def test_panels_lie_beside_each_other(role: str) -> None:
    """A panel over another hides it."""
    taken: set[tuple[int, int]] = set()
    for each in json.loads(dashboard_json(boards()[role], datasource=None))["panels"]:
        at = each["gridPos"]
        assert at["x"] + at["w"] <= COLUMNS
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, each["title"]
        taken |= cells


@pytest.mark.parametrize("role", ROLES)
def test_a_config_map_holds_the_dashboard(role: str) -> None:
    assert len(dashboard_json(boards()[role], datasource=None).encode()) < CONFIG_MAP_BYTES_MAX / 4


def test_grafana_is_asked_for_the_data_source_that_the_site_names() -> None:
    def sources(datasource: str | None) -> set[str]:
        made = json.loads(dashboard_json(boards()["stack"], datasource=datasource))
        of_panels = {each["datasource"]["uid"] for each in made["panels"] if each["type"] != "row"}
        of_queries = {target["datasource"]["uid"] for each in made["panels"] for target in each.get("targets", ())}
        variables = {each["name"]: each for each in made["templating"]["list"]}
        assert ("datasource" in variables) == (datasource is None)
        return of_panels | of_queries | {variables["model"]["datasource"]["uid"]}

    assert sources("mimir") == {"mimir"}
    assert sources(None) == {"${datasource}"}


def test_each_stack_of_a_cluster_has_a_dashboard_of_its_own() -> None:
    """Grafana refuses two dashboards of one uid, and a uid of more than 40 characters."""
    places = [("sonic-a", "b"), ("sonic-a-b", "c"), ("sonic-a", "b-c"), ("sonic-" + "x" * 50, "y")]
    uids = [StackFacts(**{**vars(FACTS), "instance": i, "namespace": n}).uid for i, n in places]
    assert len(set(uids)) == len(uids)
    assert all(len(uid) <= 40 for uid in uids)


def test_what_clients_do_not_show_has_no_panel() -> None:
    without = StackFacts(
        instance="sonic-demo", namespace="sonic-demo", pools=(GPU,), envoys="e", triggers=FACTS.triggers
    )
    board = stack_board.board(without)
    named = set().union(*(names_in(query.expression) for _, query in queries(board)))
    of_others = ("sonic_", "envoy_http_jwt", "envoy_http_rbac", "envoy_vhost")
    assert not {name for name in named if name.startswith(of_others)}


@pytest.mark.parametrize("theirs", PANELS, ids=lambda each: f"{each['title']} {each['shape']}")
def test_a_panel_of_supersonic_is_here(theirs: Mapping[str, Any]) -> None:
    shown = set().union(*(names_in(query.expression) for title in theirs["here"] for query in panel(title).queries))
    wanted = {theirs.get("instead", {}).get(series, series) for series in theirs["series"]}
    assert wanted <= shown


def evaluate(
    query: str, series: Mapping[str, str], expected: Mapping[str, float], folder: Path, at: str = "70m"
) -> None:
    """Prometheus' own engine gives these values, by labels, of series with a sample each 15 s."""
    samples = [{"labels": labels, "value": value} for labels, value in expected.items()]
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": f"round({query}, 0.001)", "eval_time": at, "exp_samples": samples}],
    }
    (folder / "suite.json").write_text(json.dumps({"evaluation_interval": "15s", "tests": [test]}))
    command = [str(tool("promtool")), "test", "rules", "suite.json"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


FIRST, SECOND = "sonic-demo-triton-gpu-7d4b9c6f5-x2lqp", "sonic-demo-triton-gpu-7d4b9c6f5-9wz4t"
JOB = "wstunnel-sonic-demo-triton-hammer-7d4b9c6f5-x2lqp-sonic-demo-6c5d4-abcde"
PROXY = "sonic-demo-envoy-5f6d7c8b9-abcde"


def of(pod: str, name: str, *, job: str = "sonic", namespace: str = "sonic-demo", **labels: str) -> str:
    found = {"namespace": namespace, "pod": pod, "job": job, **labels}
    matchers = ",".join(f'{key}="{value}"' for key, value in found.items())
    return f"{name}{{{matchers}}}"


def model(pod: str, name: str, of_model: str = "particlenet", **labels: str) -> str:
    return of(pod, f"nv_inference_{name}", model=of_model, version="1", **labels)


def growing(per_second: float) -> str:
    """Samples of a counter, one each 15 s, for more than an hour."""
    return f"0+{per_second * 15:g}x300"


def test_a_server_that_two_jobs_scrape_counts_once(tmp_path: Path) -> None:
    series = {model(pod, "count", job=job): growing(100) for pod in (FIRST, JOB) for job in ("pods", "podmonitor")}
    other = {model("sonic-atlas-triton-gpu-7d4b9c6f5-x2lqp", "count"): growing(7)}
    evaluate(expression("Inferences per second"), series | other, {"{}": 200}, tmp_path)


def test_the_parts_of_the_latency_add_up_to_that_at_the_proxy(tmp_path: Path) -> None:
    """10 calls per second of 50 ms: 10 arrive, 5 on the network, 20 in the queue, 15 in compute."""
    series = {
        of(PROXY, "envoy_http_downstream_rq_time_sum", envoy_http_conn_manager_prefix="clients"): growing(500),
        of(PROXY, "envoy_cluster_upstream_rq_time_sum", envoy_cluster_name="servers"): growing(400),
        of(
            PROXY, "envoy_cluster_grpc", envoy_cluster_name="servers", grpc_method="ModelInfer", grpc_status="0"
        ): growing(10),
        model(FIRST, "request_success"): growing(10),
        model(FIRST, "request_duration_us"): growing(350e3),
        model(FIRST, "queue_duration_us"): growing(200e3),
        model(FIRST, "compute_input_duration_us"): growing(20e3),
        model(FIRST, "compute_infer_duration_us"): growing(120e3),
        model(FIRST, "compute_output_duration_us"): growing(10e3),
    }
    parts = {
        "client to proxy": 0.010,
        "proxy to server": 0.005,
        "queue": 0.020,
        "compute: input": 0.002,
        "compute: infer": 0.012,
        "compute: output": 0.001,
    }
    assert [query.legend for query in panel("Latency by part").queries] == list(parts)
    for part, value in parts.items():
        evaluate(expression("Latency by part", part), series, {"{}": value}, tmp_path)


@pytest.mark.parametrize(("waiting", "wanted"), [(0, 1), (25, 3), (900, 4)])
def test_the_autoscaler_wants_servers_between_the_fewest_and_the_most(
    waiting: int, wanted: int, tmp_path: Path
) -> None:
    series = {model(FIRST, "pending_request_count"): f"{waiting}x300"}
    evaluate(expression("Servers of pool gpu", "wanted for waiting"), series, {"{}": wanted}, tmp_path)
    load = expression("Load of pool gpu against its target")
    evaluate(load, series, {"{}": waiting / 10}, tmp_path)


def test_servers_are_counted_in_their_pool(tmp_path: Path) -> None:
    models = ("particlenet", "deepmet")
    series = {model(pod, "pending_request_count", each): "0x300" for pod in (FIRST, SECOND, JOB) for each in models}
    evaluate(expression("Servers", "gpu"), series, {"{}": 2}, tmp_path)
    evaluate(expression("Servers", "hammer"), series, {"{}": 1}, tmp_path)


def test_calls_that_never_reached_a_server_are_failures_too(tmp_path: Path) -> None:
    def calls(status: str, method: str = "ModelInfer") -> str:
        labels = {"envoy_cluster_name": "servers", "grpc_method": method, "grpc_status": status}
        return of(PROXY, "envoy_cluster_grpc", **labels)

    series = {
        calls("0"): growing(6),
        calls("14"): growing(3),
        calls("13"): growing(1),
        calls("13", "ModelReady"): growing(9),
    }
    evaluate(expression("Failed calls"), series, {"{}": 0.4}, tmp_path)
    evaluate(expression("Failed calls"), {calls("0"): growing(6)}, {"{}": 0}, tmp_path)


def test_a_gpu_that_two_servers_share_counts_once(tmp_path: Path) -> None:
    """Two GPUs for an hour, of 360 W and 180 W; the job of Slurm has two GPUs allocated."""
    shared = ((FIRST, "G1", 360), (SECOND, "G1", 360), (SECOND, "G2", 180))
    series = {
        **{of(pod, "nv_gpu_utilization", gpu_uuid=gpu): "0.5x300" for pod, gpu, _ in shared},
        **{of(pod, "nv_energy_consumption", gpu_uuid=gpu): growing(watts) for pod, gpu, watts in shared},
        'sonic_slurm_gpu_seconds_total{sonic_instance="sonic-demo",pool="hammer"}': growing(2),
    }
    evaluate(expression("GPU hours by pool", "gpu"), series, {"{}": 2}, tmp_path)
    evaluate(expression("GPU hours by pool", "hammer"), series, {"{}": 2}, tmp_path)
    evaluate(expression("GPU hours"), series, {"{}": 4}, tmp_path)
    evaluate(expression("Energy by pool", "gpu"), series, {"{}": 0.54}, tmp_path)


def test_gpu_hours_of_a_model_are_its_part_of_the_execution(tmp_path: Path) -> None:
    """One GPU for an hour; one model executes for 300 ms of each second, the other for 100 ms in batches of two."""
    series = {of(FIRST, "nv_gpu_utilization", gpu_uuid="G1"): "0.5x300"}
    for name, compute_us, executions, requests in (("large", 300e3, 1, 1), ("small", 200e3, 1, 2)):
        series |= {
            model(FIRST, "compute_input_duration_us", name): growing(compute_us * 0.2),
            model(FIRST, "compute_infer_duration_us", name): growing(compute_us * 0.7),
            model(FIRST, "compute_output_duration_us", name): growing(compute_us * 0.1),
            model(FIRST, "exec_count", name): growing(executions),
            model(FIRST, "request_success", name): growing(requests),
        }
    expected = {'{model="large"}': 0.75, '{model="small"}': 0.25}
    evaluate(expression("GPU hours by model"), series, expected, tmp_path)


def test_the_fleet_knows_a_stack_by_the_names_of_its_pods(tmp_path: Path) -> None:
    series = {
        model(FIRST, "request_success"): growing(1),
        model(JOB, "request_success"): growing(2),
        model("sonic-cms-run3-triton-a10-7d4b9c6f5-x2lqp", "request_success", namespace="cms"): growing(4),
        model("another-triton-7d4b9c6f5-x2lqp", "request_success"): growing(8),
    }
    expected = {
        '{namespace="sonic-demo",sonic_instance="sonic-demo"}': 3,
        '{namespace="cms",sonic_instance="sonic-cms-run3"}': 4,
    }
    evaluate(expression("Requests per second by stack", role="fleet"), series, expected, tmp_path)


def test_a_stack_without_a_failure_has_a_line_in_the_fleet(tmp_path: Path) -> None:
    labels = {"envoy_cluster_name": "servers", "grpc_method": "ModelInfer"}
    other = "sonic-atlas-envoy-5f6d7c8b9-abcde"
    series = {
        of(PROXY, "envoy_cluster_grpc", grpc_status="0", **labels): growing(5),
        of(other, "envoy_cluster_grpc", grpc_status="0", **labels): growing(3),
        of(other, "envoy_cluster_grpc", grpc_status="14", **labels): growing(1),
    }
    expected = {
        '{namespace="sonic-demo",sonic_instance="sonic-demo"}': 0,
        '{namespace="sonic-demo",sonic_instance="sonic-atlas"}': 0.25,
    }
    evaluate(expression("Failed calls by stack", role="fleet"), series, expected, tmp_path)
