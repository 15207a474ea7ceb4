"""Both sides of the benchmarks on the real Envoy: what is compared is what it is said to be."""

import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from benchmarks import peer
from benchmarks.loopback.dns_stub import DnsStub, Zone
from benchmarks.loopback.envoy import Envoy
from benchmarks.loopback.prometheus_stub import PrometheusStub
from benchmarks.loopback.sides import SERVICE_NAME, Side, ours, supersonic
from benchmarks.loopback.tokens import Issuer
from benchmarks.loopback.triton import GRPC_PORT
from benchmarks.traffic.limiter import ask_for_index, decisions, supersonic_limited
from benchmarks.traffic.overload import shared
from benchmarks.traffic.refusals import refusals_of
from components.envoy.admission.controller import refuse_key
from tests.support.client import channel, outcomes
from tests.support.real_envoy import binary
from tests.support.stand_in import StandIn

SERVER = "127.0.1.21"  # no address of the other tests in this ring


@pytest.fixture
def dns() -> Iterator[DnsStub]:
    with StandIn(SERVER, GRPC_PORT), DnsStub(Zone(name=SERVICE_NAME, addresses=(SERVER,))) as stub:
        yield stub


def started(side: Side, dns: DnsStub, directory: Path) -> Envoy:
    return Envoy(binary=Path(binary()), side=side, dns_port=dns.port, directory=directory, core=None)


@pytest.mark.parametrize("side", [supersonic(), supersonic("ROUND_ROBIN"), ours()], ids=lambda side: side.name)
def test_each_side_finds_its_servers_by_the_dns_stub(side: Side, dns: DnsStub, tmp_path: Path) -> None:
    envoy = started(side, dns, tmp_path)
    try:
        envoy.await_members(1, timeout_seconds=20)
        assert ask_for_index(envoy.target).decision == "accept"
    finally:
        envoy.process.end()


EXPECTED = {
    "5": "accept",
    "500": "refuse",
    "5, whole seconds as time stamp": "refuse",
    "no series yet": "refuse",
    "NaN, idle": "refuse",
    "1e-05": "refuse",
    "two series, 5 and 500": "accept",
    "Prometheus is down": "refuse",
}
"""What SuperSONIC 0.3.1's own Lua decided, measured with its file."""


def test_the_rebuilt_limiter_decides_as_theirs(dns: DnsStub, tmp_path: Path) -> None:
    with PrometheusStub() as prometheus:
        envoy = started(supersonic_limited(prometheus.port), dns, tmp_path)
        try:
            envoy.await_members(1, timeout_seconds=20)
            outcomes = decisions(envoy, prometheus, settle_seconds=0)
        finally:
            envoy.process.end()
    assert {title: outcome.decision for title, outcome in outcomes.items()} == EXPECTED
    # Its refusals say OK and carry no message.
    assert {outcome.status for outcome in outcomes.values()} == {grpc.StatusCode.OK}


def test_their_connection_limiter_admits_five_and_tells_nobody_why(dns: DnsStub, tmp_path: Path) -> None:
    limit = peer.ConnectionLimit(fill_interval="3600s")  # none is filled in while the test looks
    config = peer.bootstrap(host=SERVICE_NAME, port=GRPC_PORT, connection_limit=limit)
    envoy = started(replace(supersonic(), config=config), dns, tmp_path)
    try:
        envoy.await_members(1, timeout_seconds=20)
        statuses = [ask_for_index(envoy.target).status for _ in range(8)]
    finally:
        envoy.process.end()
    assert statuses == [grpc.StatusCode.OK] * 5 + [grpc.StatusCode.UNAVAILABLE] * 3


def test_ours_takes_the_benchmarks_tokens_and_knows_their_tenants(dns: DnsStub, tmp_path: Path) -> None:
    issuer = Issuer()
    clients, admission = shared(issuer)
    side = ours(clients=clients, admission=admission)
    envoy = started(replace(side, config=issuer.known_to(side.config)), dns, tmp_path)
    try:
        envoy.await_members(1, timeout_seconds=20)
        url = f"http://127.0.0.1:{envoy.admin_port}/runtime_modify?{refuse_key('heavy')}=100"
        urllib.request.urlopen(url, data=b"").close()
        with channel(envoy.target) as client:
            assert outcomes(client) == {"UNAUTHENTICATED": 1}
            assert outcomes(client, token=issuer.token("/light")) == {SERVER: 1}
        refused = refusals_of(envoy.target, issuer.token("/heavy"), 0.5)
        assert len(refused.milliseconds) == refused.as_declared > 0
        assert not refusals_of(envoy.target, issuer.token("/light"), 0.3).milliseconds
    finally:
        envoy.process.end()
