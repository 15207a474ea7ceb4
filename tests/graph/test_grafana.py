"""The Grafana of a stack: nobody sees anything without the password, and it reaches Prometheus alone."""

import json
from typing import Any

import pulumi
import pytest

from components.dashboards.grafana import GrafanaArgs, secret_files
from components.naming import Naming
from components.network import edge_to_url
from rendering.manifests import manifests, placeholder
from stacks.schema import StackConfig
from stacks.schema.dashboards import GrafanaDashboards
from tests.support.configs import stack_config
from tests.support.recorder import Recorder
from tests.support.stacks import record

EXTERNAL = {"kind": "external", "url": "https://192.0.2.5:9090"}
INGRESS = {"hostname": "grafana.example.org", "class_name": "nginx", "controller_namespace": "ingress-nginx"}


def config(monitoring: dict[str, Any], **facts: Any) -> StackConfig:
    dashboards = {"kind": "grafana", "password_secret": "grafana-password", **facts}
    return stack_config(site={"monitoring": {**monitoring, "dashboards": dashboards}})


def named(recorder: Recorder, kind: str) -> dict[str, Any]:
    (found,) = [each for each in recorder.manifests(kind) if each["metadata"]["name"] == "sonic-demo-grafana"]
    return found


def container(recorder: Recorder) -> dict[str, Any]:
    found: dict[str, Any] = named(recorder, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    return found


def test_grafana_shows_nothing_without_a_login() -> None:
    settings = {each["name"]: each["value"] for each in container(record(config({"kind": "own"})))["env"]}
    assert settings["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert settings["GF_USERS_ALLOW_SIGN_UP"] == "false"
    assert "GF_SECURITY_ADMIN_PASSWORD" not in settings
    assert settings["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/etc/sonic-grafana/password"  # noqa: S105


def test_each_file_that_a_setting_names_is_mounted() -> None:
    recorder = record(config({"kind": "own"}))
    pod = named(recorder, "Deployment")["spec"]["template"]["spec"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "config"]
    sources = [each.get("configMap") or each["secret"] for each in volume["projected"]["sources"]]
    paths = {item["path"] for source in sources for item in source["items"]}
    assert paths == {
        "password",
        "dashboards/stack.json",
        "provisioning/dashboards/provider.yaml",
        "provisioning/datasources/prometheus.yaml",
    }
    for each in container(recorder)["env"]:
        if each["value"].startswith("/etc/sonic-grafana/"):
            path = each["value"].removeprefix("/etc/sonic-grafana/")
            assert path in paths or any(found.startswith(f"{path}/") for found in paths)
    keys: set[str] = set()
    for each in manifests(config({"kind": "own"})):
        if each["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "grafana":
            keys |= {*each.get("data", {}), *each.get("stringData", {})}
    assert keys == {item["key"] for source in sources for item in source["items"]}


def rules(recorder: Recorder, way: str) -> list[Any]:
    found: list[Any] = named(recorder, "NetworkPolicy")["spec"][way]
    return found


def test_grafana_reaches_prometheus_and_is_reached_by_the_ingress_alone() -> None:
    closed = record(config({"kind": "own"}))
    assert rules(closed, "ingress") == []
    assert not closed.manifests("Ingress")
    opened = record(config(EXTERNAL, ingress=INGRESS))
    (rule,) = rules(opened, "ingress")
    (peer,) = rule["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "ingress-nginx"}
    prometheus, dns = rules(opened, "egress")
    assert prometheus["to"] == [{"ipBlock": {"cidr": "192.0.2.5/32"}}]
    assert [port["port"] for port in prometheus["ports"]] == [9090]
    assert {port["port"] for port in dns["ports"]} == {53, 5353}
    (to_own, _) = rules(closed, "egress")
    assert to_own["to"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "sonic-demo"}}}]


def test_the_ingress_speaks_tls_and_grafana_knows_its_address() -> None:
    recorder = record(config({"kind": "own"}, ingress=INGRESS))
    spec = named(recorder, "Ingress")["spec"]
    assert spec["tls"] == [{"hosts": ["grafana.example.org"]}]
    assert spec["rules"][0]["http"]["paths"][0]["backend"]["service"] == {
        "name": "sonic-demo-grafana",
        "port": {"name": "http"},
    }
    settings = {each["name"]: each["value"] for each in container(recorder)["env"]}
    assert settings["GF_SERVER_ROOT_URL"] == "https://grafana.example.org/"


@pytest.mark.parametrize(("monitoring", "fleet"), [({"kind": "own"}, False), (EXTERNAL, True)])
def test_grafana_has_the_fleet_of_a_prometheus_that_others_share(monitoring: dict[str, Any], *, fleet: bool) -> None:
    titles = [
        json.loads(text)["title"]
        for each in record(config(monitoring)).manifests("ConfigMap")
        for name, text in each["data"].items()
        if name in {"stack.json", "fleet.json"}
    ]
    assert ("SONIC fleet" in titles) == fleet


def files(credentials: dict[str, str] | None) -> dict[str, Any]:
    """Return the files of the Secret, as they are deployed."""
    found: dict[str, Any] = {}

    def program() -> None:
        args = GrafanaArgs(
            naming=Naming(instance="sonic-demo", namespace="sonic-demo"),
            site=GrafanaDashboards(kind="grafana", password_secret="grafana-password"),  # noqa: S106
            dashboards={"stack": "{}"},
            prometheus_url="https://prometheus.example.org",
            prometheus=edge_to_url("https://prometheus.example.org"),
            credentials=dict(credentials) if credentials else None,
            password=pulumi.Output.from_input("secret\n"),
            image="grafana:12",
        )
        pulumi.Output.all(**secret_files(args)).apply(found.update)

    Recorder().run(program)
    return found


def test_the_data_source_shows_prometheus_what_it_requires() -> None:
    given = {"header": "Authorization", "value": "Bearer a$b", "ca.crt": "-----BEGIN CERTIFICATE-----\n"}
    found = files(given)
    assert found["password"] == "secret"  # noqa: S105
    (source,) = json.loads(found["prometheus.yaml"])["datasources"]
    assert source["uid"] == "prometheus"
    assert source["url"] == "https://prometheus.example.org"
    assert source["jsonData"]["httpHeaderName1"] == "Authorization"
    # Grafana replaces variables in it.
    assert source["secureJsonData"] == {
        "httpHeaderValue1": "Bearer a$$b",
        "tlsCACert": "-----BEGIN CERTIFICATE-----\n",
    }
    (plain,) = json.loads(files(None)["prometheus.yaml"])["datasources"]
    assert plain["secureJsonData"] == {}


def test_the_password_is_a_secret_of_the_stack() -> None:
    (secret,) = [
        each
        for each in manifests(config({"kind": "own"}))
        if each["kind"] == "Secret" and "password" in each.get("stringData", {})
    ]
    assert secret["stringData"]["password"] == placeholder("grafana-password")
