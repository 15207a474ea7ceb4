"""Arguments of the proxy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.labels import Labels
from components.monitoring.credentials import PrometheusCredentials
from components.naming import Naming
from components.server_pool import ServerPool
from components.timing import Timing
from stacks.schema.clients import Clients, Tenant
from stacks.schema.experiment import Admission, Traffic
from stacks.schema.exposure import WayIn
from stacks.schema.site import Proxy
from stacks.schema.tracing import Tracing


@dataclass(frozen=True, kw_only=True)
class AdmissionArgs:
    """Limits on accepted work and use of the pools, where a controller decides on either."""

    declared: Admission
    """Limits that the experiment declares."""
    servers_max: int
    """Most servers; the limit is highest when all of them are healthy."""
    query: str
    """PromQL for the wait in the servers' queues, in milliseconds."""
    prometheus_url: str
    """Prometheus that evaluates the query."""
    credentials: PrometheusCredentials | None = None
    """Header that Prometheus requires; None: none."""
    prometheus_peers: Sequence[Mapping[str, Any]]
    """NetworkPolicy peers of that Prometheus; empty: those that the URL leads to."""
    tenants: Sequence[Tenant] = ()
    """Tenants that share an overloaded pool by weight, besides all other clients."""
    spill_ms: float | None = None
    """Time in the first pool from which on requests go to the next one, in milliseconds; None: there is one pool."""
    spill_in_flight_per_server: float = 0.0
    """Requests in progress per healthy server up to which a pool is not full."""
    image: str
    """Image with python3 on PATH, 3.11 or later."""

    @property
    def queries_prometheus(self) -> bool:
        """True where the wait in the queues decides something."""
        return self.declared.queue_refuse_new_jobs_ms is not None


@dataclass(frozen=True, kw_only=True)
class EnvoyProxyArgs:
    """The proxy of one stack."""

    stack: str
    """Name of the Pulumi stack, by which clients can tell whose Envoy answers."""
    naming: Naming
    """Instance and namespace of the stack."""
    pools: tuple[ServerPool, ...]
    """Pools of servers."""
    proxy: Proxy
    """Number and size of the Envoys."""
    traffic: Traffic
    """Properties of the clients' requests."""
    clients: Clients
    """Clients that may call."""
    timing: Timing
    """Time-outs and intervals."""
    ways_in: tuple[WayIn, ...]
    """Ways of clients to the proxy, the one whose address is exported first."""
    image: str
    """Image of Envoy. The drain needs bash and sleep, so it is not a distroless image."""
    prometheus_peer: Mapping[str, Any]
    """NetworkPolicy peer that reads the metrics."""
    admission: AdmissionArgs | None = None
    """Arguments of the controller; None: there is one pool, and Envoy accepts all that fits into its memory."""
    tracing: Tracing | None = None
    """Traces of requests; None: nothing is traced."""
    stateful: bool = False
    """True if a model keeps state between requests."""

    @property
    def name(self) -> str:
        """Name of the Deployment and all that goes with it."""
        return self.naming.name("envoy")

    @property
    def tls_secret(self) -> str | None:
        """Secret with the certificate that Envoy shows to clients; None: it speaks plain text."""
        return self.ways_in[0].exposure.pod_tls_secret

    @property
    def labels(self) -> Labels:
        """Labels of the proxies."""
        return self.naming.labels("envoy")
