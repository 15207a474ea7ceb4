"""A real Envoy exports the series that rules read, and counts what an alert is named for."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from components.envoy.stats import METRICS_PATH
from components.envoy.tls import SERVER_FOLDER
from components.envoy.typed import Config
from components.monitoring.rules import groups
from stacks.schema.clients import TokenClients
from testbed.authority import Authority
from testbed.issuer import Issuer, files_for_tokens
from testbed.polling import eventually
from testbed.proxy_client import begin, channel, outcome, outcomes
from testbed.real_envoy import RealEnvoy, await_healthy
from testbed.stand_in_process import StandInProcess
from tests.loopback.conftest import Envoys, Servers
from tests.support.admission import admission
from tests.support.key_fetching import hours_are_seconds
from tests.support.rule_tests import GPU, HAMMER, facts

A, B, NOBODY = "127.0.1.1", "127.0.1.2", "127.0.1.9"
OF_PROMETHEUS = {"namespace", "pod"}
"""Labels that Prometheus adds."""


@dataclass(frozen=True)
class Sample:
    """A line of Envoy's metrics."""

    name: str
    labels: dict[str, str]
    value: float


def samples(proxy: RealEnvoy) -> Iterator[Sample]:
    for line in proxy.stats(METRICS_PATH)[1].splitlines():
        if found := re.fullmatch(r"(envoy_\w+)\{(.*)\} (\S+)", line):
            name, labels, value = found.groups()
            yield Sample(name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value))


def total(proxy: RealEnvoy, name: str, **labels: str) -> float:
    """Return the sum of the samples of a metric that have these labels."""
    found = [each for each in samples(proxy) if each.name == name and labels.items() <= each.labels.items()]
    assert found, f"no {name} with {labels}"
    return sum(each.value for each in found)


def matches(sample: Sample, name: str, matchers: list[tuple[str, str, str]]) -> bool:
    def suits(label: str, operator: str, wanted: str) -> bool:
        value = sample.labels.get(label, "")
        return value == wanted if operator == "=" else re.fullmatch(wanted, value) is not None

    own = [matcher for matcher in matchers if matcher[0] not in OF_PROMETHEUS]
    return sample.name == name and all(suits(*matcher) for matcher in own)


def selectors() -> dict[str, tuple[str, list[tuple[str, str, str]]]]:
    """Return each selector of Envoy's series in the rules, with its name and its matchers."""
    pools = (replace(GPU, host=A), replace(HAMMER, host=NOBODY))
    rules: list[dict[str, Any]] = [rule for group in groups(facts(pools=pools)) for rule in group["rules"]]
    found = {each for rule in rules for each in re.findall(r"envoy_\w+\{[^}]*\}", rule["expr"])}
    return {
        selector: (selector.partition("{")[0], re.findall(r'(\w+)(=~|=)"([^"]*)"', selector))
        for selector in sorted(found)
    }


def test_an_envoy_exports_every_series_that_a_rule_reads(servers: Servers, envoy: Envoys) -> None:
    """An Envoy with everything: two pools, limits, tokens and a certificate."""
    servers(1)
    authority = Authority("public")
    shown = authority.sign_host("localhost")
    with Issuer("https://issuer.example/realm", authority.sign_host("localhost")) as issuer:
        proxy = envoy(
            (A,),
            (NOBODY,),
            clients=TokenClients(kind="token", issuers=(issuer.fact(),)),
            tls_secret="sonic-tls",  # noqa: S106  the name of one
            files={
                **files_for_tokens(authority),
                f"{SERVER_FOLDER}/tls.key": shown.key,
                f"{SERVER_FOLDER}/tls.crt": shown.certificate,
            },
            admission=admission(requests_in_flight_per_server_max=50),
            change=hours_are_seconds,
        )
        await_healthy(proxy, A)
        exported = list(samples(proxy))
        read = selectors()
        assert len(read) > 8
        missing = [text for text, each in read.items() if not any(matches(sample, *each) for sample in exported)]
        assert missing == []
        health = "envoy_cluster_endpoint_healthy"
        assert total(proxy, health, envoy_cluster_name="servers", envoy_endpoint_hostname=A) == 1
        assert total(proxy, health, envoy_cluster_name="servers", envoy_endpoint_hostname=NOBODY) == 0
        assert total(proxy, "envoy_cluster_membership_healthy", envoy_cluster_name="servers") == 1
        assert total(proxy, "envoy_server_days_until_first_cert_expiring") == 0, "the certificate is for an hour"
        failed = "envoy_http_jwt_authn_jwks_fetch_failed"
        assert total(proxy, failed) == 0
        issuer.keys.clear()
        issuer.__exit__(None, None, None)
        eventually(lambda: total(proxy, failed) > 0, "fetches of keys that fail")


def test_an_envoy_without_a_certificate_counts_no_days_until_its_end(envoy: Envoys) -> None:
    assert total(envoy((A,)), "envoy_server_days_until_first_cert_expiring") > 10_000


def test_refused_calls_are_counted_by_their_cause(servers: Servers, envoy: Envoys) -> None:
    def no_place(config: Config) -> None:
        config["static_resources"]["clusters"][0]["circuit_breakers"]["thresholds"][0]["max_requests"] = 1

    counters = {
        "overflow": "envoy_cluster_upstream_rq_active_overflow",
        "answered": "envoy_http_rq_direct_response",
        "none healthy": "envoy_cluster_upstream_cx_none_healthy",
        "memory": "envoy_http_downstream_rq_overload_close",
    }

    def counted() -> dict[str, float]:
        of = {"answered": {"envoy_http_conn_manager_prefix": "clients"}, "memory": {}}
        cluster = {"envoy_cluster_name": "servers"}
        return {cause: total(proxy, name, **of.get(cause, cluster)) for cause, name in counters.items()}

    proxy = envoy((A,), change=no_place)
    client = channel(proxy.target)
    assert outcomes(client, 2) == {"UNAVAILABLE": 2}
    assert counted() == {"overflow": 0, "answered": 0, "none healthy": 2, "memory": 0}
    (server,) = servers(1)
    await_healthy(proxy, A)
    server.delay_seconds = 60
    held = begin(client)
    eventually(lambda: server.calls == 1, "the only place is taken")
    assert outcomes(client, 3) == {"UNAVAILABLE": 3}
    assert outcomes(client, 4, method="/inference.GRPCInferenceService/TraceSetting") == {"PERMISSION_DENIED": 4}
    assert counted() == {"overflow": 3, "answered": 4, "none healthy": 2, "memory": 0}
    held.cancel()
    calls = total(proxy, "envoy_http_downstream_rq_total", envoy_http_conn_manager_prefix="clients")
    assert calls == 10


@pytest.mark.parametrize("busy", [True, False])
def test_a_server_that_ends_is_counted_if_it_had_requests_in_progress(
    started: ExitStack, server_port: int, envoy: Envoys, *, busy: bool
) -> None:
    ending, _ = (started.enter_context(StandInProcess(address, server_port, delay_seconds=0.5)) for address in (A, B))
    proxy = envoy((A, B))
    await_healthy(proxy, A, B)
    client = channel(proxy.target)
    assert outcomes(client, 20).keys() == {A, B}, "both have connections"
    calls = [begin(client) for _ in range(20)] if busy else []
    eventually(lambda: total(proxy, "envoy_cluster_upstream_rq_active", envoy_cluster_name="servers") == len(calls), "")
    ending.kill()
    assert {outcome(call) for call in calls} <= {B}, "a request of the ended one is served by the other"
    await_healthy(proxy, B)
    broken = total(proxy, "envoy_cluster_upstream_cx_destroy_remote_with_active_rq", envoy_cluster_name="servers")
    assert (broken > 0) is busy
