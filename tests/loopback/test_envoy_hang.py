"""A server that hangs is given up soon, one that is only busy is not: real Envoy, stand-ins that can be stopped."""

import signal
import threading
import time
from contextlib import ExitStack

import pytest

from testbed.polling import eventually
from testbed.proxy_client import begin, channel, outcome, outcomes
from testbed.real_envoy import RealEnvoy, await_healthy
from testbed.stand_in_process import StandInProcess, pause
from tests.loopback.conftest import Envoys, Servers
from tests.loopback.test_envoy_balancing import A, B, connected

GIVEN_UP = "cluster.servers.http2.keepalive_timeout"
BODY_BYTES = 40 * 1024 * 1024


@pytest.fixture
def hanging(started: ExitStack, server_port: int) -> StandInProcess:
    """A server on A that can be stopped; each of its answers takes a second."""
    return started.enter_context(StandInProcess(A, server_port, delay_seconds=1))


def in_progress(proxy: RealEnvoy, address: str) -> bool:
    text = proxy.admin("/clusters")[1]
    return any(address in line and "::rq_active::" in line and not line.endswith("::0") for line in text.splitlines())


def test_calls_that_wait_on_a_hung_server_are_retried_on_another(
    hanging: StandInProcess, started: ExitStack, server_port: int, envoy: Envoys
) -> None:
    """Though it is checked once a second, and its connections stand."""
    started.enter_context(StandInProcess(B, server_port))
    proxy = envoy((A, B))
    await_healthy(proxy, A, B)
    client = connected(proxy)
    calls = [begin(client) for _ in range(8)]
    eventually(lambda: in_progress(proxy, A), "calls wait for A")
    hanging.pause()
    assert {outcome(call) for call in calls} <= {A, B}
    assert proxy.stat(GIVEN_UP) > 0


def test_a_server_starved_of_cpu_under_large_tensors_keeps_its_connection(
    hanging: StandInProcess, envoy: Envoys
) -> None:
    """The server runs for 0.1 s and is stopped for 0.2 s, in turn: a quarter of the keepalive's time-out."""
    proxy = envoy((A,))
    await_healthy(proxy, A)
    client = channel(proxy.target)
    over = threading.Event()

    def starve() -> None:
        while not over.wait(0.1):
            hanging.pause()
            time.sleep(0.2)
            hanging.resume()

    starving = threading.Thread(target=starve)
    starving.start()
    try:
        calls = [begin(client, bytes_each=BODY_BYTES) for _ in range(4)]
        assert [outcome(call) for call in calls] == [A] * 4
    finally:
        over.set()
        starving.join()
    assert proxy.stat(GIVEN_UP) == 0


def test_an_envoy_that_was_paused_keeps_its_servers(servers: Servers, envoy: Envoys) -> None:
    (server,) = servers(1)
    proxy = envoy((A,))
    await_healthy(proxy, A)
    client = channel(proxy.target)
    outcomes(client)
    server.delay_seconds = 4
    call = begin(client)
    for _ in range(3):
        time.sleep(0.2)
        pause(proxy.process.pid)
        time.sleep(1)
        proxy.process.send_signal(signal.SIGCONT)
    assert outcome(call) == A
    assert proxy.stat(GIVEN_UP) == 0
