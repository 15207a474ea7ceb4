"""Arguments of the proxy for tests of components."""

from typing import Any

from components.envoy import EnvoyProxyArgs
from components.naming import Naming
from components.network import pods
from components.timing import Timing
from stacks.schema import StackConfig
from tests.support.server_pools import a_pool

HOST = "sonic-demo-triton-gpu.sonic-demo.svc.cluster.local"
SERVERS = pods({"pool": "gpu"})


def proxy_args(config: StackConfig, **changes: Any) -> EnvoyProxyArgs:
    """Return the arguments of the proxy of a stack with one pool."""
    naming = Naming(instance=config.name, namespace=config.namespace)
    arguments: dict[str, Any] = {
        "stack": config.stack,
        "naming": naming,
        "pools": (a_pool(host=HOST, peers=(SERVERS,)),),
        "proxy": config.site.proxy,
        "traffic": config.experiment.traffic,
        "clients": config.experiment.clients,
        "timing": Timing.of(config.experiment.traffic),
        "ways_in": config.ways_in,
        "image": "example.org/envoy:v1.40.0",
        "prometheus_peer": pods(naming.labels("prometheus").selector),
    }
    return EnvoyProxyArgs(**(arguments | changes))
