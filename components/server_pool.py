"""One capacity pool as the other parts of a stack see it.

A pool gives one `ServerPool`; Envoy, Prometheus, the autoscaler and the queries read it. None of them asks what kind of
pool it is, nor in which namespace or under which labels its servers run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.timing import ServerTiming

METRICS_PORT_NAME = "metrics"
"""Name of the port, in containers and Services. Servers and proxies declare no other: Prometheus makes a target of each
port that a pod behind a scraped Service declares."""


@dataclass(frozen=True, kw_only=True)
class MetricTarget:
    """Pods whose metrics Prometheus reads. Their annotations name the same port and path."""

    name: str
    """Last part of the name of the Service or monitor that leads Prometheus to them."""
    namespace: str
    """Namespace of the pods."""
    labels: Mapping[str, str]
    """Labels that select them there, for NetworkPolicies."""
    port: int
    """Port of the metrics, which a container declares as `METRICS_PORT_NAME`."""
    path: str
    """HTTP path of the metrics."""


@dataclass(frozen=True, kw_only=True)
class ScaleTarget:
    """The object whose number of replicas KEDA sets."""

    namespace: str
    """Namespace of the object and of its ScaledObject."""
    api_version: str
    """API group and version, such as `apps/v1`."""
    kind: str
    """Kind, such as `Deployment`."""
    name: str
    """Name of the object; the ScaledObject takes the same."""
    labels: Mapping[str, str]
    """Labels for the ScaledObject."""
    servers_min: int
    """Fewest servers."""
    servers_max: int
    """Most servers."""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """The batch queue in which the servers of a pool wait."""

    virtual_node: str
    """Virtual node of the batch system, whose agent tells the state of the queue."""
    wait_seconds: int
    """Usual wait, as the site's file has it."""
    start_seconds: int
    """Longest time from there until the server is ready."""


@dataclass(frozen=True, kw_only=True)
class ServerPool:
    """Address, pods, metrics and scale of one pool's servers."""

    name: str
    """Name of the pool, as the site's file spells it."""
    host: str
    """DNS name that resolves to the addresses of the ready servers; an IP address is one server."""
    port: int
    """gRPC port of the servers."""
    priority: int
    """0 is the first choice; a pool of the next number gets what the healthy servers before it cannot take."""
    peers: tuple[Mapping[str, Any], ...]
    """NetworkPolicy peers behind `host`, as a policy in the stack's namespace names them."""
    metrics: MetricTarget
    """Pods that export `nv_inference_*`."""
    pod_pattern: str
    """Regular expression (RE2) of the whole names of those pods: the label `pod` of their series."""
    scale_target: ScaleTarget | None
    """What KEDA scales; None: the number of servers is fixed."""
    timing: ServerTiming
    """Times of the servers' checks, and of their stop."""
    queue: Queue | None = None
    """Batch queue of the servers; None: they wait in none."""
