"""What the proxy is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.labels import Labels
from components.naming import Naming
from components.server_pool import ServerPool
from components.timing import Timing
from stacks.schema.clients import Clients, Tenant
from stacks.schema.experiment import Admission, Traffic
from stacks.schema.exposure import Exposure
from stacks.schema.site import Proxy


@dataclass(frozen=True, kw_only=True)
class AdmissionArgs:
    """What is let in, where something is declared."""

    declared: Admission
    """The experiment's words."""
    servers_max: int
    """Servers at most: with all of them up the limit is as high as it ever gets."""
    query: str
    """The wait in the servers' queues in milliseconds, in PromQL."""
    prometheus_url: str
    """Who is asked it."""
    prometheus_peers: Sequence[Mapping[str, Any]]
    """NetworkPolicy peers that it stands for; empty: anywhere."""
    tenants: Sequence[Tenant] = ()
    """Who shares the capacity while there is too little, besides all others."""
    image: str
    """Image with python3 on PATH, 3.11 or later."""


@dataclass(frozen=True, kw_only=True)
class EnvoyProxyArgs:
    """The proxy of one stack."""

    naming: Naming
    """Instance and namespace of the stack."""
    pools: tuple[ServerPool, ...]
    """Where the servers are."""
    proxy: Proxy
    """Number and size."""
    traffic: Traffic
    """What the clients' requests are like."""
    clients: Clients
    """Who may call."""
    timing: Timing
    """Every time."""
    exposure: Exposure
    """How clients reach it."""
    image: str
    """Envoy, with bash and sleep beside it, which the drain needs: not a distroless image."""
    prometheus_peer: Mapping[str, Any]
    """NetworkPolicy peer that reads the metrics."""
    admission: AdmissionArgs | None = None
    """What is let in; None: all that fits into the memory."""
    stateful: bool = False
    """Whether a model keeps state between requests."""

    @property
    def name(self) -> str:
        """Name of the Deployment, the Service and all that goes with them."""
        return self.naming.name("envoy")

    @property
    def tls_secret(self) -> str | None:
        """Secret with the certificate that clients are shown; none where Envoy speaks plain text."""
        return self.exposure.pod_tls_secret

    @property
    def labels(self) -> Labels:
        """Labels of the proxies."""
        return self.naming.labels("envoy")
