"""Labels, and the NetworkPolicies that select by them."""

import pytest

from components.labels import Labels, instance_selector, version_label
from components.network import (
    IN_CLUSTER,
    Edge,
    addresses,
    dns,
    dual_stack,
    edge_to_url,
    namespace_pods,
    pods,
    policy_spec,
)

TRITON = Labels(instance="sonic-cms", component="triton", pool="gpu")


def test_the_selector_of_a_part_is_narrower_than_that_of_the_instance() -> None:
    assert instance_selector("sonic-cms").items() < TRITON.selector.items() < TRITON.all.items()


def test_two_pools_select_different_pods() -> None:
    other = Labels(instance="sonic-cms", component="triton", pool="cpu")
    assert TRITON.selector != other.selector


def test_a_policy_without_edges_denies_both_ways() -> None:
    assert policy_spec({"app": "x"}, ingress=[], egress=[]) == {
        "podSelector": {"matchLabels": {"app": "x"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [],
        "egress": [],
    }


def test_an_edge_is_a_rule_of_peers_and_ports() -> None:
    peers = [pods({"app": "y"}, "monitoring"), *addresses(["10.0.0.0/8"])]
    spec = policy_spec({"app": "x"}, ingress=[Edge(peers=peers, ports=[8001, 8002])], egress=[])
    assert spec["ingress"] == [
        {
            "from": [
                {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
                    "podSelector": {"matchLabels": {"app": "y"}},
                },
                {"ipBlock": {"cidr": "10.0.0.0/8"}},
            ],
            "ports": [{"port": 8001, "protocol": "TCP"}, {"port": 8002, "protocol": "TCP"}],
        }
    ]


def test_equal_edges_are_one_rule() -> None:
    edges = [Edge(peers=[pods({"app": "y"})], ports=[8001]), Edge(peers=[pods({"app": "y"})], ports=[8001])]
    assert len(policy_spec({"app": "x"}, ingress=edges, egress=edges)["egress"]) == 1
    assert len(policy_spec({"app": "x"}, ingress=edges, egress=edges)["ingress"]) == 1


def test_an_edge_without_peers_is_open_to_anyone_on_its_ports() -> None:
    spec = policy_spec({"app": "x"}, ingress=[], egress=[Edge(peers=[], ports=[443])])
    assert spec["egress"] == [{"ports": [{"port": 443, "protocol": "TCP"}]}]


def test_pods_without_a_namespace_are_those_of_the_policys_own() -> None:
    assert "namespaceSelector" not in pods({"app": "y"})
    assert "podSelector" not in namespace_pods("keda")


def test_dns_is_asked_over_udp_and_tcp_anywhere_in_the_cluster_and_at_a_node_local_cache() -> None:
    both = [{"port": port, "protocol": protocol} for port in (53, 5353) for protocol in ("UDP", "TCP")]
    assert dns([]).rule("to") == {"to": [IN_CLUSTER], "ports": both}
    assert dns(["169.254.20.10/32"]).rule("to")["to"] == [IN_CLUSTER, {"ipBlock": {"cidr": "169.254.20.10/32"}}]


def test_an_address_is_reached_alone() -> None:
    assert edge_to_url("http://10.123.0.1:19000/path").rule("to") == {
        "to": [{"ipBlock": {"cidr": "10.123.0.1/32"}}],
        "ports": [{"port": 19000, "protocol": "TCP"}],
    }


@pytest.mark.parametrize("host", ["minio.storage", "minio.storage.svc", "minio.storage.svc.cluster.local"])
def test_a_service_of_the_cluster_is_reached_on_the_ports_of_its_pods(host: str) -> None:
    assert edge_to_url(f"http://{host}:80").rule("to") == {
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "storage"}}}],
        "ports": [],  # any port, to Kubernetes
    }


def test_a_service_of_the_own_namespace_is_reached_on_the_ports_of_its_pods() -> None:
    assert edge_to_url("http://minio:9000").rule("to") == {"to": [{"podSelector": {}}], "ports": []}


@pytest.mark.parametrize("host", ["s3.example.org", "example.org", "cern.ch", "s3.svc.example"])
def test_a_name_is_reached_anywhere_on_its_port(host: str) -> None:
    assert edge_to_url(f"https://{host}").rule("to") == {"ports": [{"port": 443, "protocol": "TCP"}]}


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("nvcr.io/nvidia/tritonserver:24.10-py3", "24.10-py3"),
        (f"registry.example.org:5000/envoy:v1.39.1@sha256:{'0' * 64}", "v1.39.1"),
        (f"example.org:5000/envoy@sha256:{'0' * 64}", None),
        (f"example.org/envoy:{'1' * 62}-x", "1" * 62),
    ],
)
def test_the_version_of_an_object_is_the_tag_of_its_image(image: str, version: str | None) -> None:
    assert version_label(image).get("app.kubernetes.io/version") == version


def test_services_have_both_families_only_where_the_cluster_has() -> None:
    assert dual_stack(["IPv4"]) == dual_stack(["IPv6"]) == {}
    assert dual_stack(["IPv4", "IPv6"]) == {"ipFamilyPolicy": "PreferDualStack"}
