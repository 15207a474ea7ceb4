"""The way in to the stack's own Prometheus: by the Ingress, with a password, and none without both."""

from typing import Any

from rendering.manifests import manifests, placeholder
from stacks.schema import StackConfig
from tests.support.configs import stack_config
from tests.support.pods import admits, labels, template
from tests.support.recorder import Recorder
from tests.support.stacks import record

NAME = "sonic-demo-metrics-login"
INGRESS = {
    "hostname": "prometheus.example.org",
    "class_name": "haproxy",
    "tls_secret": "prometheus-tls",
    "controller_namespace": "haproxy-ingress",
    "users_secret": "prometheus-users",
}


def config(**facts: Any) -> StackConfig:
    return stack_config(site={"monitoring": {"kind": "own", "ingress": {**INGRESS, **facts}}})


def deployment(recorder: Recorder, name: str) -> dict[str, Any]:
    (found,) = [each for each in recorder.manifests("Deployment") if each["metadata"]["name"] == name]
    return found


def test_without_the_key_there_is_no_way_in() -> None:
    recorder = record(stack_config())
    assert not recorder.manifests("Ingress")
    assert not any("login" in each["metadata"]["name"] for each in recorder.manifests("Deployment"))


def test_the_ingress_leads_to_the_password_by_tls() -> None:
    (ingress,) = record(config()).manifests("Ingress")
    assert ingress["spec"]["ingressClassName"] == "haproxy"
    assert ingress["spec"]["tls"] == [{"hosts": ["prometheus.example.org"], "secretName": "prometheus-tls"}]
    (rule,) = ingress["spec"]["rules"]
    assert rule["host"] == "prometheus.example.org"
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": NAME, "port": {"name": "http"}}


def test_the_controller_reaches_the_password_and_not_prometheus() -> None:
    recorder = record(config())
    policies = recorder.manifests("NetworkPolicy")
    login, prometheus = (labels(deployment(recorder, name)) for name in (NAME, "sonic-demo-prometheus"))
    controller = {"labels": {}, "namespace": "haproxy-ingress"}
    assert admits(policies, "ingress", login, controller, 9091)
    assert not admits(policies, "ingress", prometheus, controller, 9090)
    assert not admits(policies, "ingress", login, {"labels": {}, "namespace": "elsewhere"}, 9091)
    assert admits(policies, "egress", login, {"labels": prometheus}, 9090)
    assert admits(policies, "ingress", prometheus, {"labels": login}, 9090)


def test_a_controller_in_the_host_network_is_admitted_by_address() -> None:
    recorder = record(config(controller_namespace=None, controller_cidrs=["192.0.2.0/24"]))
    (policy,) = [each for each in recorder.manifests("NetworkPolicy") if each["metadata"]["name"] == NAME]
    (rule,) = policy["spec"]["ingress"]
    assert rule["from"] == [{"ipBlock": {"cidr": "192.0.2.0/24"}}]


def test_prometheus_knows_its_address_and_readers_in_the_cluster_ask_it_as_before() -> None:
    with_way, without = record(config()), record(stack_config())

    def arguments(recorder: Recorder) -> list[str]:
        found: list[str] = template(deployment(recorder, "sonic-demo-prometheus"))["spec"]["containers"][0]["args"]
        return found

    assert set(arguments(with_way)) - set(arguments(without)) == {"--web.external-url=https://prometheus.example.org/"}
    triggers = [recorder.manifests("ScaledObject")[0]["spec"]["triggers"] for recorder in (with_way, without)]
    assert triggers[0] == triggers[1]


def test_the_users_are_a_secret_of_the_stack_as_they_are() -> None:
    """A rendered file has a placeholder, with which Envoy does not start: nobody gets in by it."""
    (secret,) = [each for each in manifests(config()) if each["kind"] == "Secret" and "users" in each["stringData"]]
    assert secret["stringData"]["users"] == placeholder("prometheus-users")
    volumes = template(deployment(record(config()), NAME))["spec"]["volumes"]
    assert [set(source) for source in volumes[0]["projected"]["sources"]] == [{"configMap"}, {"secret"}]


def test_the_outputs_tell_the_address_of_each_page() -> None:
    recorder = record(config())
    (root,) = [component for component in recorder.components() if component.type == "sonic:index:SiteStack"]
    outputs = recorder.outputs[root.urn]
    assert outputs["web_pages"] == {"prometheus": "https://prometheus.example.org/"}
    assert outputs["metrics_url"] == "http://sonic-demo-prometheus.sonic-demo.svc.cluster.local:9090"
