"""A real Envoy and its clients when requests fill its memory."""

import json
import socket
from contextlib import ExitStack

import grpc

from components.envoy.memory import OUTSIDE_HEAP_MIB, connections_max
from components.envoy.stats import METRICS_PATH
from stacks.schema.experiment import Traffic
from stacks.schema.site import Proxy
from testbed.polling import eventually
from testbed.proxy_client import begin, channel, outcome, outcomes
from testbed.real_envoy import RealEnvoy, await_healthy
from tests.loopback.conftest import Envoys, Servers

A = "127.0.1.1"
SMALL = Proxy(memory_mib=256)
LARGEST = Traffic(largest_message_mib=16)
BODY_BYTES = 8 * 1024 * 1024
BODIES = 30
"""More than fit into the small one, few enough for one of the default size."""


def slow(servers: Servers, envoy: Envoys, size: Proxy) -> RealEnvoy:
    (server,) = servers(1)
    server.delay_seconds = 6
    proxy = envoy((A,), proxy=size, traffic=LARGEST)
    await_healthy(proxy, A)
    return proxy


def fill(proxy: RealEnvoy) -> "list[grpc.Future[bytes]]":
    """Begins many large calls, each over a connection of its own, as jobs have them."""
    return [begin(channel(proxy.target), bytes_each=BODY_BYTES) for _ in range(BODIES)]


def refuses(proxy: RealEnvoy) -> bool:
    return proxy.stat("overload.envoy.overload_actions.stop_accepting_requests.active") == 1


def test_a_full_envoy_refuses_new_requests_and_finishes_those_in_progress(servers: Servers, envoy: Envoys) -> None:
    proxy = slow(servers, envoy, SMALL)
    client = channel(proxy.target)
    held = fill(proxy)
    eventually(lambda: refuses(proxy), "requests are refused")

    refused = begin(client)
    error = refused.exception()
    assert isinstance(error, grpc.Call)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details() == "proxy overloaded, out of memory for more requests: retry later or use another site"
    words = {**dict(error.initial_metadata()), **dict(error.trailing_metadata())}
    assert words["grpc-retry-pushback-ms"] == "1000"

    assert proxy.stats("/ready")[0] == 200
    assert proxy.stats(METRICS_PATH)[0] == 200
    memory = json.loads(proxy.admin("/memory")[1])
    assert int(memory["heap_size"]) < (SMALL.memory_mib - OUTSIDE_HEAP_MIB) * 1024 * 1024

    ended = [outcome(call) for call in held]
    assert set(ended) == {A, "UNAVAILABLE"}, "what was taken is served"
    eventually(lambda: not refuses(proxy), "requests are taken again")
    assert outcomes(client) == {A: 1}


def test_requests_that_fit_into_the_memory_are_not_refused(servers: Servers, envoy: Envoys) -> None:
    proxy = slow(servers, envoy, Proxy())
    assert {outcome(call) for call in fill(proxy)} == {A}
    assert proxy.stat("http.clients.downstream_rq_overload_close") == 0


def test_connections_over_the_limit_are_refused_and_open_ones_still_work(
    servers: Servers, envoy: Envoys, started: ExitStack
) -> None:
    servers(1)
    proxy = envoy((A,), proxy=SMALL, traffic=LARGEST)
    await_healthy(proxy, A)
    client = channel(proxy.target)
    assert outcomes(client) == {A: 1}
    for _ in range(connections_max(SMALL)):
        started.enter_context(socket.create_connection(("127.0.0.1", proxy.grpc_port)))
    eventually(lambda: proxy.stat("http.clients.downstream_cx_active") == connections_max(SMALL), "all are taken")
    assert outcomes(channel(proxy.target)) == {"UNAVAILABLE": 1}
    assert outcomes(client) == {A: 1}
    assert proxy.stats("/ready")[0] == 200
