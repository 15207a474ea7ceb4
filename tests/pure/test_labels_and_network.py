"""Labels, and the NetworkPolicies that select by them."""

from components.labels import Labels, instance_selector
from components.network import DNS, IN_CLUSTER, Edge, addresses, namespace_pods, pods, policy_spec

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


def test_dns_is_asked_over_udp_and_tcp_anywhere_in_the_cluster() -> None:
    assert DNS.rule("to") == {
        "to": [IN_CLUSTER],
        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
    }
