"""Arguments of the proxy for tests of components."""

from typing import Any

from components.envoy import EnvoyProxyArgs, PoolEndpoint
from components.labels import Labels
from components.network import pods
from components.timing import Timing
from stacks.schema import StackConfig

HOST = "sonic-demo-triton-gpu.sonic-demo.svc.cluster.local"


def proxy_args(config: StackConfig, **changes: Any) -> EnvoyProxyArgs:
    """The proxy of a stack with one pool."""
    arguments: dict[str, Any] = {
        "instance": config.name,
        "namespace": config.namespace,
        "pools": (PoolEndpoint(name="gpu", host=HOST, port=8001, priority=0),),
        "proxy": config.site.proxy,
        "traffic": config.experiment.traffic,
        "clients": config.experiment.clients,
        "timing": Timing.of(config.experiment.traffic, dns_ttl_seconds=config.site.dns_ttl_seconds),
        "exposure": config.site.exposure,
        "image": "example.org/envoy:v1.40.0",
        "prometheus_peer": pods(Labels(instance=config.name, component="prometheus").selector),
    }
    return EnvoyProxyArgs(**(arguments | changes))
