"""Calls while servers crash, hang or are slow, and while an Envoy is killed."""

import resource
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from testbed.polling import eventually
from testbed.proxy_client import begin, channel, outcome, outcomes
from testbed.real_envoy import RealEnvoy, await_healthy
from testbed.service_stub import ServiceStub
from testbed.stand_in import Busy, StandIn
from testbed.stand_in_process import StandInProcess
from tests.loopback.conftest import Envoys, Servers
from tests.support.chaos import Fault

A, B, C = "127.0.1.1", "127.0.1.2", "127.0.1.3"
FULL_DISK = Path("/dev/full")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(StandInProcess.kill, marks=pytest.mark.chaos(Fault.TRITON_CRASHES)),
        pytest.param(StandInProcess.pause, marks=pytest.mark.chaos(Fault.TRITON_HANGS)),
    ],
)
def test_calls_in_progress_on_a_killed_or_hung_server_are_retried_on_another(
    started: ExitStack, server_port: int, envoy: Envoys, fault: Callable[[StandInProcess], None]
) -> None:
    failing = started.enter_context(StandInProcess(A, server_port, delay_seconds=2))
    other = started.enter_context(StandIn(B, server_port))
    other.delay_seconds = 2
    proxy = envoy((A, B))
    await_healthy(proxy, A, B)
    client = channel(proxy.target)
    held = [begin(client) for _ in range(100)]
    eventually(lambda: proxy.stat("cluster.servers.upstream_rq_active") == 100, "all in progress")
    assert other.calls < 100
    fault(failing)
    assert {outcome(call) for call in held} == {B}
    assert other.calls == 100
    assert outcomes(client, 10) == {B: 10}


@pytest.mark.chaos(Fault.TRITON_HANGS)
def test_a_server_gets_calls_again_after_a_hang(started: ExitStack, server_port: int, envoy: Envoys) -> None:
    hanging = started.enter_context(StandInProcess(A, server_port))
    started.enter_context(StandIn(B, server_port))
    proxy = envoy((A, B))
    await_healthy(proxy, A, B)
    hanging.pause()
    eventually(lambda: proxy.healthy_servers() == {B}, "the hang is noticed")
    hanging.resume()
    eventually(lambda: proxy.healthy_servers() == {A, B}, "healthy again")
    assert A in outcomes(channel(proxy.target), 20)


@pytest.mark.chaos(Fault.GPU_SLOW)
def test_a_slow_server_gets_fewer_calls_and_no_longer_queue(
    started: ExitStack, server_port: int, envoy: Envoys
) -> None:
    """240 requests at 57 % of what a server and two that are ten times faster can do, one at a time."""
    speeds = {A: 0.02, B: 0.02, C: 0.2}
    made = [Busy(address, server_port, slots=1, work_seconds=work) for address, work in speeds.items()]
    *fast, slow = [started.enter_context(server) for server in made]
    proxy = envoy(tuple(speeds))
    eventually(lambda: proxy.healthy_servers() == set(speeds), "healthy")
    client = channel(proxy.target)
    begun, calls = time.monotonic(), []
    for number in range(240):
        time.sleep(max(0.0, begun + number / 60 - time.monotonic()))
        calls.append(begin(client))
    assert {outcome(call) for call in calls} <= {A, B, C}
    assert slow.in_progress_max <= max(server.in_progress_max for server in fast) + 1
    assert slow.calls < 240 / 3 / 2, "much less than its turn"


def kill(proxy: RealEnvoy) -> None:
    proxy.process.kill()


def run_out_of_memory(proxy: RealEnvoy) -> None:
    """No page more than it has now, and bodies to hold."""
    status = Path(f"/proc/{proxy.process.pid}/status").read_text().splitlines()
    now_bytes = int(next(line for line in status if line.startswith("VmSize")).split()[1]) * 1024
    resource.prlimit(proxy.process.pid, resource.RLIMIT_AS, (now_bytes, now_bytes))
    for _ in range(20):
        begin(channel(proxy.target), bytes_each=60 * 1024 * 1024)


@pytest.mark.chaos(Fault.ENVOY)
@pytest.mark.parametrize("end", [kill, run_out_of_memory])
def test_another_envoy_serves_clients_after_one_was_killed(
    servers: Servers, envoy: Envoys, end: Callable[[RealEnvoy], None]
) -> None:
    """Calls in progress on the killed one fail at once with UNAVAILABLE, before their deadline."""
    (server,) = servers(1)
    old, new = envoy((A,)), envoy((A,))
    eventually(lambda: old.healthy_servers() == new.healthy_servers() == {A}, "healthy")
    with ServiceStub([old.grpc_port]) as service:
        client = channel(service.target)
        assert outcomes(client, 3) == {A: 3}
        server.delay_seconds = 30
        held = [begin(client) for _ in range(5)]
        eventually(lambda: server.calls >= 8, "calls in progress")
        service.set_ports([new.grpc_port])
        end(old)
        assert old.process.wait(timeout=60) != 0
        assert {outcome(call) for call in held} == {"UNAVAILABLE"}
        server.delay_seconds = 0
        assert outcomes(client, 20) == {A: 20}


@pytest.mark.chaos(Fault.DISK_FULL)
def test_an_envoy_with_a_full_disk_still_serves(servers: Servers, envoy: Envoys) -> None:
    (server,) = servers(1)
    proxy = envoy((A,), arguments=("--file-flush-interval-msec", "100"), log=FULL_DISK)
    await_healthy(proxy, A)
    client = channel(proxy.target)
    for _ in range(20):
        server.delay_seconds = 1
        assert outcomes(client, deadline_seconds=0.1) == {"DEADLINE_EXCEEDED": 1}, "each is a line of the log"
        server.delay_seconds = 0
        assert outcomes(client, 5) == {A: 5}
