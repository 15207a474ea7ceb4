"""Requests that end their server, crashes that no request is to blame for, and back-pressure: real Envoy, stand-ins."""

import time
from contextlib import ExitStack

import grpc
import pytest

from testbed.proxy_client import begin, channel, outcome, outcomes
from testbed.real_envoy import await_healthy
from testbed.stand_in import STOPPING, StandIn
from testbed.stand_in_process import DEADLY, StandInProcess
from tests.loopback.conftest import Envoys, Servers
from tests.support.chaos import Fault

ADDRESSES = tuple(f"127.0.1.{n}" for n in range(1, 6))
A, B = ADDRESSES[:2]


def five_servers(started: ExitStack, port: int, delay_seconds: float) -> list[StandInProcess]:
    return [started.enter_context(StandInProcess(address, port, delay_seconds=delay_seconds)) for address in ADDRESSES]


@pytest.mark.chaos(Fault.DEADLY_REQUEST)
def test_a_request_that_ends_its_server_takes_two_of_five_at_most(
    started: ExitStack, server_port: int, envoy: Envoys
) -> None:
    servers = five_servers(started, server_port, 0)
    proxy = envoy(ADDRESSES)
    await_healthy(proxy, *ADDRESSES)
    client = channel(proxy.target)
    outcomes(client, 20)
    assert outcome(begin(client, body=DEADLY)) == "UNAVAILABLE"
    time.sleep(2)  # longer than the waits before all attempts that Envoy might make
    assert sum(server.running for server in servers) >= 3
    assert outcomes(client, 20).keys() <= set(ADDRESSES)


@pytest.mark.chaos(Fault.DEADLY_REQUEST)
def test_a_crash_among_many_requests_in_progress_loses_none(
    started: ExitStack, server_port: int, envoy: Envoys
) -> None:
    """Requests go on arriving while Envoy still counts the dead server, whose queue is the shortest, as healthy."""
    first, *_ = five_servers(started, server_port, 0.5)
    proxy = envoy(ADDRESSES)
    await_healthy(proxy, *ADDRESSES)
    clients = [channel(proxy.target) for _ in range(4)]
    calls, begun = [], time.monotonic()
    for number in range(400):
        time.sleep(max(0.0, begun + number / 200 - time.monotonic()))
        calls.append(begin(clients[number % 4]))
        if number == 200:
            first.kill()
    assert {outcome(call) for call in calls} <= set(ADDRESSES)
    assert proxy.stat("cluster.servers.upstream_rq_retry") > 0


@pytest.mark.chaos(Fault.TRITON_REFUSES)
@pytest.mark.parametrize("reason", ["[request id: <id_unknown>] Exceeds maximum queue size", "Request timeout expired"])
def test_back_pressure_is_not_multiplied_and_ejects_nobody(servers: Servers, envoy: Envoys, reason: str) -> None:
    both = servers(2)
    proxy = envoy((A, B))
    await_healthy(proxy, A, B)
    refuse(both, reason)
    assert outcomes(channel(proxy.target), 20) == {"UNAVAILABLE": 20}
    assert sum(server.calls for server in both) == 20
    assert proxy.stat("cluster.servers.outlier_detection.ejections_enforced_total") == 0


@pytest.mark.parametrize(
    "reason",
    [
        STOPPING,
        "[request id: 7] Server is stopping, scheduler for model has stopped accepting new inference requests",
        "Server not ready",
        "Request for unknown model: 'tracker' version 1 is not at ready state",
    ],
)
def test_what_a_stopping_server_answers_is_retried_on_another(servers: Servers, envoy: Envoys, reason: str) -> None:
    stopping, _ = servers(2)
    proxy = envoy((A, B))
    await_healthy(proxy, A, B)
    refuse([stopping], reason)
    assert outcomes(channel(proxy.target), 20) == {B: 20}
    assert stopping.calls > 0


def refuse(servers: list[StandIn], reason: str) -> None:
    for server in servers:
        server.status, server.reason = grpc.StatusCode.UNAVAILABLE, reason
