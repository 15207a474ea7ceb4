"""The queries of the view and of the report, evaluated by Prometheus' own engine on series as Triton exports them."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from observation.promql import envoy_history, envoy_values, pool_history, server_values
from tests.support.observed import DEPLOYMENT, FIRST, NAMES
from tests.support.tools import tool

PLACE = 'namespace="sonic-demo"'
MODEL = f'{PLACE},pod="{FIRST}",model="particlenet",version="1"'
ENVOY = f'{PLACE},pod="sonic-demo-envoy-7d4b9c6f5-q9h2v"'
CLUSTER, CLIENTS = f'{ENVOY},envoy_cluster_name="servers"', f'{ENVOY},envoy_http_conn_manager_prefix="clients"'

SERIES: Mapping[str, str] = {
    # 20 requests a second, in batches of 4 that take 100 ms: half an execution at any time.
    f'nv_inference_request_success{{{MODEL},job="a"}}': "0+40x90",
    f'nv_inference_request_success{{{MODEL},job="b"}}': "0+40x90",
    f"nv_inference_exec_count{{{MODEL}}}": "0+10x90",
    f"nv_inference_compute_input_duration_us{{{MODEL}}}": "0+600000x90",
    f"nv_inference_compute_infer_duration_us{{{MODEL}}}": "0+3000000x90",
    f"nv_inference_compute_output_duration_us{{{MODEL}}}": "0+400000x90",
    f"nv_inference_request_duration_us{{{MODEL}}}": "0+6000000x90",
    f"nv_inference_queue_duration_us{{{MODEL}}}": "0+2000000x90",
    f'nv_inference_request_failure{{{MODEL},reason="BACKEND"}}': "0+2x90",
    f'nv_inference_request_failure{{{MODEL},reason="REJECTED"}}': "0+4x90",
    f"nv_inference_pending_request_count{{{MODEL}}}": "7x90",
    f'nv_gpu_utilization{{{PLACE},pod="{FIRST}",gpu_uuid="GPU-1"}}': "0.25x90",
    f'nv_inference_request_success{{{PLACE},pod="{DEPLOYMENT}-large-7d4b9c6f5-x2lqp",model="m",version="1"}}': "0+9x90",
    f"envoy_http_downstream_rq_completed{{{CLIENTS}}}": "0+50x90",
    f"envoy_http_downstream_rq_active{{{CLIENTS}}}": "3x90",
    f'envoy_http_downstream_rq_active{{{ENVOY},envoy_http_conn_manager_prefix="stats"}}': "1x90",
    f"envoy_http_downstream_rq_overload_close{{{CLIENTS}}}": "0x90",
    f"envoy_cluster_upstream_cx_none_healthy{{{CLUSTER}}}": "0x60 12x30",
    f'envoy_cluster_grpc{{{CLUSTER},grpc_method="ModelInfer",grpc_status="0"}}': "0+40x90",
    f'envoy_cluster_grpc{{{CLUSTER},grpc_method="ModelInfer",grpc_status="13"}}': "5x60 5+1x5 11x30",
    f'envoy_cluster_grpc{{{CLUSTER},grpc_method="ModelInfer",grpc_status="14"}}': "_x80 1x10",
    f'envoy_cluster_upstream_rq_time_bucket{{{CLUSTER},le="50"}}': "0+20x90",
    f'envoy_cluster_upstream_rq_time_bucket{{{CLUSTER},le="100"}}': "0+40x90",
    f'envoy_cluster_upstream_rq_time_bucket{{{CLUSTER},le="+Inf"}}': "0+40x90",
}


def evaluate(query: str, expected: Mapping[str, float], tmp_path: Path) -> None:
    """The engine gives these values, and no others, 170 s after the first sample."""
    samples = [{"labels": labels, "value": value} for labels, value in expected.items()]
    suite = {
        "evaluation_interval": "2s",
        "tests": [
            {
                "interval": "2s",
                "input_series": [{"series": name, "values": values} for name, values in SERIES.items()],
                "promql_expr_test": [{"expr": query, "eval_time": "170s", "exp_samples": samples}],
            }
        ],
    }
    (tmp_path / "suite.yml").write_text(json.dumps(suite))
    command = [str(tool("promtool")), "test", "rules", str(tmp_path / "suite.yml")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_servers_values_count_each_server_once_and_no_other_pool(tmp_path: Path) -> None:
    of_model = {"requests": 20, "failed": 3, "pending": 7, "total": 3, "queue": 1, "executing": 0.5}
    expected = {f'{{pod="{FIRST}",model="particlenet",value="{name}"}}': value for name, value in of_model.items()}
    evaluate(server_values(NAMES), {**expected, f'{{pod="{FIRST}",value="gpu"}}': 0.25}, tmp_path)


def test_envoys_values_are_those_of_clients(tmp_path: Path) -> None:
    expected = {
        "calls": 25,
        "in_progress": 3,
        "latency_p50_ms": 50,
        "latency_p99_ms": 99,
        "no healthy server": 12,
        "Envoy's memory full": 0,
    }
    evaluate(envoy_values(NAMES), {f'{{value="{name}"}}': value for name, value in expected.items()}, tmp_path)


def test_the_history_of_a_pool_has_no_labels_of_pods(tmp_path: Path) -> None:
    (pool,) = NAMES.pools
    queries = pool_history(NAMES, pool, 60)
    expected: Mapping[str, Mapping[str, float]] = {
        "requests": {'{model="particlenet"}': 20},
        "failed": {'{reason="BACKEND"}': 1, '{reason="REJECTED"}': 2},
        "pending": {"{}": 7},
        "total": {"{}": 3},
        "queue": {"{}": 1},
        "servers": {"{}": 1},
        "gpus": {"{}": 1},
    }
    assert queries.keys() == expected.keys()
    for value, query in queries.items():
        evaluate(query, expected[value], tmp_path)


def test_a_failed_call_counts_from_the_first_one_of_its_status(tmp_path: Path) -> None:
    queries = envoy_history(NAMES, 60)
    evaluate(queries["answered"], {"{}": 1200}, tmp_path)
    evaluate(queries["ended"], {'{grpc_status="13"}': 6.206896551724139, '{grpc_status="14"}': 1}, tmp_path)
    evaluate(queries["no healthy server"], {"{}": 12}, tmp_path)
