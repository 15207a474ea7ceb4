"""Envoy's memory budget, and how it refuses work before running out of memory.

A request is held until its answer begins, so that it can be sent again, and nobody knows how large the next one is: so
Envoy looks at its heap, and takes no new request where too little is left. The kernel would end all of them at once.
"""

from components.envoy.args import EnvoyProxyArgs
from components.envoy.feature import Feature
from components.envoy.replies import local_reply
from components.envoy.typed import Config, extension, mib, response_matches, seconds
from stacks.schema.experiment import Traffic
from stacks.schema.site import PROXY_BASE_MEMORY_MIB, PROXY_BODIES_MIN, Proxy

CONNECTION_KIB = 64
"""Memory of one client connection. An idle one takes less; its buffers come on top."""
REQUEST_KIB = 32
"""Memory of one request in progress without its body."""

OUTSIDE_HEAP_MIB = 64
"""What the container's limit counts and the heap does not: 57 MiB were measured, which are the program itself."""
REFRESH_SECONDS = 0.1
"""Between two looks at the heap. Envoy's default is a second, in which 10 Gb/s fill a whole Envoy of the default size;
a look costs microseconds."""
BURST_MIB = 128
"""What 10 Gb/s bring from one look to the next, rounded up."""

_HEAP, _CONNECTIONS = "envoy.resource_monitors.fixed_heap", "envoy.resource_monitors.global_downstream_max_connections"


def connections_max(proxy: Proxy) -> int:
    """How many client connections one Envoy takes: as many as fit into a quarter of its spare memory.

    Beyond it new connections are refused, and those that stand go on.
    """
    return _spare_mib(proxy) * 1024 // 4 // CONNECTION_KIB


def requests_max(proxy: Proxy) -> int:
    """How many requests may be in progress in one Envoy: as many as fit, bodies left out, into half of that memory."""
    return _spare_mib(proxy) * 1024 // 2 // REQUEST_KIB


def feature(args: EnvoyProxyArgs) -> Feature:
    """Return the overload manager, and the sentence for refused clients."""
    return Feature(
        overload_manager=_overload_manager(args.proxy, args.traffic),
        # Instead of "envoy overloaded", for the same status, UNAVAILABLE.
        local_replies=[
            local_reply(
                response_matches("response.code_details == 'overload'"),
                "proxy overloaded, out of memory for more requests: retry later or use another site",
            )
        ],
    )


def _overload_manager(proxy: Proxy, traffic: Traffic) -> Config:
    """Envoy's overload manager: the limit on connections, and no new requests while the heap is nearly full.

    Room is left for what is on its way when it stops: as many of the largest messages as must fit at least, or what
    the network brings until the next look, if that is more. So there is always room for a first request: a site's
    memory is no less than the two rules of the schema ask.

    Envoy neither resets requests nor gives memory back: docs/adr, "A full Envoy takes no new request".
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
