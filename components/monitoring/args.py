"""Arguments of a stack's metrics."""

from dataclasses import dataclass

from components.labels import Labels
from components.naming import Naming
from components.server_pool import MetricTarget
from stacks.schema.site import ExternalPrometheus, OwnPrometheus


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """The Prometheus of one stack, and its targets."""

    naming: Naming
    """Instance and namespace of the stack."""
    prometheus: OwnPrometheus | ExternalPrometheus
    """The site's choice of Prometheus."""
    targets: tuple[MetricTarget, ...]
    """Pods of the stack that the own Prometheus scrapes."""
    image: str
    """Image of the own Prometheus."""
    api_server_port: int
    """Port on which the API servers listen, behind their Service."""
    keda_namespace: str | None = None
    """Namespace whose pods may query the own Prometheus, beside those of the stack's namespace."""

    @property
    def name(self) -> str:
        """Name of the Deployment, the Service and all that goes with them."""
        return self.naming.name("prometheus")

    @property
    def labels(self) -> Labels:
        """Labels of the own Prometheus."""
        return self.naming.labels("prometheus")

    @property
    def target_namespaces(self) -> list[str]:
        """Namespaces of the targets, in the order of the targets, each once."""
        return list(dict.fromkeys(target.namespace for target in self.targets))
