"""What the proxy registers, validated by the real Envoy on the way."""

import json
import re
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pulumi
import pytest

import components.envoy
from components.envoy import EnvoyProxy, network_policy_spec
from components.envoy.validate import find_envoy
from components.network import pods
from tests.support.configs import stack_config
from tests.support.fields import unknown_fields
from tests.support.proxy_args import HOST, SERVERS, proxy_args
from tests.support.recorder import Recorder
from tests.support.server_pools import a_pool


@pytest.fixture
def proxy(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.setenv("SONIC_ENVOY", find_envoy())
    recorder.run(lambda: EnvoyProxy("envoy", proxy_args(stack_config())))
    return recorder


def test_every_field_is_known(proxy: Recorder) -> None:
    assert {r.name: unknown_fields(r) for r in proxy.resources_by_urn.values() if r.custom and unknown_fields(r)} == {}


def test_the_configuration_is_an_immutable_map_named_by_pulumi(proxy: Recorder) -> None:
    config = proxy.one("kubernetes:core/v1:ConfigMap")
    assert "name" not in config.inputs["metadata"]
    assert config.inputs["immutable"] is True
    (volume,) = proxy.manifest("Deployment")["spec"]["template"]["spec"]["volumes"]
    assert volume["configMap"]["name"] == config.manifest["metadata"]["name"]


def test_the_map_holds_what_the_pod_is_told_to_read(proxy: Recorder) -> None:
    data = proxy.one("kubernetes:core/v1:ConfigMap").inputs["data"]
    (container,) = proxy.manifest("Deployment")["spec"]["template"]["spec"]["containers"]
    (mount,) = container["volumeMounts"]
    for name, words in (
        ("envoy.json", container["args"]),
        ("drain.sh", container["lifecycle"]["preStop"]["exec"]["command"]),
    ):
        assert f"{mount['mountPath']}/{name}" in words
    assert HOST in data["envoy.json"]
    assert json.loads(data["envoy.json"])["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"
    assert data["drain.sh"] == Path(components.envoy.__file__).with_name("drain.sh").read_text()


def test_it_calls_the_servers_and_dns_and_nobody_else(proxy: Recorder) -> None:
    spec = proxy.manifest("NetworkPolicy")["spec"]
    dns, servers = spec["egress"]
    assert {port["port"] for port in dns["ports"]} == {53, 5353}
    assert servers["to"] == [SERVERS]
    assert servers["ports"] == [{"port": 8001, "protocol": "TCP"}]


def test_it_calls_each_pool_where_its_servers_are() -> None:
    elsewhere = pods({"app": "tunnel"}, "tunnels")
    pools = (
        a_pool(name="near", host=HOST, peers=(SERVERS,)),
        a_pool(name="near-too", host=HOST, peers=(SERVERS,), priority=1),
        a_pool(name="far", host="far.example.org", port=9001, peers=(elsewhere,), priority=2),
    )
    _dns, near, far = network_policy_spec(proxy_args(stack_config(), pools=pools))["egress"]
    assert near == {"to": [SERVERS], "ports": [{"port": 8001, "protocol": "TCP"}]}
    assert far == {"to": [elsewhere], "ports": [{"port": 9001, "protocol": "TCP"}]}


def test_clients_reach_the_grpc_port_and_prometheus_the_metrics(proxy: Recorder) -> None:
    calls, reads = proxy.manifest("NetworkPolicy")["spec"]["ingress"]
    assert calls == {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 8001, "protocol": "TCP"}]}
    (peer,) = reads["from"]
    assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "prometheus"
    assert reads["ports"] == [{"port": 9902, "protocol": "TCP"}]


def test_a_drained_node_takes_one_proxy_at_a_time(proxy: Recorder) -> None:
    spec = proxy.manifest("PodDisruptionBudget")["spec"]
    assert spec["maxUnavailable"] == 1
    assert spec["selector"] == proxy.manifest("Deployment")["spec"]["selector"]


def test_the_policy_stands_before_the_pods(proxy: Recorder) -> None:
    policy = proxy.one("kubernetes:networking.k8s.io/v1:NetworkPolicy")
    assert policy.urn in proxy.one("kubernetes:apps/v1:Deployment").depends_on


def test_outputs_name_what_clients_call(proxy: Recorder) -> None:
    envoy = next(component for component in proxy.components() if component.type == "sonic:index:EnvoyProxy")
    address = "sonic-demo-envoy.sonic-demo.svc.cluster.local:8001"
    assert proxy.outputs[envoy.urn] == {"endpoints": [{"grpc_endpoint": address, "grpc_tls": False}]}


def test_several_ways_lead_to_the_same_envoys(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONIC_ENVOY", find_envoy())
    ingress = {
        "kind": "ingress",
        "hostname": "a.example.org",
        "controller": "nginx",
        "controller_namespace": "ingress",
    }
    config = stack_config(site={"further_exposures": [ingress]})
    recorder.run(lambda: EnvoyProxy("envoy", proxy_args(config)))
    services = recorder.manifests("Service")
    assert [each["metadata"]["name"] for each in services] == ["sonic-demo-envoy", "sonic-demo-envoy-ingress"]
    assert services[0]["spec"]["selector"] == services[1]["spec"]["selector"]
    (path,) = recorder.manifest("Ingress")["spec"]["rules"][0]["http"]["paths"]
    assert path["backend"]["service"]["name"] == "sonic-demo-envoy-ingress"
    calls, _reads = recorder.manifest("NetworkPolicy")["spec"]["ingress"]
    namespace = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
    assert calls["from"] == [{"ipBlock": {"cidr": "10.0.0.0/8"}}, namespace]


def test_without_an_envoy_nothing_is_deployed_unvalidated(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SONIC_ENVOY", raising=False)
    monkeypatch.setenv("PATH", "/no/programs/here")
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: "/no/programs/here")
    with pytest.raises(pulumi.RunError, match=r"Envoy is not installed here: .* `make install`, or set SONIC_ENVOY"):
        recorder.run(lambda: EnvoyProxy("envoy", proxy_args(stack_config())))


TOKENS = {
    "kind": "token",
    "issuers": [
        {"issuer": "https://one.example", "audiences": ["sonic"], "jwks_url": "https://one.example/jwk"},
        {"issuer": "https://two.example", "audiences": ["sonic"], "jwks_url": "https://two.example:8443/jwk"},
    ],
}
CERTIFICATES = {"kind": "certificate", "authorities_secret": "grid", "names": ["CN=jane"]}


def secured(recorder: Recorder, monkeypatch: pytest.MonkeyPatch, clients: Mapping[str, object]) -> Recorder:
    """The proxy, with TLS, for clients that say who they are."""
    monkeypatch.setenv("SONIC_ENVOY", find_envoy())
    exposure = {"kind": "cluster-ip", "client_cidrs": ["10.0.0.0/8"], "tls_secret": "sonic-tls"}
    config = stack_config(site={"exposure": exposure}, experiment={"clients": clients})
    proxies: list[EnvoyProxy] = []
    recorder.run(lambda: proxies.append(EnvoyProxy("envoy", proxy_args(config))))
    assert proxies[0].endpoints[0].grpc_tls
    return recorder


@pytest.mark.parametrize(
    ("clients", "secrets"),
    [(TOKENS, {"sonic-tls"}), (CERTIFICATES, {"sonic-tls", "grid"})],
    ids=["token", "certificate"],
)
def test_what_tells_clients_apart_is_in_the_pod(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, clients: Mapping[str, object], secrets: set[str]
) -> None:
    """Every secret that the configuration speaks of is described in the map, and its files are mounted."""
    proxy = secured(recorder, monkeypatch, clients)
    pod = proxy.manifest("Deployment")["spec"]["template"]["spec"]
    folder_of = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    volumes = {v["secret"]["secretName"]: folder_of[v["name"]] for v in pod["volumes"] if "secret" in v}
    assert volumes.keys() == secrets
    data = proxy.one("kubernetes:core/v1:ConfigMap").inputs["data"]
    named = set(re.findall(rf'"{folder_of["config"]}/([^"]+)"', data["envoy.json"]))
    assert named == data.keys() - {"envoy.json", "drain.sh", "startup.sh"}
    script, _admin_port, *awaited = pod["containers"][0]["startupProbe"]["exec"]["command"][1:]
    assert script == f"{folder_of['config']}/startup.sh"
    assert {f"{secret}.json" for secret in awaited} == named, "Envoy starts with all of them, or not at all"
    files = re.findall(r'"filename": "([^"]+)"', "".join(data[name] for name in named))
    in_the_image = {"/etc/ssl/certs/ca-certificates.crt"} if clients is TOKENS else set()
    assert {str(Path(file).parent) for file in set(files) - in_the_image} == set(volumes.values())
    assert {r.name: unknown_fields(r) for r in proxy.resources_by_urn.values() if r.custom and unknown_fields(r)} == {}


def test_keys_of_tokens_are_fetched_through_the_policy(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    *_, one, two = secured(recorder, monkeypatch, TOKENS).manifest("NetworkPolicy")["spec"]["egress"]
    assert [one, two] == [{"ports": [{"port": port, "protocol": "TCP"}]} for port in (443, 8443)]


def test_what_cannot_run_is_refused_before_anything_is_made(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONIC_ENVOY", find_envoy())
    nowhere = a_pool(host="")
    refusal = r"^Envoy refuses the configuration that was made for it: .*Address: value length must be at least 1"
    with pytest.raises(pulumi.RunError, match=refusal):
        recorder.run(lambda: EnvoyProxy("envoy", proxy_args(stack_config(), pools=(nowhere,))))
    assert not [r for r in recorder.resources_by_urn.values() if r.custom]
