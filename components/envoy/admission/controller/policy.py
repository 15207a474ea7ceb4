"""The policy of the controller, and the names that it shares with Envoy's configuration."""

from collections.abc import Mapping
from dataclasses import dataclass

CLUSTER = "servers"
"""Name of the cluster of all servers in Envoy's configuration, in the site's order of pools."""
NEXT_CLUSTER = "servers_next"
"""Name of the cluster of the same servers with the first pool last; only with several pools."""
REFUSE_NEW_JOBS_KEY = "admission.refuse_new_jobs"
"""Envoy's runtime key of the percentage of RepositoryIndex calls that are refused: 0 or 100."""
PERIOD_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The experiment's declarations and the addresses that this program needs."""

    requests_in_flight_per_server_max: int | None
    """Requests in progress per healthy server, over all Envoys; None: Envoy's memory is the only limit."""
    envoys: int
    """Envoys that share the servers."""
    requests_max: int
    """The limit in Envoy's configuration: upper bound of the computed one."""
    queue_refuse_new_jobs_ms: float | None
    """Wait from which on new jobs are refused; None: Prometheus is not queried."""
    prometheus_url: str
    """Base URL of Prometheus."""
    query: str
    """PromQL of the wait in the servers' queues, in milliseconds."""
    credentials_folder: str | None
    """Folder with the name and the value of a header for Prometheus, in the files `header` and `value`, and with its
    authorities in `ca.crt` where they are not public; None: it requires no header, and they are."""
    admin_port: int
    """Port of Envoy's admin interface on loopback."""
    weights: Mapping[str, float]
    """Tenant -> weight of its share; empty without tenants."""
    spill_ms: float | None
    """Time in the first pool from which on requests go to the next one, in milliseconds; None: there is one pool."""
    spill_in_flight_per_server: float
    """Requests in progress per healthy server, over all Envoys, up to which a pool is not full."""


def limit_key(cluster: str) -> str:
    """Return Envoy's runtime key of a cluster's limit on requests in progress."""
    return f"circuit_breakers.{cluster}.default.max_requests"


def refuse_key(tenant: str) -> str:
    """Return Envoy's runtime key of the fraction of the tenant's requests that is refused."""
    return f"admission.refuse.{tenant}"


def spill_key(tenant: str = "") -> str:
    """Return Envoy's runtime key of the fraction of requests that is refused or goes to the next pool.

    Envoy compares all fractions of one request with the same random number. The fraction for the next pool therefore
    includes the refused one, which is tried before.
    """
    return f"admission.spill.{tenant}".rstrip(".")
