"""Purdue's rules, run by Prometheus' own code, find the servers and Envoys, and KEDA's query finds their series."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rendering.manifests import manifests
from stacks.resolve import ROOT
from testbed.api_server_stub import ApiServerStub
from tests.support.pods import admits, selects
from tests.support.stacks import config_of
from tests.support.tools import tool

RULES = ROOT / "tests/sites/purdue/prometheus.yaml"


@pytest.fixture(scope="module")
def rendered() -> list[dict[str, Any]]:
    return manifests(config_of("purdue-cms"))


def targets(rendered: list[dict[str, Any]], job: str, folder: Path) -> list[dict[str, str]]:
    """Labels of each target that the job keeps, as Prometheus' service discovery makes them."""
    with ApiServerStub(rendered) as api_server:
        config = folder / "prometheus.yaml"
        config.write_text(RULES.read_text().replace("API_SERVER", api_server.url))
        command = [str(tool("promtool")), "check", "service-discovery", str(config), job, "--timeout=3s"]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return [each["labels"] for each in json.loads(run.stdout) if each.get("labels")]


def reached(found: list[dict[str, str]]) -> set[tuple[str, str, str]]:
    """Pod, port and path of each target."""
    return {(each["pod"], each["__address__"].rpartition(":")[2], each["__metrics_path__"]) for each in found}


def test_the_servers_metrics_are_targets_and_no_other_port_is(rendered: list[dict[str, Any]], tmp_path: Path) -> None:
    found = targets(rendered, "af-pod-monitor", tmp_path)
    assert reached(found) == {("sonic-cms-triton-af-7d4b9c6f5-x2lqp", "8002", "/metrics")}


def test_envoys_metrics_are_targets_and_no_other_port_is(rendered: list[dict[str, Any]], tmp_path: Path) -> None:
    found = targets(rendered, "envoy-monitor", tmp_path)
    assert reached(found) == {("sonic-cms-envoy-7d4b9c6f5-x2lqp", "9902", "/stats/prometheus")}


def test_kedas_query_finds_the_series_of_such_a_target(rendered: list[dict[str, Any]], tmp_path: Path) -> None:
    (target,) = targets(rendered, "af-pod-monitor", tmp_path)
    labels = {name: value for name, value in target.items() if not name.startswith("__")}
    labels |= {"model": "particlenet", "version": "1"}
    series = ",".join(f'{name}="{value}"' for name, value in labels.items())
    scaled_objects = {each["metadata"]["name"]: each for each in rendered if each["kind"] == "ScaledObject"}
    scaled_object = scaled_objects["sonic-cms-triton-af"]
    query = scaled_object["spec"]["triggers"][0]["metadata"]["query"]  # 4 ms, a fifth of the target, for each
    test = {
        "interval": "15s",
        "input_series": [{"series": f"nv_inference_pending_request_count{{{series}}}", "values": "7"}],
        "promql_expr_test": [{"expr": query, "eval_time": "0s", "exp_samples": [{"labels": "{}", "value": 28}]}],
    }
    (tmp_path / "suite.yaml").write_text(json.dumps({"tests": [test]}))
    command = [str(tool("promtool")), "test", "rules", str(tmp_path / "suite.yaml")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_model_manager_finds_the_servers_of_production_and_reaches_their_http_port() -> None:
    """Labels: `modelManager.labels` and `modelManager.tritonSelector` of the facility's chart, _helpers.tpl."""
    rendered = manifests(config_of("purdue-cms-prod"))
    (deployment,) = [
        each for each in rendered if each["kind"] == "Deployment" and "-triton-" in each["metadata"]["name"]
    ]
    server = deployment["spec"]["template"]["metadata"]["labels"]
    release = {"app.kubernetes.io/component": "triton", "app.kubernetes.io/instance": "sonic-cms-prod"}
    assert selects(release, server)
    policies = [each for each in rendered if each["kind"] == "NetworkPolicy"]
    manager = {
        "app.kubernetes.io/name": "supersonic-model-manager",
        "app.kubernetes.io/instance": "supersonic-model-manager",
        "app.kubernetes.io/component": "model-manager",
    }
    assert admits(policies, "ingress", server, {"labels": manager, "namespace": "cms"}, 8000)
    assert not admits(policies, "ingress", server, {"labels": {"app": "notebook"}, "namespace": "cms"}, 8000)
