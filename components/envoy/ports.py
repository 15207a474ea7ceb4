"""Ports and addresses on which Envoy listens."""

GRPC_PORT = 8001
"""Where clients call."""
STATS_PORT = 9902
"""Where the kubelet asks `/ready` and Prometheus `/stats/prometheus`, and nothing else is answered."""
ADMIN_PORT = 9901
"""Envoy's admin interface, on the pod's own loopback only."""

LOOPBACK = "127.0.0.1"
ANY_IPV4 = "0.0.0.0"  # noqa: S104  within the pod; the NetworkPolicy decides who reaches it
ANY = "::"
"""Every address of both families; a node whose kernel has no IPv6 cannot listen on it."""
