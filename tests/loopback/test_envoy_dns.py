"""Envoy's servers while DNS fails or lists none: real Envoy, a DNS server that fails."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from components.envoy.typed import Config
from testbed.dns_stub import Behaviour, DnsStub, Zone
from testbed.polling import eventually
from testbed.proxy_client import channel, outcomes
from testbed.real_envoy import RealEnvoy
from tests.loopback.conftest import Envoys, Servers
from tests.support.chaos import Fault

A, B = "127.0.1.1", "127.0.1.2"
NAME = "servers.example"


@pytest.fixture
def dns() -> Iterator[DnsStub]:
    with DnsStub(Zone(name=NAME, addresses=(A, B), ttl_seconds=30)) as stub:
        yield stub


@pytest.fixture
def proxy(servers: Servers, envoy: Envoys, dns: DnsStub) -> RealEnvoy:
    """An Envoy before two servers that it has from DNS."""
    servers(2)

    def ask_it(config: Config) -> None:
        cluster = config["static_resources"]["clusters"][0]
        resolver = cluster["cluster_type"]["typed_config"]["typed_dns_resolver_config"]["typed_config"]
        resolver["resolvers"] = [{"socket_address": {"address": "127.0.0.1", "port_value": dns.port}}]

    proxy = envoy((NAME,), change=ask_it)
    eventually(lambda: proxy.healthy_servers() == {A, B}, "both are found")
    return proxy


def fail(dns: DnsStub, behaviour: Behaviour) -> None:
    dns.zone = replace(dns.zone, behaviour=behaviour)


def be_slow(dns: DnsStub) -> None:
    dns.delay_seconds = 3


FAULTS: dict[str, Callable[[DnsStub], None]] = {
    "SERVFAIL": lambda dns: fail(dns, "servfail"),
    "no answer": lambda dns: fail(dns, "silent"),
    "answers that are later than Envoy waits": be_slow,
}


@pytest.mark.chaos(Fault.DNS)
@pytest.mark.parametrize("fault", FAULTS)
def test_envoy_keeps_its_servers_while_dns_fails(proxy: RealEnvoy, dns: DnsStub, fault: str) -> None:
    FAULTS[fault](dns)
    asked = dns.queries
    eventually(lambda: dns.queries >= asked + 3, "DNS was asked again and again")
    assert proxy.healthy_servers() == {A, B}
    assert outcomes(channel(proxy.target), 20).keys() == {A, B}
    dns.delay_seconds = 0
    dns.zone = replace(dns.zone, behaviour="answer", addresses=(B,))
    eventually(lambda: proxy.healthy_servers() == {B}, "DNS is heard again")


def unlist(dns: DnsStub) -> None:
    dns.zone = replace(dns.zone, name="another.example")


NONE: dict[str, Callable[[DnsStub], None]] = {"no address": lambda dns: fail(dns, "empty"), "NXDOMAIN": unlist}


@pytest.mark.chaos(Fault.DNS)
@pytest.mark.parametrize("answer", NONE)
def test_clients_get_unavailable_at_once_when_dns_lists_no_server(proxy: RealEnvoy, dns: DnsStub, answer: str) -> None:
    """DNS answers the same when the last server of a pool is about to stop, which must get no new request."""
    NONE[answer](dns)
    eventually(lambda: proxy.healthy_servers() == set(), "they are forgotten")
    assert outcomes(channel(proxy.target), 5, deadline_seconds=5) == {"UNAVAILABLE": 5}
    dns.zone = Zone(name=NAME, addresses=(A, B))
    eventually(lambda: proxy.healthy_servers() == {A, B}, "both are back")
    assert outcomes(channel(proxy.target), 20).keys() == {A, B}
