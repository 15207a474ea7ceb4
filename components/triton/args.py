"""What the servers of one pool are made from, and the ports that they listen on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components import names
from components.labels import Labels
from components.model_repository import MountedRepository
from components.timing import Timing
from stacks.schema import PoolShare
from stacks.schema.experiment import Models, Server

GRPC_PORT = 8001
HTTP_PORT = 8000
"""For the kubelet's probes alone: Triton stops HTTP first and waits for its clients before it lets gRPC end."""
METRICS_PORT = 8002


@dataclass(frozen=True, kw_only=True)
class TritonPoolArgs:
    """The servers of one pool."""

    instance: str
    """Name of the stack's objects, such as `sonic-cms`."""
    namespace: str
    """Namespace of the stack."""
    share: PoolShare
    """The pool, and how many servers stand in it."""
    server: Server
    """The Triton server."""
    models: Models
    """What is served."""
    repository: MountedRepository
    """Where it is read."""
    timing: Timing
    """How a server leaves."""
    proxy_selector: Mapping[str, str]
    """Pods of Envoy, which alone call the servers."""
    prometheus_peer: Mapping[str, Any]
    """NetworkPolicy peer that reads the metrics."""
    pull_secret: str | None = None
    """Image pull secret of the namespace."""

    @property
    def name(self) -> str:
        """Name of the Deployment, the Service and all that goes with them."""
        return names.join(self.instance, "triton", self.share.pool.name)

    @property
    def labels(self) -> Labels:
        """Labels of the servers."""
        return Labels(instance=self.instance, component="triton", pool=self.share.pool.name)
