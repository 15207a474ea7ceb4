"""The acceptance check's questions to Prometheus, each answer with its sentence."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from acceptance.handshake import Result, Row
from acceptance.metrics import MetricQuery, ask_prometheus, queries_of
from access.prometheus import Ask, asker, by_url
from stacks.resolve import ROOT
from stacks.schema import StackConfig
from testbed.authority import Authority
from testbed.loopback import free_port
from testbed.prometheus_stub import PrometheusStub, vector
from tests.support.configs import stack_config
from tests.support.kubeconfigs import write_kubeconfig
from tests.support.kubectl_stand_in import KubectlStandIn, kubectl
from tests.support.stacks import STACKS, config_of, recorded

QUERIES = [MetricQuery("autoscaling of pool gpu", "sum(waiting)")]

_PROXY = "GET /api/v1/namespaces/monitoring/services"
_QUERY = "api/v1/query?query=sum%28waiting%29"

__all__ = ["kubectl"]


def refusal(message: str) -> Mapping[str, Any]:
    """The answer of an API server that does not pass a question on."""
    return {"kind": "Status", "status": "Failure", "message": message}


def external(**facts: Any) -> StackConfig:
    monitoring = {"kind": "external", "url": "https://prometheus.example.org", **facts}
    return stack_config(site={"monitoring": monitoring})


def only_row(config: StackConfig, ask: Ask) -> Row:
    (row,) = ask_prometheus(config, QUERIES, ask, patience_seconds=0)
    return row


def answered(body: bytes, config: StackConfig | None = None) -> Row:
    with PrometheusStub() as stub:
        stub.answer = body
        config = config or external()
        return only_row(config, by_url(config, stub.url, "case", ROOT))


def test_one_number_is_right() -> None:
    row = answered(vector("7"))
    assert (row.result, row.detail) == (Result.OK, "autoscaling of pool gpu: 7")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (vector("1", "2"), "2 series where KEDA takes one: aggregate them in the query, such as by sum(…)"),
        (vector("NaN"), "the value is nan, which KEDA takes for an error"),
        (vector("+Inf"), "the value is inf, which KEDA takes for an error"),
        (b'{"status":"error","error":"parse error"}', "refuses the query `sum(waiting)` (parse error)"),
        (b'{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}', "put vector(…) around it"),
        (b"<html>log in</html>", "does not answer as Prometheus: compare site.monitoring.url"),
    ],
    ids=["several series", "no number", "infinite", "refused", "a scalar", "no Prometheus"],
)
def test_an_answer_that_keda_does_not_take_fails_with_its_reason(body: bytes, words: str) -> None:
    row = answered(body)
    assert row.result is Result.FAILED
    assert words in row.detail


@pytest.mark.parametrize(
    ("monitoring", "words"),
    [
        ({"kind": "own"}, "logs deploy/sonic-demo-prometheus"),
        ({}, "if it looks for Services, set site.monitoring.service_labels"),
        (
            {"service_labels": {"scrape_metrics": "true"}},
            "look for Service sonic-demo-server-metrics among its targets",
        ),
        ({"kind": "operator", "monitor_labels": {"release": "prometheus"}}, "compare podMonitorSelector"),
    ],
)
def test_no_series_names_what_to_compare(monitoring: Mapping[str, Any], words: str) -> None:
    own = monitoring.get("kind") == "own"
    config = stack_config(site={"monitoring": dict(monitoring)}) if own else external(**monitoring)
    row = answered(vector(), config)
    assert row.result is Result.FAILED
    assert "no series" in row.detail
    assert words in row.detail


def test_series_that_come_late_are_waited_for() -> None:
    answers = [json.loads(vector()), json.loads(vector("3"))]
    (row,) = ask_prometheus(external(), QUERIES, lambda _: answers.pop(0), patience_seconds=1)
    assert row.detail == "autoscaling of pool gpu: 3"


def test_a_prometheus_that_nobody_reaches_from_here_is_told_how_to_be() -> None:
    config = external(url=f"http://127.0.0.1:{free_port()}")
    row = only_row(config, asker(config, "case", ROOT))
    assert row.result is Result.FAILED
    assert "--prometheus http://127.0.0.1:PORT" in row.detail


@pytest.fixture
def api(kubectl: KubectlStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KubectlStandIn:
    """A program in kubectl's place, alone on PATH, and the kubeconfig of the test stack."""
    write_kubeconfig(tmp_path / "kubeconfig", "test")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.delenv("SONIC_KUBE_CONTEXT", raising=False)
    return kubectl


def test_a_service_is_asked_through_the_api_server(api: KubectlStandIn) -> None:
    api.answers(**{f"{_PROXY}/http:prometheus:9090/proxy/base/{_QUERY}": [200, json.loads(vector("5"))]})
    config = external(url="http://prometheus.monitoring.svc.cluster.local:9090/base")
    row = only_row(config, asker(config, "case", ROOT))
    assert (row.result, row.detail) == (Result.OK, "autoscaling of pool gpu: 5")


@pytest.mark.parametrize(
    ("status", "body", "result", "words"),
    [
        (403, refusal("services is forbidden"), Result.NOT_TRIED, "--prometheus http://127.0.0.1:9090"),
        (404, refusal('services "prometheus" not found'), Result.FAILED, "get service,endpoints prometheus"),
        (503, refusal("no endpoints available"), Result.FAILED, "get service,endpoints prometheus"),
        (503, "error trying to reach service: dial tcp: connect refused", Result.FAILED, "dial tcp"),
        (400, {"status": "error", "error": "parse error"}, Result.FAILED, "refuses the query `sum(waiting)` (parse"),
        (200, "<html>log in</html>", Result.FAILED, "does not answer as Prometheus"),
    ],
)
def test_a_service_that_gives_no_value_through_the_api_server(
    api: KubectlStandIn, status: int, body: Any, result: Result, words: str
) -> None:
    api.answers(**{f"{_PROXY}/http:prometheus:9090/proxy/{_QUERY}": [status, body]})
    config = external(url="http://prometheus.monitoring.svc:9090")
    row = only_row(config, asker(config, "case", ROOT))
    assert row.result is result
    assert words in row.detail


def test_a_kubectl_that_does_not_start_leaves_prometheus_unasked(api: KubectlStandIn) -> None:
    api.answers(error="error: no credentials")
    config = external(url="http://prometheus.monitoring.svc:9090")
    row = only_row(config, asker(config, "case", ROOT))
    assert row.result is Result.NOT_TRIED
    assert "no credentials" in row.detail


def test_credentials_do_not_pass_the_api_server() -> None:
    config = external(url="https://thanos.monitoring.svc:9091", token_secret="prometheus-token")  # noqa: S106
    row = only_row(config, asker(config, "case", ROOT))
    assert row.result is Result.NOT_TRIED
    assert "port-forward service/thanos 9090:9091" in row.detail


def test_the_required_header_comes_from_the_pulumi_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pulumi").write_text("#!/bin/sh\necho value-of-$3\n")
    (tmp_path / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with PrometheusStub() as stub:
        config = external(url=stub.url, token_secret="prometheus-token")  # noqa: S106
        assert only_row(config, asker(config, "case", ROOT)).result is Result.OK
        assert stub.headers["authorization"] == "Bearer value-of-sonic:prometheus-token"


def test_the_certificate_of_prometheus_is_checked_with_the_authorities_of_the_site() -> None:
    authority = Authority("site")
    with PrometheusStub(authority.sign_host("localhost")) as stub:
        known = external(url=stub.url, authorities=authority.certificate)
        assert only_row(known, asker(known, "case", ROOT)).result is Result.OK
        unknown = external(url=stub.url)
        row = only_row(unknown, asker(unknown, "case", ROOT))
    assert row.result is Result.FAILED
    assert "write the certificates of its authorities as site.monitoring.authorities" in row.detail


@pytest.mark.parametrize("stack", STACKS)
def test_the_outputs_hold_the_queries_of_keda_without_their_condition(stack: str) -> None:
    (component,) = [each for each in recorded(stack).components() if each.type.endswith(":SiteStack")]
    asked = [each.query for each in queries_of(recorded(stack).outputs[component.urn])]
    triggers = [trigger for each in recorded(stack).manifests("ScaledObject") for trigger in each["spec"]["triggers"]]
    for trigger, load in zip(triggers, asked, strict=False):
        query = trigger["metadata"]["query"]
        assert query == load or query.startswith(f"({load}) and (count_over_time(")
    refuses = config_of(stack).experiment.admission.queue_refuse_new_jobs_ms is not None
    assert len(asked) == len(triggers) + refuses
