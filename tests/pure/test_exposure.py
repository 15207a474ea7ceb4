"""The clients' address, for each way in which a site exposes it."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from components.exposure import (
    ClientEndpoint,
    ClientEndpointArgs,
    endpoint,
    grpc_route_spec,
    ingress_annotations,
    service_metadata,
    service_spec,
)
from components.ingress import caller_peers, ingress_spec
from components.labels import Labels
from stacks.schema.exposure import Exposure, GatewayExposure, IngressExposure
from tests.support.recorder import Recorder

CIDRS = ["10.1.0.0/16", "2001:db8::/32"]
IN_CLUSTER = {"kind": "cluster-ip", "client_cidrs": CIDRS}
NODE_PORT = {"kind": "node-port", "client_cidrs": CIDRS, "hostname": "node.example.org", "port": 30801}
BALANCER = {
    "kind": "load-balancer",
    "client_cidrs": CIDRS,
    "annotations": {"metallb.universe.tf/address-pool": "private"},
    "labels": {"scrape_metrics": "true"},
}
INGRESS = {
    "kind": "ingress",
    "hostname": "sonic-cms.example.org",
    "class_name": "haproxy",
    "controller": "haproxy",
    "controller_namespace": "haproxy-controller",
}
GATEWAY = {
    "kind": "gateway",
    "hostname": "sonic-cms.example.org",
    "gateway": "public",
    "gateway_namespace": "gateways",
    "controller": "envoy-gateway",
}
NODES = ["192.0.2.0/24"]
BALANCER_BEHIND_NODES = BALANCER | {"traffic_policy": "cluster", "node_cidrs": NODES}
ADDRESSES = [{"ipBlock": {"cidr": cidr}} for cidr in CIDRS]


def pods_of(namespace: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}


class _Site(BaseModel):
    exposure: Exposure


def args_of(exposure: dict[str, Any]) -> ClientEndpointArgs:
    return ClientEndpointArgs(
        name="sonic-cms-envoy",
        namespace="sonic-cms",
        labels=Labels(instance="sonic-cms", component="envoy"),
        port=8001,
        exposure=_Site.model_validate_json(json.dumps({"exposure": exposure})).exposure,
        wait_seconds=505,
    )


@pytest.mark.parametrize(
    ("exposure", "expected"),
    [
        (IN_CLUSTER, "sonic-cms-envoy.sonic-cms.svc.cluster.local:8001"),
        (NODE_PORT, "node.example.org:30801"),
        (BALANCER | {"hostname": "sonic-cms.example.org"}, "sonic-cms.example.org:8001"),
        (INGRESS, "sonic-cms.example.org:443"),
        (GATEWAY, "sonic-cms.example.org:443"),
        (GATEWAY | {"port": 8001, "tls": False}, "sonic-cms.example.org:8001"),
    ],
)
def test_the_endpoint_is_what_clients_type(exposure: dict[str, Any], expected: str) -> None:
    assert endpoint(args_of(exposure)) == expected


@pytest.mark.parametrize("address", [{"hostname": "sonic.example.org"}, {"ip": "192.0.2.7"}])
def test_the_status_names_a_load_balancer_that_its_site_does_not(address: dict[str, str]) -> None:
    status = {"status": {"loadBalancer": {"ingress": [address]}}}
    recorder = Recorder(cluster_state={"kubernetes:core/v1:Service": status})
    recorder.run(lambda: ClientEndpoint("endpoint", args_of(BALANCER)))
    (component,) = recorder.components()
    assert recorder.outputs[component.urn]["grpc_endpoint"] == f"{next(iter(address.values()))}:8001"


@pytest.mark.parametrize("exposure", [IN_CLUSTER, NODE_PORT, BALANCER, INGRESS, GATEWAY])
@pytest.mark.parametrize("secret", [None, "sonic-tls"])
def test_clients_speak_tls_to_a_proxy_and_to_pods_with_a_certificate(
    exposure: dict[str, Any], secret: str | None
) -> None:
    proxied = exposure["kind"] in {"ingress", "gateway"}
    given = args_of(exposure | ({} if exposure is GATEWAY else {"tls_secret": secret})).exposure
    assert given.clients_speak_tls == (proxied or secret is not None)
    assert not args_of(GATEWAY | {"tls": False}).exposure.clients_speak_tls
    assert given.pod_tls_secret == (None if proxied else secret)


@pytest.mark.parametrize(
    ("exposure", "peers"),
    [
        (IN_CLUSTER, ADDRESSES),
        (NODE_PORT, ADDRESSES),
        (BALANCER, ADDRESSES),
        (BALANCER_BEHIND_NODES, [*ADDRESSES, {"ipBlock": {"cidr": NODES[0]}}]),
        (IN_CLUSTER | {"client_namespaces": ["jobs"]}, [*ADDRESSES, pods_of("jobs")]),
        ({"kind": "cluster-ip", "client_namespaces": ["jobs"]}, [pods_of("jobs")]),
        (INGRESS, [pods_of("haproxy-controller")]),
        (INGRESS | {"client_namespaces": ["jobs"]}, [pods_of("haproxy-controller"), pods_of("jobs")]),
        (INGRESS | {"controller_namespace": None, "controller_cidrs": CIDRS}, ADDRESSES),
        (GATEWAY, [pods_of("gateways")]),
        (GATEWAY | {"controller_namespace": "envoy-gateway-system"}, [pods_of("envoy-gateway-system")]),
        (GATEWAY | {"controller_cidrs": CIDRS}, [*ADDRESSES, pods_of("gateways")]),
    ],
)
def test_the_proxy_lets_in_whoever_its_calls_come_from(exposure: dict[str, Any], peers: list[dict[str, Any]]) -> None:
    assert list(caller_peers(args_of(exposure).exposure)) == peers


@pytest.mark.parametrize("exposure", [NODE_PORT, BALANCER])
def test_where_addresses_decide_the_clients_own_address_arrives(exposure: dict[str, Any]) -> None:
    assert service_spec(args_of(exposure))["externalTrafficPolicy"] == "Local"


def test_behind_nodes_kube_proxy_compares_the_clients_address() -> None:
    spec = service_spec(args_of(BALANCER_BEHIND_NODES))
    assert (spec["externalTrafficPolicy"], spec["loadBalancerSourceRanges"]) == ("Cluster", CIDRS)


@pytest.mark.parametrize("node_ports", [False, True])
def test_a_balancer_has_node_ports_only_where_the_site_asks_for_them(node_ports: bool) -> None:
    spec = service_spec(args_of(BALANCER | {"node_ports": node_ports}))
    assert spec["allocateLoadBalancerNodePorts"] is node_ports


def test_the_node_port_is_the_sites() -> None:
    spec = service_spec(args_of(NODE_PORT))
    assert spec["type"] == "NodePort"
    assert spec["ports"][0]["nodePort"] == 30801


def test_a_load_balancer_takes_the_sites_facts() -> None:
    args = args_of(BALANCER)
    assert service_spec(args)["type"] == "LoadBalancer"
    assert service_spec(args)["loadBalancerSourceRanges"] == CIDRS
    assert service_metadata(args)["annotations"] == {"metallb.universe.tf/address-pool": "private"}
    assert service_metadata(args)["labels"].items() >= {"scrape_metrics": "true", **args.labels.all}.items()


@pytest.mark.parametrize("exposure", [IN_CLUSTER, NODE_PORT, BALANCER, INGRESS, GATEWAY])
def test_the_port_says_that_it_speaks_http2(exposure: dict[str, Any]) -> None:
    (port,) = service_spec(args_of(exposure))["ports"]
    assert (port["port"], port["appProtocol"]) == (8001, "kubernetes.io/h2c")


@pytest.mark.parametrize("exposure", [IN_CLUSTER, NODE_PORT, BALANCER])
def test_the_port_says_that_it_speaks_tls(exposure: dict[str, Any]) -> None:
    (port,) = service_spec(args_of(exposure | {"tls_secret": "sonic-tls"}))["ports"]
    assert (port["port"], port["appProtocol"]) == (8001, "https")


@pytest.mark.parametrize("secret", [None, "sonic-tls"])
def test_an_ingress_always_has_tls(secret: str | None) -> None:
    args = args_of(INGRESS | {"tls_secret": secret})
    assert isinstance(args.exposure, IngressExposure)
    spec = ingress_spec(args.name, "grpc", args.exposure)
    expected = {"hosts": ["sonic-cms.example.org"]} | ({"secretName": secret} if secret else {})
    assert spec["tls"] == [expected]
    assert spec["rules"][0]["host"] == "sonic-cms.example.org"
    assert spec["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] == "sonic-cms-envoy"


@pytest.mark.parametrize(
    ("controller", "expected"),
    [
        (
            "nginx",
            {
                "nginx.ingress.kubernetes.io/backend-protocol": "GRPC",
                "nginx.ingress.kubernetes.io/proxy-read-timeout": "505",
                "nginx.ingress.kubernetes.io/proxy-send-timeout": "505",
                "nginx.ingress.kubernetes.io/proxy-body-size": "0",
            },
        ),
        (
            "haproxy",
            {
                "haproxy-ingress.github.io/backend-protocol": "h2",
                "haproxy-ingress.github.io/timeout-server": "505s",
            },
        ),
        ("haproxytech", {"haproxy.org/server-proto": "h2", "haproxy.org/timeout-server": "505s"}),
        ("traefik", {"traefik.ingress.kubernetes.io/router.tls": "true"}),
        ("other", {}),
    ],
)
def test_a_controller_speaks_grpc_to_envoy_and_waits_as_long(controller: str, expected: dict[str, str]) -> None:
    own = {"example.org/own": "yes"}
    args = args_of(INGRESS | {"controller": controller, "annotations": own})
    assert isinstance(args.exposure, IngressExposure)
    assert ingress_annotations(args, args.exposure) == {**expected, **own}


def test_the_sites_annotation_wins() -> None:
    own = {"haproxy-ingress.github.io/timeout-server": "1h"}
    args = args_of(INGRESS | {"annotations": own})
    assert isinstance(args.exposure, IngressExposure)
    assert ingress_annotations(args, args.exposure)["haproxy-ingress.github.io/timeout-server"] == "1h"


def test_traefik_is_told_on_the_service_that_it_speaks_http2_without_tls() -> None:
    metadata = service_metadata(args_of(INGRESS | {"controller": "traefik"}))
    assert metadata == {"annotations": {"traefik.ingress.kubernetes.io/service.serversscheme": "h2c"}}
    assert service_metadata(args_of(INGRESS)) == {}


def test_nobody_waits_for_a_status_that_is_never_written() -> None:
    args = args_of(INGRESS | {"publishes_status": False})
    assert isinstance(args.exposure, IngressExposure)
    assert ingress_annotations(args, args.exposure)["pulumi.com/skipAwait"] == "true"


@pytest.mark.parametrize(("controller", "policies"), [("envoy-gateway", 1), ("other", 0)])
def test_envoy_gateway_is_told_to_end_no_call(controller: str, policies: int) -> None:
    recorder = Recorder()
    recorder.run(lambda: ClientEndpoint("endpoint", args_of(GATEWAY | {"controller": controller})))
    made = recorder.manifests("BackendTrafficPolicy")
    assert len(made) == policies
    for policy in made:
        assert policy["spec"]["timeout"] == {"http": {"requestTimeout": "0s"}}
        (target,) = policy["spec"]["targetRefs"]
        assert (target["kind"], target["name"]) == ("GRPCRoute", "sonic-cms-envoy")


@pytest.mark.parametrize("section", [None, "grpc"])
def test_a_route_hangs_on_the_sites_gateway(section: str | None) -> None:
    args = args_of(GATEWAY | {"section": section})
    assert isinstance(args.exposure, GatewayExposure)
    spec = grpc_route_spec(args, args.exposure)
    parent = {"name": "public", "namespace": "gateways"} | ({"sectionName": section} if section else {})
    assert spec["parentRefs"] == [parent]
    assert spec["hostnames"] == ["sonic-cms.example.org"]
    assert spec["rules"] == [{"backendRefs": [{"name": "sonic-cms-envoy", "port": 8001}]}]
