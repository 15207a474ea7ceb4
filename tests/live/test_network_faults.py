"""Packets between Envoy and the servers that are lost, late, or go nowhere: real Envoy, the kernel's own TCP."""

from contextlib import ExitStack

import pytest

from testbed.polling import eventually
from testbed.proxy_client import begin, channel, outcome, outcomes
from testbed.real_envoy import RealEnvoy
from testbed.stand_in_process import StandInProcess
from tests.loopback.conftest import Envoys
from tests.support.bad_network import A, B, BadNetwork
from tests.support.chaos import Fault

pytestmark = pytest.mark.live


@pytest.fixture
def network(started: ExitStack) -> BadNetwork:
    return started.enter_context(BadNetwork())


@pytest.fixture
def proxy(started: ExitStack, network: BadNetwork, server_port: int, envoy: Envoys) -> RealEnvoy:
    """An Envoy before two servers at the other end of the link, each of which takes two seconds for a request."""
    for address in (A, B):
        server = StandInProcess(address, server_port, delay_seconds=2, within=network.command)
        started.enter_context(server)
    made: RealEnvoy = envoy((A, B))
    eventually(lambda: made.healthy_servers() == {A, B}, "healthy")
    return made


@pytest.mark.chaos(Fault.NETWORK)
def test_no_call_fails_where_every_twentieth_packet_is_lost_and_each_is_late(
    network: BadNetwork, proxy: RealEnvoy
) -> None:
    network.loss, network.delay_seconds = 0.05, 0.05
    client = channel(proxy.target)
    found = sum((outcomes(client, 50, bytes_each=2000) for _ in range(5)), start=outcomes(client))
    assert found.keys() == {A, B}
    assert network.lost > 10
    assert proxy.healthy_servers() == {A, B}


@pytest.mark.chaos(Fault.NETWORK)
def test_what_a_server_had_that_is_cut_off_is_done_by_another(network: BadNetwork, proxy: RealEnvoy) -> None:
    client = channel(proxy.target)
    assert outcomes(client, 10).keys() == {A, B}
    held = [begin(client) for _ in range(50)]
    eventually(lambda: proxy.stat("cluster.servers.upstream_rq_active") == 50, "all in progress")
    network.cut_off = {A}
    assert {outcome(call) for call in held} == {B}
    eventually(lambda: proxy.healthy_servers() == {B}, "it is left out")
    assert outcomes(client, 20) == {B: 20}
    network.cut_off = set()
    eventually(lambda: proxy.healthy_servers() == {A, B}, "it is back")
    assert outcomes(client, 20).keys() == {A, B}
