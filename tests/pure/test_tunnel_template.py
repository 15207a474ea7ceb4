"""The template of tunnels, executed by Go's own text/template."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.virtual_node.tunnel_template import WSTUNNEL_SCRIPT, tunnel_template
from tests.support.fields import unknown_fields_of
from tests.support.linters import pod_security
from tests.support.virtual_nodes import IMAGES, SSH, WSTUNNEL, executed, virtual_node

NAME = "wstunnel-sonic-cms-triton-t4-6d5f-x2x2x-sonic-cms"


class Tagged(yaml.SafeLoader):
    """Reads a tagged value as the tag and the value."""


def _tagged(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> tuple[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return f"!{tag}", loader.construct_scalar(node)
    assert isinstance(node, yaml.MappingNode)
    return f"!{tag}", loader.construct_mapping(node, deep=True)


Tagged.add_multi_constructor("!", _tagged)


def objects(tunnel: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in executed(tunnel_template(virtual_node(tunnel=tunnel), IMAGES))}


@pytest.fixture(params=[SSH, WSTUNNEL], ids=["ssh", "wstunnel"])
def made(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    return objects(request.param)


def template_of(made: dict[str, dict[str, Any]]) -> Any:
    return made["Deployment"]["spec"]["template"]


def test_every_object_is_called_as_interlink_looks_for_it(made: dict[str, dict[str, Any]]) -> None:
    assert {each["metadata"]["name"] for each in made.values()} == {NAME}
    assert {each["metadata"]["namespace"] for each in made.values()} == {"sonic-cms"}
    assert template_of(made)["metadata"]["labels"]["app.kubernetes.io/component"] == NAME


def test_every_field_is_known_to_kubernetes(made: dict[str, dict[str, Any]]) -> None:
    for each in made.values():
        version = each["apiVersion"] if "/" in each["apiVersion"] else f"core/{each['apiVersion']}"
        assert unknown_fields_of(f"kubernetes:{version}:{each['kind']}", each) == []


def test_pod_security_admits_the_tunnel_pods(made: dict[str, dict[str, Any]]) -> None:
    assert pod_security("restricted", [template_of(made)]) == [[]]


def test_a_tunnel_pod_is_ready_when_the_server_behind_it_is(made: dict[str, dict[str, Any]]) -> None:
    (container,) = template_of(made)["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": 8000}


def test_a_session_comes_before_the_pod_is_ready(made: dict[str, dict[str, Any]]) -> None:
    assert made["Service"]["spec"]["publishNotReadyAddresses"] is True


def test_a_deleted_tunnel_stays_as_long_as_its_server_drains(made: dict[str, dict[str, Any]]) -> None:
    pod = template_of(made)["spec"]
    assert pod["terminationGracePeriodSeconds"] == 90
    assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "90"]


def test_prometheus_finds_tunnel_pods_and_the_pools_tell_them_from_virtual_pods(
    made: dict[str, dict[str, Any]],
) -> None:
    metadata = template_of(made)["metadata"]
    assert metadata["annotations"]["prometheus.io/port"] == "8002"
    assert metadata["labels"]["sonic.fastmachinelearning.org/tunnel"] == "true"


def test_sshd_reads_the_keys_of_the_stack() -> None:
    assert template_of(objects(SSH))["spec"]["volumes"] == [
        {"name": "files", "secret": {"secretName": "sonic-cms-tunnel-keys", "defaultMode": 0o440}}
    ]


def test_wstunnel_is_reached_by_tls_only() -> None:
    made = objects({**WSTUNNEL, "class_name": "nginx", "ingress_annotations": {"example.org/timeout": "1h"}})
    host = f"{NAME}-sonic-cms.tunnels.example.org"
    assert made["Ingress"]["spec"]["tls"] == [{"hosts": [host], "secretName": "tunnels"}]
    assert [rule["host"] for rule in made["Ingress"]["spec"]["rules"]] == [host]
    assert made["Ingress"]["spec"]["ingressClassName"] == "nginx"
    assert made["Ingress"]["metadata"]["annotations"] == {"example.org/timeout": "1h"}


def test_the_secret_prefix_of_a_wstunnel_is_in_no_command_and_no_log() -> None:
    (container,) = template_of(objects(WSTUNNEL))["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert environment == {"TUNNEL_PREFIX": "0f" * 16, "RUST_LOG": "ERROR"}
    assert "0f0f" not in str(container["command"])


def test_wstunnel_takes_reverse_tunnels_of_three_ports_by_the_prefix_alone(tmp_path: Path) -> None:
    # A stand-in of the program prints its arguments.
    script = WSTUNNEL_SCRIPT.replace("/home/app/wstunnel", "echo").replace("/run/tunnel", str(tmp_path))
    environment = {**os.environ, "TUNNEL_PREFIX": "0f" * 16}
    command = ["/bin/sh", "-c", script]
    started = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert started == f"server --restrict-config {tmp_path}/restrictions.yaml ws://[::]:8080\n"
    restrictions = (tmp_path / "restrictions.yaml").read_text()
    # Of YAML's own tags, as wstunnel's restrictions.yaml has them.
    rules = yaml.load(restrictions, Loader=Tagged)["restrictions"]  # noqa: S506  a kind of SafeLoader
    assert [rule["match"] for rule in rules] == [[("!PathPrefix", f"^{'0f' * 16}$")]]
    ((kind, allowed),) = rules[0]["allow"]
    assert kind == "!ReverseTunnel"
    assert (allowed["protocol"], allowed["port"]) == (["Tcp"], ["8000", "8001", "8002"])
