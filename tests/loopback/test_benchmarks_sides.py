"""Both sides of the benchmarks behave on the real Envoy as the benchmarks describe them."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from benchmarks import peer
from benchmarks.loopback.fleet import GRPC_PORT
from benchmarks.loopback.side_envoy import Envoy
from benchmarks.loopback.sides import SERVICE_NAME, Side, ours, supersonic
from benchmarks.traffic.limiter_decisions import ask_for_index, decisions, supersonic_limited
from benchmarks.traffic.overload import issuer_on_loopback, shared, token
from benchmarks.traffic.refusals import refusals_of
from components.envoy.admission.controller.policy import refuse_key
from components.envoy.validate import find_envoy
from testbed.dns_stub import DnsStub, Zone
from testbed.prometheus_stub import PrometheusStub
from testbed.proxy_client import channel, outcomes
from testbed.stand_in import StandIn

SERVER = "127.0.1.21"  # no address of the other tests in this ring


@pytest.fixture
def dns() -> Iterator[DnsStub]:
    with StandIn(SERVER, GRPC_PORT), DnsStub(Zone(name=SERVICE_NAME, addresses=(SERVER,))) as stub:
        yield stub


def started(side: Side, dns: DnsStub, directory: Path) -> Envoy:
    return Envoy(binary=Path(find_envoy()), side=side, dns_port=dns.port, directory=directory, core=None)


@pytest.mark.parametrize("side", [supersonic(), supersonic("ROUND_ROBIN"), ours()], ids=lambda side: side.name)
def test_each_side_finds_its_servers_by_the_dns_stub(side: Side, dns: DnsStub, tmp_path: Path) -> None:
    with started(side, dns, tmp_path) as envoy:
        envoy.await_members(1, timeout_seconds=20)
        assert ask_for_index(envoy.target).decision == "accept"


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
"""Answer of Prometheus -> decision of SuperSONIC 0.3.1's own Lua, measured with its file."""


def test_the_rebuilt_limiter_decides_like_supersonics(dns: DnsStub, tmp_path: Path) -> None:
    with PrometheusStub() as prometheus, started(supersonic_limited(prometheus.port), dns, tmp_path) as envoy:
        envoy.await_members(1, timeout_seconds=20)
        outcomes = decisions(envoy, prometheus, settle_seconds=0)
    assert {title: outcome.decision for title, outcome in outcomes.items()} == EXPECTED
    # Its refusals say OK and carry no message.
    assert {outcome.status for outcome in outcomes.values()} == {grpc.StatusCode.OK}


def test_supersonics_connection_limiter_admits_five_connections_and_closes_the_others(
    dns: DnsStub, tmp_path: Path
) -> None:
    limit = peer.ConnectionLimit(fill_interval="3600s")  # none is filled in while the test looks
    config = peer.bootstrap(host=SERVICE_NAME, port=GRPC_PORT, connection_limit=limit)
    with started(replace(supersonic(), config=config), dns, tmp_path) as envoy:
        envoy.await_members(1, timeout_seconds=20)
        statuses = [ask_for_index(envoy.target).status for _ in range(8)]
    assert statuses == [grpc.StatusCode.OK] * 5 + [grpc.StatusCode.UNAVAILABLE] * 3


def test_our_side_accepts_the_benchmarks_tokens_and_tells_their_tenants_apart(dns: DnsStub, tmp_path: Path) -> None:
    with ExitStack() as stack:
        issuer, files = stack.enter_context(issuer_on_loopback())
        clients, admission = shared(issuer)
        side = replace(ours(clients=clients, admission=admission), files=files)
        envoy = stack.enter_context(started(side, dns, tmp_path))
        envoy.await_members(1, timeout_seconds=20)
        envoy.admin(f"/runtime_modify?{refuse_key('heavy')}=100", "POST")
        with channel(envoy.target) as client:
            assert outcomes(client) == {"UNAUTHENTICATED": 1}
            assert outcomes(client, token=token(issuer, "light")) == {SERVER: 1}
        refused = refusals_of(envoy.target, token(issuer, "heavy"), 0.5)
        assert len(refused.milliseconds) == refused.as_declared > 0
        assert not refusals_of(envoy.target, token(issuer, "light"), 0.3).milliseconds
