"""The two sides: Envoy's configuration and command line, and the preStop hooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import peer
from benchmarks.compared_side import ComparedSide
from benchmarks.loopback.fleet import GRPC_PORT as TRITON_GRPC_PORT
from benchmarks.peer import shutdown
from benchmarks.peer.bootstrap import ADMIN_PORT as PEER_ADMIN_PORT
from benchmarks.peer.bootstrap import CLUSTER as PEER_CLUSTER
from benchmarks.peer.bootstrap import GRPC_PORT as PEER_GRPC_PORT
from components import envoy
from components.envoy import AdmissionArgs, EnvoyProxyArgs
from components.envoy.bootstrap import bootstrap
from components.envoy.cluster import CLUSTER
from components.envoy.deployment import DRAIN_FILE, arguments, drain_command
from components.envoy.ports import ADMIN_PORT, GRPC_PORT, STATS_PORT
from components.naming import Naming
from components.server_pool import MetricTarget, ServerPool
from components.timing import ServerTiming, Timing
from components.versions import ENVOY_IMAGE
from stacks.schema.clients import Clients, NetworkClients
from stacks.schema.experiment import Traffic
from stacks.schema.exposure import ClusterIpExposure, WayIn
from stacks.schema.site import Proxy
from testbed.real_envoy import NODE

SERVICE_NAME = "triton.benchmark.test"
"""DNS name of the servers, which only the DNS stub knows."""

DNS_TTL_SECONDS = 5
"""TTL of a cluster's DNS: CoreDNS' own default."""

_ANYONE = NetworkClients(kind="network")
_POD_ONLY = ("--config-path", "--service-node", "--service-cluster")
"""Flags of ours, each followed by its value, that only a pod can fill in."""


@dataclass(frozen=True, kw_only=True)
class Side(ComparedSide):
    """A side on loopback."""

    config: Mapping[str, Any]
    """Envoy's bootstrap, as the pod has it."""
    cluster: str
    """Name of the cluster of servers in it."""
    ports: tuple[int, ...]
    """Ports in it on which Envoy listens: gRPC, admin, and statistics where it has them apart."""
    envoy_arguments: tuple[str, ...]
    """Command line of Envoy, but for its configuration."""
    triton_pre_stop: tuple[str, ...]
    """preStop hook of a server, as a command."""
    envoy_pre_stop: tuple[str, ...]
    """preStop hook of Envoy, as a command in which the word `ADMIN_PORT` is replaced by that port; empty: none."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Path in the pod -> content of the files that the configuration names."""


def own_timing(dns_ttl_seconds: int = DNS_TTL_SECONDS) -> ServerTiming:
    """Return our timing for a site that declares this TTL."""
    return ServerTiming.of(Traffic(), dns_ttl_seconds=dns_ttl_seconds)


def supersonic(policy: peer.Policy = "LEAST_REQUEST") -> Side:
    """SuperSONIC 0.3.1 with its default values, but for the balancing policy."""
    return Side(
        name=f"SuperSONIC {policy}",
        slug=f"supersonic-{policy.lower().replace('_', '-')}",
        config=peer.bootstrap(host=SERVICE_NAME, port=TRITON_GRPC_PORT, policy=policy),
        cluster=PEER_CLUSTER,
        ports=(PEER_GRPC_PORT, PEER_ADMIN_PORT),
        envoy_arguments=shutdown.ENVOY_ARGUMENTS,
        triton_pre_stop=shutdown.TRITON_PRE_STOP,
        envoy_pre_stop=shutdown.ENVOY_PRE_STOP,
    )


def ours(
    dns_ttl_seconds: int = DNS_TTL_SECONDS,
    *,
    clients: Clients = _ANYONE,
    admission: AdmissionArgs | None = None,
    server_port: int = TRITON_GRPC_PORT,
) -> Side:
    """This program's proxy, with every default, as `EnvoyProxy` deploys it.

    Args:
        dns_ttl_seconds: how old an answer of DNS may be, as the site declares it.
        clients: clients that Envoy accepts.
        admission: limits of the admission controller, which `controlled_envoy.controlled` starts.
        server_port: gRPC port of the servers.
    """
    traffic = Traffic()
    pool = ServerPool(
        name="loopback",
        host=SERVICE_NAME,
        port=server_port,
        priority=0,
        peers=(),
        metrics=MetricTarget(
            name="server-metrics", namespace="sonic-benchmark", labels={}, port=TRITON_GRPC_PORT, path="/metrics"
        ),
        pod_pattern="",
        scale_target=None,
        timing=own_timing(dns_ttl_seconds),
    )
    args = EnvoyProxyArgs(
        stack="benchmark",
        naming=Naming(instance="sonic-benchmark", namespace="sonic-benchmark"),
        pools=(pool,),
        proxy=Proxy(),
        traffic=traffic,
        timing=Timing.of(traffic),
        clients=clients,
        ways_in=(
            WayIn(
                service="sonic-benchmark",
                exposure=ClusterIpExposure(kind="cluster-ip", client_cidrs=("127.0.0.0/8",)),
            ),
        ),
        image=ENVOY_IMAGE,
        prometheus_peer={},
        admission=admission,
    )
    script = Path(envoy.__file__).with_name(DRAIN_FILE)
    shell, _script_in_pod, _admin_port, *times = drain_command(args)
    return Side(
        name="ours",
        slug="ours",
        config=bootstrap(args),
        cluster=CLUSTER,
        ports=(GRPC_PORT, ADMIN_PORT, STATS_PORT),
        envoy_arguments=(*_outside_a_pod(arguments(args)), *NODE),
        triton_pre_stop=("sleep", str(pool.timing.pre_stop_seconds)),
        envoy_pre_stop=(shell, str(script), "ADMIN_PORT", *times),
    )


def _outside_a_pod(arguments: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        word for before, word in pairwise(["", *arguments]) if before not in _POD_ONLY and word not in _POD_ONLY
    )
