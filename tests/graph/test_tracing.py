"""Traces of a stack: who sends spans to the collector, and who has nothing of it."""

from typing import Any

import pytest

from components.envoy.bootstrap import bootstrap
from rendering.manifests import manifests
from stacks.resolve import resolve
from stacks.schema import StackConfig
from tests.support.config_cases import STACK, lay_out_happy
from tests.support.configs import stack_config
from tests.support.proxy_args import proxy_args

URL = "http://otel-collector.observability.svc:4318"
COLLECTOR = {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "observability"}}}]}

Manifest = dict[str, Any]


def config(url: str = URL) -> StackConfig:
    return stack_config(site={"tracing": {"url": url}})


def named(rendered: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = [each for each in rendered if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def container(deployment: Manifest) -> Manifest:
    found: Manifest = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def trace_flags(deployment: Manifest) -> list[str]:
    command = container(deployment)
    return [word for word in (*command["command"], *command.get("args", ())) if "--trace-config" in word]


def test_envoy_and_the_servers_may_reach_the_collector_and_nobody_else() -> None:
    reaching = {
        each["metadata"]["name"]
        for each in manifests(config())
        if each["kind"] == "NetworkPolicy" and any(rule.get("to") == COLLECTOR["to"] for rule in each["spec"]["egress"])
    }
    assert reaching == {"sonic-demo-envoy", "sonic-demo-triton-gpu"}


def test_a_server_draws_no_request_itself_and_names_its_pod() -> None:
    server = named(manifests(config()), "Deployment", "sonic-demo-triton-gpu")
    assert trace_flags(server) == [
        "--trace-config=mode=opentelemetry",
        "--trace-config=level=TIMESTAMPS",
        "--trace-config=rate=0",
        f"--trace-config=opentelemetry,url={URL}/v1/traces",
        "--trace-config=opentelemetry,resource=service.name=sonic-demo-triton-gpu",
        "--trace-config=opentelemetry,resource=k8s.pod.name=$(SONIC_POD_NAME)",
    ]
    (pod,) = [each for each in container(server)["env"] if each["name"] == "SONIC_POD_NAME"]
    assert pod["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        (URL, "otel-collector.observability.svc.cluster.local", 4318),
        ("http://otel-collector:4318/", "otel-collector.sonic-demo.svc.cluster.local", 4318),
        ("http://otel.example.org", "otel.example.org", 80),
        ("http://192.0.2.7:4318", "192.0.2.7", 4318),
    ],
)
def test_envoy_calls_the_collector_by_its_full_name(url: str, host: str, port: int) -> None:
    made = config(url)
    clusters = bootstrap(proxy_args(made, tracing=made.site.tracing))["static_resources"]["clusters"]
    (collector,) = [each for each in clusters if each["name"] == "collector"]
    (locality,) = collector["load_assignment"]["endpoints"]
    (endpoint,) = locality["lb_endpoints"]
    assert endpoint["endpoint"]["address"] == {"socket_address": {"address": host, "port_value": port}}


def test_a_server_in_slurm_has_nothing_of_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its job reaches no Service of the cluster, and would try for ever."""
    folder = tmp_path_factory.mktemp("slurm")
    lay_out_happy("slurm", folder)
    site = folder / "stacks/sites/here.yaml"
    site.write_text(f"{site.read_text()}\ntracing: {{ url: {URL} }}\n")
    rendered = manifests(resolve(STACK, folder).config)
    flags = {
        each["metadata"]["name"]: bool(trace_flags(each))
        for each in rendered
        if each["kind"] == "Deployment" and "-triton-" in each["metadata"]["name"]
    }
    assert flags == {"sonic-tiny-triton-gpu": True, "sonic-tiny-triton-hammer": False, "sonic-tiny-triton-edge": False}
