"""Arguments of one pool of Triton servers: those of every kind, of pods, and of Slurm jobs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi

from components.labels import JOB_COMPONENT, Labels
from components.model_repository import MountedRepository
from components.naming import Naming
from components.rollout import ClusterHooks
from components.timing import ServerTiming
from stacks.schema import PoolShare
from stacks.schema.experiment import Models
from stacks.schema.model_control import ModelManager
from stacks.schema.pools import InterLinkPool, KubernetesPool
from stacks.schema.server import Server
from stacks.schema.storage import DataClaim, DataHostPath
from stacks.schema.tracing import Tracing
from stacks.schema.virtual_nodes import VirtualNode


@dataclass(frozen=True, kw_only=True)
class ServersArgs:
    """The servers of one pool, wherever they run."""

    naming: Naming
    """Instance and namespace of the stack."""
    share: PoolShare
    """The pool, and the number of servers in it."""
    priority: int
    """0 is the first choice; a pool of the next number gets what the healthy servers before it cannot take."""
    server: Server
    """The Triton server."""
    models: Models
    """Models of the experiment."""
    repository: MountedRepository
    """Volumes, credentials and egress with which a pod reads the models."""
    secrets: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    """Pulumi secrets by name."""
    timing: ServerTiming
    """Times of the servers' checks, and of their stop."""
    proxy_selector: Mapping[str, str]
    """Labels of Envoy's pods, which may call the servers."""
    model_managers: tuple[ModelManager, ...] = ()
    """Pods that may load and unload models."""
    prometheus_peer: Mapping[str, Any]
    """NetworkPolicy peer that reads the metrics."""
    tracing: Tracing | None = None
    """Traces of requests; None: nothing is traced."""
    hooks: ClusterHooks | None = None
    """Work in the cluster during an update. None: manifests are only rendered."""
    image: str
    """Image of the server, by the site's mirror."""

    @property
    def name(self) -> str:
        """Name of the Deployment, the Service and all that goes with them."""
        return self.naming.name("triton", self.share.pool.name)

    @property
    def labels(self) -> Labels:
        """Labels of the pool's objects."""
        return self.naming.labels("triton", self.share.pool.name)

    @property
    def pod_labels(self) -> Labels:
        """Labels of the Deployment's pods."""
        return self.labels


@dataclass(frozen=True, kw_only=True)
class TritonPoolArgs(ServersArgs):
    """Servers that are pods on nodes of this cluster."""

    pool: KubernetesPool
    """The pool of `share`."""
    data: Mapping[str, DataClaim | DataHostPath] = field(default_factory=dict)
    """Volumes of the site with other data, by name."""
    self_tests: Mapping[str, bytes] = field(default_factory=dict)
    """Files with requests that are known to be right, by name, for the servers' liveness."""


@dataclass(frozen=True, kw_only=True)
class SlurmPoolArgs(ServersArgs):
    """Servers that are Slurm jobs behind a virtual node."""

    pool: InterLinkPool
    """The pool of `share`."""
    node: VirtualNode
    """The virtual node of the pool."""

    @property
    def pod_labels(self) -> Labels:
        """Labels of the virtual pods."""
        return self.naming.labels(JOB_COMPONENT, self.pool.name)
