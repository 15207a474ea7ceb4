"""Balancing, health checks, ejection and retries: real Envoy, stand-in servers."""

import threading
import time

import grpc
import pytest

from components.envoy.typed import Config
from testbed.dns_stub import DnsStub, Zone
from testbed.polling import eventually
from testbed.proxy_client import channel, outcomes
from testbed.real_envoy import RealEnvoy, await_healthy
from testbed.stand_in import STOPPING, STREAM
from tests.loopback.conftest import Envoys, Servers
from tests.support.chaos import Fault

A, B, C = "127.0.1.1", "127.0.1.2", "127.0.1.3"


def connected(envoy: RealEnvoy) -> grpc.Channel:
    """Return a client whose Envoy is connected to its servers: calls that wait for a connection count for none."""
    client = channel(envoy.target)
    outcomes(client, 30)
    return client


def test_calls_over_one_connection_are_spread_evenly_over_the_servers(servers: Servers, envoy: Envoys) -> None:
    for server in servers(3):
        server.delay_seconds = 1
    proxy = envoy((A, B, C))
    await_healthy(proxy, A, B, C)
    answered = outcomes(connected(proxy), 30)
    assert answered.keys() == {A, B, C}
    assert all(8 <= count <= 12 for count in answered.values())


def test_a_server_that_is_not_ready_gets_no_calls_until_it_is_ready(servers: Servers, envoy: Envoys) -> None:
    first, _ = servers(2)
    proxy = envoy((A, B))
    first.serving = False
    await_healthy(proxy, B)
    assert outcomes(channel(proxy.target), 20) == {B: 20}
    first.serving = True
    await_healthy(proxy, A, B)
    assert A in outcomes(channel(proxy.target), 20)


def test_clients_get_unavailable_when_no_server_is_healthy(servers: Servers, envoy: Envoys) -> None:
    (only,) = servers(1)
    proxy = envoy((A,))
    only.serving = False
    await_healthy(proxy)
    assert outcomes(channel(proxy.target), 5) == {"UNAVAILABLE": 5}
    assert only.calls == 0


def test_a_ready_server_that_fails_every_call_loses_none_of_them(servers: Servers, envoy: Envoys) -> None:
    """Such a server has the fewest calls in progress, so `least_request` alone would prefer it."""
    black_hole, *others = servers(3)
    for server in others:
        server.delay_seconds = 0.1
    proxy = envoy((A, B, C))
    await_healthy(proxy, A, B, C)
    black_hole.status, black_hole.reason = grpc.StatusCode.UNAVAILABLE, STOPPING
    client = channel(proxy.target)
    assert sum((outcomes(client, 50) for _ in range(6)), start=outcomes(client, 0)).keys() == {B, C}
    assert black_hole.calls > 0


@pytest.mark.chaos(Fault.TRITON_CRASHES)
def test_calls_in_progress_on_a_crashing_server_are_retried_on_another(servers: Servers, envoy: Envoys) -> None:
    crashing, other = servers(2)
    proxy = envoy((A, B))
    await_healthy(proxy, A, B)
    client = connected(proxy)
    crashing.delay_seconds = other.delay_seconds = 2
    before = crashing.calls

    def crash() -> None:
        eventually(lambda: crashing.calls >= before + 80, "calls in progress")
        crashing.stop()

    crasher = threading.Thread(target=crash)
    crasher.start()
    assert outcomes(client, 200) == {B: 200}
    crasher.join()


@pytest.mark.chaos(Fault.TRITON_REFUSES)
@pytest.mark.parametrize("status", [grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_internal_and_resource_exhausted_are_neither_retried_nor_eject_the_server(
    servers: Servers, envoy: Envoys, status: grpc.StatusCode
) -> None:
    both = servers(2)
    proxy = envoy((A, B))
    await_healthy(proxy, A, B)
    for server in both:
        server.status = status
    assert outcomes(channel(proxy.target), 20) == {status.name: 20}
    assert sum(server.calls for server in both) == 20
    assert proxy.stat("cluster.servers.outlier_detection.ejections_enforced_total") == 0


def test_a_begun_stream_is_not_retried(servers: Servers, envoy: Envoys) -> None:
    (server,) = servers(1)
    proxy = envoy((A,))
    await_healthy(proxy, A)
    server.status = grpc.StatusCode.UNAVAILABLE
    assert outcomes(channel(proxy.target), method=STREAM) == {"UNAVAILABLE": 1}
    assert server.calls == 1


def test_bodies_larger_than_the_http2_windows_are_retried(servers: Servers, envoy: Envoys) -> None:
    failing, _ = servers(2)
    failing.status, failing.reason = grpc.StatusCode.UNAVAILABLE, STOPPING
    proxy = envoy((A, B))
    await_healthy(proxy, A, B)
    client = channel(proxy.target)
    for _ in range(6):
        assert outcomes(client, bytes_each=40 * 1024 * 1024) == {B: 1}
    assert failing.calls > 0


def test_the_second_pool_serves_while_the_first_is_unhealthy(servers: Servers, envoy: Envoys) -> None:
    first, *_ = servers(2)
    proxy = envoy((A,), (B,))
    await_healthy(proxy, A, B)
    client = channel(proxy.target)
    assert outcomes(client, 20) == {A: 20}
    first.serving = False
    await_healthy(proxy, B)
    assert outcomes(client, 20) == {B: 20}
    first.serving = True
    await_healthy(proxy, A, B)
    assert outcomes(client, 20) == {A: 20}


def test_a_healthy_server_that_dns_no_longer_lists_gets_no_calls(servers: Servers, envoy: Envoys) -> None:
    """Envoy drops it long before the TTL of the answer (30 s) ends."""
    servers(2)
    with DnsStub(Zone(name="servers.example", addresses=(A, B), ttl_seconds=30)) as dns:

        def ask_it(config: Config) -> None:
            cluster = config["static_resources"]["clusters"][0]
            resolver = cluster["cluster_type"]["typed_config"]["typed_dns_resolver_config"]["typed_config"]
            resolver["resolvers"] = [{"socket_address": {"address": "127.0.0.1", "port_value": dns.port}}]

        proxy = envoy(("servers.example",), change=ask_it)
        await_healthy(proxy, A, B)
        dns.set_addresses([B])
        eventually(lambda: proxy.healthy_servers() == {B}, "A is forgotten", timeout_seconds=20)
        assert outcomes(channel(proxy.target), 10) == {B: 10}


def test_keepalive_pings_do_not_end_a_long_call(servers: Servers, envoy: Envoys) -> None:
    """gRPC's default ends the connection after the third ping, about 1 s into the wait."""
    (server,) = servers(1)
    server.delay_seconds = 4
    proxy = envoy((A,))
    await_healthy(proxy, A)
    assert outcomes(channel(proxy.target)) == {A: 1}
    assert server.calls == 1


def test_the_server_gets_the_clients_deadline(servers: Servers, envoy: Envoys) -> None:
    (server,) = servers(1)
    proxy = envoy((A,))
    await_healthy(proxy, A)
    outcomes(channel(proxy.target), deadline_seconds=30)
    assert 0 < server.seconds_left <= 30


def test_a_call_past_its_deadline_is_cancelled_on_the_server(servers: Servers, envoy: Envoys) -> None:
    (server,) = servers(1)
    server.delay_seconds = 20
    proxy = envoy((A,))
    await_healthy(proxy, A)
    begun = time.monotonic()
    assert outcomes(channel(proxy.target), deadline_seconds=1) == {"DEADLINE_EXCEEDED": 1}
    eventually(lambda: proxy.stat("cluster.servers.upstream_rq_active") == 0, "nothing is in progress")
    assert time.monotonic() - begun < 15
