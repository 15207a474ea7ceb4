"""Pools of servers as Envoy and the queries see them."""

from typing import Any

from components.server_pool import MetricTarget, ServerPool
from components.timing import ServerTiming
from stacks.schema.experiment import Traffic


def a_pool(*, host: str, port: int = 8001, **facts: Any) -> ServerPool:
    """Return one pool at a host, without an autoscaler unless `facts` set one."""
    defaults: dict[str, Any] = {
        "name": "gpu",
        "priority": 0,
        "peers": (),
        "metrics": MetricTarget(name="server-metrics", namespace="sonic-demo", labels={}, port=8002, path="/metrics"),
        "pod_pattern": "",
        "scale_target": None,
        "timing": ServerTiming.of(Traffic(), dns_ttl_seconds=5),
    }
    return ServerPool(host=host, port=port, **(defaults | facts))
