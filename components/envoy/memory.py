"""Envoy's memory budget, and how it refuses work before running out of memory.

Envoy holds a request until its answer begins, so that it can retry it. It rejects new requests when its heap is nearly
full; the kernel would otherwise kill it with all requests. docs/adr, "A full Envoy takes no new request".
"""

from components.envoy.args import EnvoyProxyArgs
from components.envoy.feature import Feature
from components.envoy.replies import local_reply
from components.envoy.typed import Config, extension, mib, response_matches, seconds
from stacks.schema.experiment import Traffic
from stacks.schema.site import PROXY_BASE_MEMORY_MIB, PROXY_BODIES_MIN, Proxy

CONNECTION_KIB = 64
"""Memory of one client connection without its buffers, rounded up."""
REQUEST_KIB = 32
"""Memory of one request in progress without its body, rounded up."""

OUTSIDE_HEAP_MIB = 64
"""Memory of the container outside Envoy's heap: the program itself, rounded up."""
REFRESH_SECONDS = 0.1
"""Interval of the checks of the heap. A check costs microseconds."""
BURST_MIB = 128
"""Bytes that 10 Gb/s bring from one check to the next, rounded up."""

_HEAP, _CONNECTIONS = "envoy.resource_monitors.fixed_heap", "envoy.resource_monitors.global_downstream_max_connections"


def connections_max(proxy: Proxy) -> int:
    """Return the client connections that fit into a quarter of one Envoy's spare memory.

    Envoy refuses further connections and keeps the open ones.
    """
    return _spare_mib(proxy) * 1024 // 4 // CONNECTION_KIB


def requests_max(proxy: Proxy) -> int:
    """Return the requests that fit, without their bodies, into half of one Envoy's spare memory."""
    return _spare_mib(proxy) * 1024 // 2 // REQUEST_KIB


def feature(args: EnvoyProxyArgs) -> Feature:
    """Return the overload manager and the error for refused clients."""
    return Feature(
        overload_manager=_overload_manager(args.proxy, args.traffic),
        # It replaces "envoy overloaded". The status is UNAVAILABLE in both cases.
        local_replies=[
            local_reply(
                response_matches("response.code_details == 'overload'"),
                "proxy overloaded, out of memory for more requests: retry later or use another site",
            )
        ],
    )


def _overload_manager(proxy: Proxy, traffic: Traffic) -> Config:
    """Return the overload manager: a limit on connections, and no new requests while the heap is nearly full.

    The threshold leaves room for bodies that are still arriving: `PROXY_BODIES_MIN` of the largest messages, or
    `BURST_MIB` if that is more. Two rules of the schema keep `memory_mib` above that, so an empty Envoy always takes a
    request.
    """
    heap_mib = proxy.memory_mib - OUTSIDE_HEAP_MIB
    room_mib = max(PROXY_BODIES_MIN * traffic.largest_message_mib, BURST_MIB)
    nearly_full = [{"name": _HEAP, "threshold": {"value": round(1 - room_mib / heap_mib, 3)}}]
    return {
        "refresh_interval": seconds(REFRESH_SECONDS),
        "resource_monitors": [
            extension(
                _CONNECTIONS,
                "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                max_active_downstream_connections=connections_max(proxy),
            ),
            extension(
                _HEAP,
                "extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
                max_heap_size_bytes=mib(heap_mib),
            ),
        ],
        "actions": [{"name": "envoy.overload_actions.stop_accepting_requests", "triggers": nearly_full}],
    }


def _spare_mib(proxy: Proxy) -> int:
    return proxy.memory_mib - PROXY_BASE_MEMORY_MIB
