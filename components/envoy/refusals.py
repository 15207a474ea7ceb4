"""Envoy's counters of refused calls by cause, as Prometheus has them."""

from typing import NamedTuple

from components.envoy.cluster import CLUSTER, NEXT_CLUSTER
from components.envoy.listener import STAT_PREFIX

OF_CLIENTS = f'envoy_http_conn_manager_prefix="{STAT_PREFIX}"'
"""Matcher of the series of clients' calls."""
TO_SERVERS = f'envoy_cluster_name=~"{CLUSTER}|{NEXT_CLUSTER}"'
"""Matcher of the series of calls to servers."""


class Refusal(NamedTuple):
    """A counter of refused calls."""

    cause: str
    """Cause in words."""
    counter: str
    """Name of the counter."""
    matcher: str
    """`OF_CLIENTS` or `TO_SERVERS`."""


LIMIT = Refusal("limit on requests in progress", "envoy_cluster_upstream_rq_active_overflow", TO_SERVERS)
NO_SERVER = Refusal("no healthy server", "envoy_cluster_upstream_cx_none_healthy", TO_SERVERS)
ANSWERED = Refusal("new job, tenant over its share, or closed method", "envoy_http_rq_direct_response", OF_CLIENTS)
"""Calls that a route answers. A client's watch of the health is one such call, too."""
NO_TOKEN = Refusal("no valid token", "envoy_http_jwt_authn_denied", OF_CLIENTS)
NOT_ALLOWED = Refusal("client not allowed", "envoy_http_rbac_denied", OF_CLIENTS)
MEMORY = Refusal("Envoy's memory full", "envoy_http_downstream_rq_overload_close", OF_CLIENTS)

REFUSALS = (LIMIT, NO_SERVER, ANSWERED, NO_TOKEN, NOT_ALLOWED, MEMORY)
"""All of them. An Envoy that is about to end is no longer read, so nobody counts requests that its drain cuts short."""
