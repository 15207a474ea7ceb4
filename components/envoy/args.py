"""What the proxy is made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.envoy.admission import AdmissionArgs
from components.envoy.tls import secret_files
from components.envoy.typed import Config
from components.labels import Labels
from components.naming import Naming
from components.server_pool import ServerPool
from components.timing import Timing
from stacks.schema.clients import CertificateClients, Clients, TokenClients
from stacks.schema.experiment import Traffic
from stacks.schema.exposure import Exposure
from stacks.schema.site import Proxy


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
    def authorities_secret(self) -> str | None:
        """Secret with the authorities of the clients' certificates; none where they show none."""
        return self.clients.authorities_secret if isinstance(self.clients, CertificateClients) else None

    @property
    def secret_files(self) -> Mapping[str, Config]:
        """File name -> description of a secret, for the configuration's folder."""
        return secret_files(
            server=self.tls_secret is not None,
            certificates_of_clients=self.authorities_secret is not None,
            issuers=isinstance(self.clients, TokenClients),
        )

    @property
    def labels(self) -> Labels:
        """Labels of the proxies."""
        return self.naming.labels("envoy")
