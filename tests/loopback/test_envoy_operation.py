"""Metrics, probes, access log and closed admin interface of a real Envoy."""

import json
import socket
from collections import Counter
from typing import Any

import grpc
import pytest

from components.envoy.stats import METRICS_PATH
from components.envoy.typed import Config
from diagnosis.envoy_view import HEALTH_PATH, read_health
from stacks.schema.stack import STACK_HEADER
from testbed.polling import eventually
from testbed.proxy_client import begin, channel, outcomes
from testbed.real_envoy import await_healthy
from tests.loopback.conftest import Envoys, Servers

A = "127.0.1.1"


def test_the_stats_port_answers_readiness_and_metrics(envoy: Envoys) -> None:
    proxy = envoy((A,))
    assert proxy.stats("/ready") == (200, "LIVE\n")
    assert "envoy_http_downstream_rq_active" in proxy.stats("/stats/prometheus")[1]


def test_the_stats_port_tells_the_health_of_each_server(servers: Servers, envoy: Envoys) -> None:
    servers(1)
    proxy = envoy((A,), ("127.0.1.9",))
    await_healthy(proxy, A)
    assert read_health(proxy.stats(HEALTH_PATH)[1]) == {A: True, "127.0.1.9": False}


def test_the_liveness_probe_passes_while_envoy_drains(envoy: Envoys) -> None:
    proxy = envoy((A,))
    proxy.admin("/healthcheck/fail", "POST")
    assert proxy.stats("/ready")[0] == 503
    status, body = proxy.stats(f"{METRICS_PATH}?filter=^server.live$")
    assert status == 200
    assert len(body.splitlines()) < 5


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/config_dump"),
        ("GET", "/stats"),
        ("GET", "/ready/../config_dump"),
        ("GET", "/stats/prometheus/../../config_dump"),
        ("POST", "/ready"),
        ("POST", "/quitquitquit"),
        ("POST", "/healthcheck/fail"),
    ],
)
def test_the_stats_port_answers_404_to_every_other_request(envoy: Envoys, method: str, path: str) -> None:
    proxy = envoy((A,))
    assert proxy.stats(path, method) == (404, "")
    assert proxy.ready()


def test_the_admin_interface_listens_on_loopback_only(envoy: Envoys) -> None:
    proxy = envoy((A,))
    assert proxy.admin("/ready")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.1.9", proxy.admin_port))


def test_every_answer_names_the_stack(servers: Servers, envoy: Envoys) -> None:
    servers(1)
    proxy = envoy((A,))
    await_healthy(proxy, A)
    with channel(proxy.target) as client:
        call: Any = begin(client)
        assert call.result() == A.encode()
        assert dict(call.initial_metadata())[STACK_HEADER] == "test-demo"


def test_only_failed_calls_are_logged(servers: Servers, envoy: Envoys) -> None:
    (server,) = servers(1)
    proxy = envoy((A,), arguments=("--file-flush-interval-msec", "100", "--log-level", "off"))
    eventually(lambda: proxy.healthy_servers() == {A}, "healthy")
    client = channel(proxy.target)
    outcomes(client, 3)
    server.status = grpc.StatusCode.INTERNAL
    outcomes(client)
    eventually(lambda: proxy.log.read_text().endswith("\n"), "a line of the log")
    (line,) = [json.loads(line) for line in proxy.log.read_text().splitlines()]
    assert line["grpc_status"] == "INTERNAL"
    assert line["grpc_message"] == "told to fail"
    assert line["method"] == "/inference.GRPCInferenceService/ModelInfer"
    assert line["server"].startswith(f"{A}:")
    assert line["client"].startswith("127.0.0.1:")
    assert line["attempts"] == 1


def test_calls_are_counted_by_method_and_grpc_status(servers: Servers, envoy: Envoys) -> None:
    (server,) = servers(1)
    proxy = envoy((A,))
    eventually(lambda: proxy.healthy_servers() == {A}, "healthy")
    client = channel(proxy.target)
    outcomes(client, 3)
    server.status = grpc.StatusCode.INTERNAL
    outcomes(client, 2)
    metrics = proxy.stats(METRICS_PATH)[1].splitlines()
    counted = [line for line in metrics if line.startswith("envoy_cluster_grpc{")]
    label = 'envoy_cluster_name="servers",grpc_method="ModelInfer",grpc_status='
    assert sorted(counted) == [f'envoy_cluster_grpc{{{label}"0"}} 3', f'envoy_cluster_grpc{{{label}"13"}} 2']


def test_each_server_has_metrics_of_its_own(servers: Servers, envoy: Envoys) -> None:
    servers(1)
    proxy = envoy((A,))
    eventually(lambda: proxy.healthy_servers() == {A}, "healthy")
    outcomes(channel(proxy.target), 3)
    (line,) = [line for line in proxy.stats(METRICS_PATH)[1].splitlines() if "endpoint_rq_total{" in line]
    assert f'envoy_endpoint_address="{A}:' in line
    assert line.endswith(" 3")


def test_all_failures_and_a_sample_of_the_refusals_are_logged(servers: Servers, envoy: Envoys) -> None:
    def no_place(config: Config) -> None:
        config["static_resources"]["clusters"][0]["circuit_breakers"]["thresholds"][0]["max_requests"] = 1

    def logged() -> Counter[str]:
        lines = [json.loads(line) for line in proxy.log.read_text().splitlines() if line.endswith("}")]
        return Counter(line["cause"] for line in lines)

    (server,) = servers(1)
    quick = ("--file-flush-interval-msec", "100", "--log-level", "off")
    proxy = envoy((A,), change=no_place, arguments=quick)
    eventually(lambda: proxy.healthy_servers() == {A}, "healthy")
    client = channel(proxy.target)
    server.delay_seconds = 60
    held = begin(client)
    eventually(lambda: server.calls == 1, "the only place is taken")
    assert outcomes(client, 2000) == {"UNAVAILABLE": 2000}
    held.cancel()
    server.delay_seconds, server.status = 0, grpc.StatusCode.UNAVAILABLE
    for _ in range(5):
        outcomes(client)
    eventually(lambda: logged()["via_upstream"] == 5, "every failure of the server")
    assert 1 <= sum(count for cause, count in logged().items() if "overflow" in cause) < 100
