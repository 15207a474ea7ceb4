"""What the proxy is made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components import names
from components.envoy.cluster import PoolEndpoint
from components.labels import Labels
from components.timing import Timing
from stacks.schema.experiment import Traffic
from stacks.schema.site import Exposure, Proxy


@dataclass(frozen=True, kw_only=True)
class EnvoyProxyArgs:
    """The proxy of one stack."""

    instance: str
    """Name of the stack's objects, such as `sonic-cms`."""
    namespace: str
    """Namespace of the stack."""
    pools: tuple[PoolEndpoint, ...]
    """Where the servers are."""
    proxy: Proxy
    """Number and size."""
    traffic: Traffic
    """What the clients' requests are like."""
    timing: Timing
    """Every time."""
    exposure: Exposure
    """How clients reach it."""
    hostname: str | None
    """Host name of the exposure, with the experiment's name filled in."""
    image: str
    """Envoy, with bash and sleep beside it, which the drain needs: not a distroless image."""
    prometheus_peer: Mapping[str, Any]
    """NetworkPolicy peer that reads the metrics."""
    pull_secret: str | None = None
    """Image pull secret of the namespace."""

    @property
    def name(self) -> str:
        """Name of the Deployment, the Service and all that goes with them."""
        return names.join(self.instance, "envoy")

    @property
    def labels(self) -> Labels:
        """Labels of the proxies."""
        return Labels(instance=self.instance, component="envoy")
