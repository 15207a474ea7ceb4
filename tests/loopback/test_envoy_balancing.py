"""Who gets traffic, and what becomes of it when a server fails: real Envoy, stand-in servers."""

import threading
import time

import grpc
import pytest

from components.envoy.typed import Config
from testbed.dns_stub import DnsStub, Zone
from testbed.polling import eventually
from testbed.proxy_client import channel, outcomes
from testbed.real_envoy import RealEnvoy, await_healthy
from testbed.stand_in import STREAM
from tests.loopback.conftest import Envoys, Servers
from tests.support.chaos import Fault

A, B, C = "127.0.1.1", "127.0.1.2", "127.0.1.3"


def connected(envoy: RealEnvoy) -> grpc.Channel:
    """A client, and an Envoy with connections to its servers: calls that wait for one count against none yet."""
    client = channel(envoy.target)
    outcomes(client, 30)
    return client


def test_calls_over_one_connection_go_to_every_server_alike(servers: Servers, envoy: Envoys) -> None:
    for server in servers(3):
        server.delay_seconds = 1
    proxy = envoy((A, B, C))
    await_healthy(proxy, A, B, C)
    assert outcomes(connected(proxy), 30) == {A: 10, B: 10, C: 10}


def test_a_server_that_is_not_ready_gets_nothing_until_it_is(servers: Servers, envoy: Envoys) -> None:
    first, _ = servers(2)
    proxy = envoy((A, B))
    first.serving = False
    await_healthy(proxy, B)
    assert outcomes(channel(proxy.target), 20) == {B: 20}
    first.serving = True
    await_healthy(proxy, A, B)
    assert A in outcomes(channel(proxy.target), 20)


def test_without_a_healthy_server_the_client_hears_unavailable(servers: Servers, envoy: Envoys) -> None:
    (only,) = servers(1)
    proxy = envoy((A,))
    only.serving = False
    await_healthy(proxy)
    assert outcomes(channel(proxy.target), 5) == {"UNAVAILABLE": 5}
    assert only.calls == 0


def test_a_server_that_says_ready_and_fails_every_call_costs_no_call(servers: Servers, envoy: Envoys) -> None:
    """Such a server has the fewest calls in progress, and would be the favourite of a balancer that looks at these."""
    black_hole, *others = servers(3)
    for server in others:
        server.delay_seconds = 0.1
    proxy = envoy((A, B, C))
    await_healthy(proxy, A, B, C)
    black_hole.status = grpc.StatusCode.UNAVAILABLE
    client = channel(proxy.target)
    assert sum((outcomes(client, 50) for _ in range(6)), start=outcomes(client, 0)).keys() == {B, C}
    assert black_hole.calls > 0


@pytest.mark.chaos(Fault.TRITON_CRASHES)
def test_what_a_crashing_server_had_in_progress_is_done_by_another(servers: Servers, envoy: Envoys) -> None:
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
def test_the_fault_of_a_call_is_told_once_and_not_held_against_the_server(
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


def test_a_begun_stream_is_not_begun_again(servers: Servers, envoy: Envoys) -> None:
    (server,) = servers(1)
    proxy = envoy((A,))
    await_healthy(proxy, A)
    server.status = grpc.StatusCode.UNAVAILABLE
    assert outcomes(channel(proxy.target), method=STREAM) == {"UNAVAILABLE": 1}
    assert server.calls == 1


def test_bodies_beyond_every_window_are_sent_again(servers: Servers, envoy: Envoys) -> None:
    failing, _ = servers(2)
    failing.status = grpc.StatusCode.UNAVAILABLE
    proxy = envoy((A, B))
    await_healthy(proxy, A, B)
    client = channel(proxy.target)
    for _ in range(6):
        assert outcomes(client, bytes_each=40 * 1024 * 1024) == {B: 1}
    assert failing.calls > 0


def test_the_second_pool_serves_while_the_first_cannot(servers: Servers, envoy: Envoys) -> None:
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


def test_a_server_that_dns_no_longer_lists_is_forgotten_though_healthy(servers: Servers, envoy: Envoys) -> None:
    """And long before the TTL of the answer (30 s) is over."""
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


def test_a_call_that_waits_long_survives_the_pings(servers: Servers, envoy: Envoys) -> None:
    """gRPC's default would end its connection after the third, some 1 s into the wait."""
    (server,) = servers(1)
    server.delay_seconds = 4
    proxy = envoy((A,))
    await_healthy(proxy, A)
    assert outcomes(channel(proxy.target)) == {A: 1}
    assert server.calls == 1


def test_the_server_is_told_the_clients_deadline(servers: Servers, envoy: Envoys) -> None:
    (server,) = servers(1)
    proxy = envoy((A,))
    await_healthy(proxy, A)
    outcomes(channel(proxy.target), deadline_seconds=30)
    assert 0 < server.seconds_left <= 30


def test_a_call_ends_for_the_server_too_when_its_deadline_is_over(servers: Servers, envoy: Envoys) -> None:
    (server,) = servers(1)
    server.delay_seconds = 20
    proxy = envoy((A,))
    await_healthy(proxy, A)
    begun = time.monotonic()
    assert outcomes(channel(proxy.target), deadline_seconds=1) == {"DEADLINE_EXCEEDED": 1}
    eventually(lambda: proxy.stat("cluster.servers.upstream_rq_active") == 0, "nothing is in progress")
    assert time.monotonic() - begun < 15
