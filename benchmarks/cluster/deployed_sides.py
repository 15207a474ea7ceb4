"""The two sides in the development cluster, both on one node."""

import math
from dataclasses import dataclass

from benchmarks import peer
from benchmarks.compared_side import ComparedSide
from benchmarks.peer.bootstrap import ADMIN_PORT as PEER_ADMIN_PORT
from benchmarks.peer.bootstrap import CLUSTER as PEER_CLUSTER
from components import names
from components.envoy.cluster import CLUSTER
from components.envoy.ports import STATS_PORT
from devcluster.addresses import LOOPBACK
from devcluster.images.catalog import ENVOY
from devcluster.paths import MODELS
from stacks.schema import StackConfig
from stacks.schema.exposure import NodePortExposure

SERVERS = 3
"""Servers of each side before an event."""

_PEER_NAME = "supersonic"
_PEER_NODE_PORT = 30802
_PEER_REQUESTED_CPU = "20m"
"""Little, because ours requests most of the node's two cores during a rollout."""


@dataclass(frozen=True, kw_only=True)
class Side(ComparedSide):
    """A side in the cluster."""

    namespace: str
    servers: str
    """Deployment of the Triton servers."""
    envoys: str
    """Deployment of the Envoys."""
    target: str
    """`host:port` that clients call."""
    metrics_port: int
    """Port of an Envoy's metrics."""
    cluster: str
    """Name of the cluster of servers in Envoy's configuration."""


def ours(config: StackConfig) -> Side:
    """Return our side, from the configuration of the deployed stack."""
    exposure = config.site.exposure
    if not isinstance(exposure, NodePortExposure):
        msg = f"the stack {config.stack} is exposed by {exposure.kind}: the benchmark calls it on a port of the node"
        raise TypeError(msg)
    (share,) = config.pool_shares
    return Side(
        name="ours",
        slug="ours",
        namespace=config.namespace,
        servers=names.join(config.name, "triton", share.pool.name),
        envoys=names.join(config.name, "envoy"),
        target=f"{exposure.hostname}:{exposure.port}",
        metrics_port=STATS_PORT,
        cluster=CLUSTER,
    )


def supersonic(values: peer.Values) -> Side:
    """Return SuperSONIC's side, from the values of `peer.objects`."""
    return Side(
        name="SuperSONIC",
        slug="supersonic",
        namespace=values.namespace,
        servers=peer.triton_name(values.name),
        envoys=values.name,
        target=f"{LOOPBACK}:{values.node_port}",
        metrics_port=PEER_ADMIN_PORT,
        cluster=PEER_CLUSTER,
    )


def peer_values(config: StackConfig) -> peer.Values:
    """Return the values of a SuperSONIC site with the same servers as ours."""
    server, proxy = config.experiment.server, config.site.proxy
    return peer.Values(
        name=_PEER_NAME,
        namespace=f"{config.namespace}-supersonic",
        triton_image=server.image,
        envoy_image=config.site.images.envoy or ENVOY.reference,
        servers=SERVERS,
        models=MODELS,
        triton_limits={
            "cpu": f"{math.ceil(server.cpu_cores * 1000)}m",
            "memory": f"{math.ceil(server.memory_gib * 1024)}Mi",
        },
        envoy_limits={"cpu": f"{math.ceil(proxy.cpu_cores * 1000)}m", "memory": f"{proxy.memory_mib}Mi"},
        requested_cpu=_PEER_REQUESTED_CPU,
        node_port=_PEER_NODE_PORT,
    )
