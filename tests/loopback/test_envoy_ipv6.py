"""Envoy, its admission container and its servers on IPv6."""

import socket
import sys
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

from components.envoy.admission import supervisor
from testbed.child_process import Process
from testbed.loopback import free_port
from testbed.proxy_client import channel, outcomes
from testbed.real_envoy import await_healthy
from testbed.stand_in import StandIn
from tests.loopback.conftest import Envoys

pytestmark = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")

ADDRESSES = ("127.0.0.1", "[::1]")


def status(address: str, port: int, path: str) -> int:
    with urllib.request.urlopen(f"http://{address}:{port}{path}", timeout=5) as answer:
        return int(answer.status)


@pytest.mark.parametrize("ip_families", [("IPv6",), ("IPv4", "IPv6")])
def test_envoy_answers_clients_and_probes_of_both_families(
    ip_families: tuple[str, ...], started: ExitStack, envoy: Envoys, server_port: int
) -> None:
    started.enter_context(StandIn("[::1]", server_port))
    proxy = envoy(("::1",), ip_families=ip_families)
    await_healthy(proxy, "::1")
    for address in ADDRESSES:
        assert outcomes(channel(f"{address}:{proxy.grpc_port}"), 3) == {"[::1]": 3}
        assert status(address, proxy.stats_port, "/ready") == 200


def test_the_supervisor_answers_probes_of_both_families(started: ExitStack, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-I", "-B", supervisor.__file__, str(port), "http://127.0.0.1:9/", "sleep", "60"]
    process = Process(command, log=tmp_path / "supervisor.log")
    started.callback(process.end)

    def answers() -> bool:
        try:
            return all(status(address, port, "/live") == 200 for address in ADDRESSES)
        except OSError:
            return False

    process.await_that(answers, "the supervisor to answer")
