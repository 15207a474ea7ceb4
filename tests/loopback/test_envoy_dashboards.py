"""A real Envoy exports each series of it that a dashboard shows, with the labels by which the dashboard chooses."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest

from components.envoy.stats import METRICS_PATH
from stacks.schema.clients import TokenClients
from testbed.authority import Authority
from testbed.issuer import Issuer, files_for_tokens
from testbed.polling import eventually
from testbed.proxy_client import channel, outcomes
from testbed.real_envoy import RealEnvoy
from testbed.stand_in import StandIn
from tests.loopback.conftest import Envoys
from tests.support.admission import admission
from tests.support.dashboards import CLIENTS, boards, promql, queries

A = "127.0.1.1"
_SERIES = re.compile(r'(envoy_\w+)\{((?:\w+(?:=~|!=|=)"[^"]*",?)*)\}')
_MATCHER = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')


@pytest.fixture
def proxy(started: ExitStack, server_port: int, envoy: Envoys) -> Iterator[RealEnvoy]:
    """An Envoy that has answered, refused and failed calls."""
    authority = Authority("public")
    assert isinstance(CLIENTS, TokenClients)
    with Issuer("https://issuer.example/realm", authority.sign_host("localhost")) as issuer:
        server = started.enter_context(StandIn(A, server_port))
        issuers = tuple(issuer.fact().model_copy(update={"groups": each.groups}) for each in CLIENTS.issuers)
        proxy = envoy(
            (A,),
            clients=CLIENTS.model_copy(update={"issuers": issuers}),
            files=files_for_tokens(authority),
            admission=admission(requests_in_flight_per_server_max=50),
        )
        eventually(lambda: proxy.healthy_servers() == {A}, "healthy")
        claims: dict[str, Any] = {"wlcg.groups": ["/cms", "/cms/production"]}
        token = issuer.token(**claims)
        with channel(proxy.target) as client:
            assert outcomes(client, token=token) == {A: 1}
            assert outcomes(client) == {"UNAUTHENTICATED": 1}
            server.status = grpc.StatusCode.INTERNAL
            assert outcomes(client, token=token) == {"INTERNAL": 1}
        yield proxy


def chosen(labels: dict[str, str], matchers: str) -> bool:
    """Tell whether a series of one Envoy has the labels; those of its pod come from Prometheus."""
    for name, sign, value in _MATCHER.findall(matchers):
        if name in {"namespace", "pod"}:
            continue
        found = labels.get(name, "")
        if not {"=": found == value, "!=": found != value, "=~": bool(re.fullmatch(value, found))}[sign]:
            return False
    return True


def test_each_series_of_a_dashboard_is_exported(proxy: RealEnvoy) -> None:
    exported = [
        (name, dict(re.findall(r'(\w+)="([^"]*)"', labels)))
        for name, labels in re.findall(r"^(\w+)\{(.*)\} \S+$", proxy.stats(METRICS_PATH)[1], re.MULTILINE)
    ]
    wanted = {
        selector for board in boards().values() for _, query in queries(board)
        for selector in _SERIES.findall(promql(query.expression))
    }  # fmt: skip
    assert wanted
    missing = {
        (name, matchers)
        for name, matchers in wanted
        if not any(name == found and chosen(labels, matchers) for found, labels in exported)
    }
    assert missing == set()
