"""NetworkPolicies as pure functions: a peer, an edge, and the policy of one part of the stack.

The pods of a stack are default-deny in both directions; every edge that a part needs is declared by that part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from stacks.schema.url import cluster_service, endpoint

NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"
"""Label with its name that the API server puts on every namespace."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """Allowed traffic, to or from any of `peers` (empty: anyone) on any of `ports` (empty: every port)."""

    peers: Sequence[Mapping[str, Any]]
    ports: Sequence[int]
    protocols: Sequence[str] = ("TCP",)

    def rule(self, direction: str) -> dict[str, Any]:
        """Return the edge as an ingress rule (`from`) or an egress rule (`to`)."""
        ports = [{"port": port, "protocol": protocol} for port in self.ports for protocol in self.protocols]
        peers = {direction: [dict(peer) for peer in self.peers]} if self.peers else {}
        return {**peers, "ports": ports}


def pods(selector: Mapping[str, str], namespace: str | None = None) -> dict[str, Any]:
    """Return the peer of pods by label, in the policy's own namespace unless another is named."""
    peer: dict[str, Any] = {"podSelector": {"matchLabels": dict(selector)}}
    return peer if namespace is None else {**namespace_pods(namespace), **peer}


def namespace_pods(namespace: str) -> dict[str, Any]:
    """Return the peer of all pods of a namespace."""
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME_LABEL: namespace}}}


def addresses(cidrs: Sequence[str]) -> list[dict[str, Any]]:
    """Return the peers of address ranges outside the cluster."""
    return [{"ipBlock": {"cidr": cidr}} for cidr in cidrs]


OWN_NAMESPACE: Mapping[str, Any] = {"podSelector": {}}
"""Every pod of the policy's own namespace."""

IN_CLUSTER: Mapping[str, Any] = {"namespaceSelector": {}}
"""Every pod of the cluster."""


def dns(cidrs: Sequence[str]) -> Edge:
    """Return name resolution: the cluster's DNS pods in whichever namespace they run, and DNS servers by address.

    Policies compare the port of the pod. OpenShift's DNS pods listen on 5353, behind port 53 of their Service.

    Args:
        cidrs: ranges of DNS servers that are no pods, or pods in the host network, such as a node-local cache.
    """
    return Edge(peers=(IN_CLUSTER, *addresses(cidrs)), ports=(53, 5353), protocols=("UDP", "TCP"))


def edge_to_url(url: str) -> Edge:
    """Return traffic to the server of a URL. A NetworkPolicy knows addresses and pods, not names.

    - An IP address: that address, on its port.
    - A Service of the cluster (`minio`, `minio.models`, `minio.models.svc`): each pod of its namespace, on any port,
      since a policy compares the port of the pod, which the URL does not tell.
    - Another name: any address, on its port.
    """
    _, host, port = endpoint(url)
    try:
        prefix_length = ip_address(host).max_prefixlen
    except ValueError:
        service = cluster_service(host)
        if service is None:
            return Edge(peers=(), ports=(port,))
        return Edge(peers=(namespace_pods(service.namespace) if service.namespace else OWN_NAMESPACE,), ports=())
    return Edge(peers=addresses([f"{host}/{prefix_length}"]), ports=(port,))


def dual_stack(ip_families: Sequence[str]) -> dict[str, Any]:
    """Return the part of a Service's spec that gives it an address of each family of the cluster."""
    return {"ipFamilyPolicy": "PreferDualStack"} if len(ip_families) > 1 else {}


def policy_spec(selector: Mapping[str, str], *, ingress: Sequence[Edge], egress: Sequence[Edge]) -> dict[str, Any]:
    """Return the spec of one part's NetworkPolicy. It denies all traffic but its edges; equal edges are one rule."""
    return {
        "podSelector": {"matchLabels": dict(selector)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [edge.rule("from") for edge in _distinct(ingress)],
        "egress": [edge.rule("to") for edge in _distinct(egress)],
    }


def _distinct(edges: Sequence[Edge]) -> list[Edge]:
    return [edge for index, edge in enumerate(edges) if edge not in edges[:index]]
