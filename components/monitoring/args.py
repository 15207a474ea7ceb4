"""Arguments of a stack's metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.base import Manifest
from components.labels import Labels
from components.monitoring.agents import AgentTarget
from components.naming import Naming
from components.server_pool import MetricTarget
from stacks.schema.site import ExternalPrometheus, OperatorPrometheus, OwnPrometheus


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """The Prometheus of one stack, and its targets."""

    naming: Naming
    """Instance and namespace of the stack."""
    prometheus: OwnPrometheus | ExternalPrometheus | OperatorPrometheus
    """The site's choice of Prometheus."""
    servers: tuple[MetricTarget, ...]
    """Triton servers whose metrics it has, each target once."""
    proxies: MetricTarget
    """Envoys whose metrics it has."""
    secrets: Mapping[str, pulumi.Output[str]]
    """Pulumi secrets by name: those that `prometheus` names, at least."""
    agents: tuple[AgentTarget, ...]
    """Agents of Slurm clusters whose metrics it has. A Prometheus of kind `external` is told of none."""
    rule_groups: Sequence[Manifest]
    """Rule groups that it evaluates. One of kind `external` gets none."""
    image: str
    """Image of the own Prometheus."""
    api_server_port: int
    """Port on which the API servers listen, behind their Service."""
    keda_namespace: str | None = None
    """Namespace whose pods may query the own Prometheus, beside those of the stack's namespace."""
    grafana_namespace: str | None = None
    """Another one."""

    @property
    def name(self) -> str:
        """Name of the Deployment, the Service and all that goes with them."""
        return self.naming.name("prometheus")

    @property
    def labels(self) -> Labels:
        """Labels of the own Prometheus."""
        return self.naming.labels("prometheus")

    @property
    def targets(self) -> tuple[MetricTarget, ...]:
        """All pods of the stack with metrics."""
        return (*self.servers, self.proxies)

    @property
    def target_namespaces(self) -> list[str]:
        """Namespaces of the targets, in the order of the targets, each once."""
        return list(dict.fromkeys(target.namespace for target in self.targets))
