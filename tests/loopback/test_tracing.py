"""Traces of calls through a real Envoy, at a real collector: which calls have spans, and what the server is told."""

import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import grpc
import pytest

from components.envoy.typed import Config
from stacks.schema.tracing import Tracing
from testbed.loopback import LOOPBACK, free_port
from testbed.proxy_client import begin, channel, outcomes
from testbed.real_envoy import RealEnvoy, await_healthy
from testbed.stand_in import INFER, STOPPING, StandIn
from tests.loopback.conftest import Envoys, Servers
from tests.support.collector import Collector, Span, collector

A, B = "127.0.1.1", "127.0.1.2"
ENVOY = "sonic-demo-envoy"
SENT = "tracing.opentelemetry.spans_sent"
TRACE, SPAN = "a1" * 16, "b2" * 8
SAMPLED, UNSAMPLED = (f"00-{TRACE}-{SPAN}-{flags}" for flags in ("01", "00"))
NOTHING: Mapping[str, str] = MappingProxyType({})


@pytest.fixture
def traces(tmp_path: Path) -> Iterator[Collector]:
    with collector(tmp_path) as running:
        yield running


@pytest.fixture
def server(servers: Servers) -> StandIn:
    (started,) = servers(1)
    return started


@pytest.fixture
def traced(envoy: Envoys) -> Callable[..., RealEnvoy]:
    """Starts an Envoy before servers that are healthy, whose spans are sent one by one."""

    def start(url: str, *servers: str, percent: float, of_clients: float = 0) -> RealEnvoy:
        tracing = Tracing(url=url, sampling_percent=percent, client_sampling_percent=of_clients)
        proxy = envoy(servers or (A,), tracing=tracing, change=at_once)
        await_healthy(proxy, *(servers or (A,)))
        return proxy

    return start


def at_once(bootstrap: Config) -> None:
    layer = {"name": "spans", "static_layer": {"tracing.opentelemetry.min_flush_spans": 1}}
    bootstrap["layered_runtime"] = {"layers": [layer]}


def told(server: StandIn, client: grpc.Channel, headers: Mapping[str, str] = NOTHING) -> str:
    """Make a call, and return the trace context that the server was told of; empty: none."""
    assert begin(client, headers=headers).result() == server.name.encode()
    return str(server.metadata.get("traceparent", ""))


def context_of(span: Span) -> str:
    return f"00-{span.trace_id}-{span.span_id}-01"


def test_the_server_of_a_sampled_call_is_told_of_envoys_span(
    server: StandIn, traced: Callable[..., RealEnvoy], traces: Collector
) -> None:
    proxy = traced(traces.url, percent=100.0)
    context = told(server, channel(proxy.target))
    (span,) = traces.await_spans(1, ENVOY)
    assert context == context_of(span)
    assert (span.name, span.parent_id) == (INFER, "")
    assert span.attributes["upstream_address"].startswith(f"{A}:")
    assert proxy.stat(SENT) == 1


def test_no_client_decides_where_the_site_follows_none(
    server: StandIn, traced: Callable[..., RealEnvoy], traces: Collector
) -> None:
    """Not by a trace of its own, nor by the headers with which Envoy's own clients ask for one."""
    proxy = traced(traces.url, percent=0.0)
    client = channel(proxy.target)
    for headers in (
        {},
        {"traceparent": SAMPLED, "tracestate": "a=b"},
        {"x-client-trace-id": "mine", "x-envoy-force-trace": "true"},
    ):
        assert told(server, client, headers) == ""
        assert not server.metadata.get("tracestate")
    assert proxy.stat(SENT) == 0
    every = traced(traces.url, percent=100.0)
    assert TRACE not in told(server, channel(every.target), {"traceparent": UNSAMPLED})


def test_a_clients_trace_goes_on_where_the_site_follows_clients(
    server: StandIn, traced: Callable[..., RealEnvoy], traces: Collector
) -> None:
    proxy = traced(traces.url, percent=0.0, of_clients=100.0)
    client = channel(proxy.target)
    assert told(server, client) == ""
    context = told(server, client, {"traceparent": SAMPLED})
    (span,) = traces.await_spans(1, ENVOY)
    assert context == context_of(span)
    assert (span.trace_id, span.parent_id) == (TRACE, SPAN)
    assert told(server, client, {"traceparent": UNSAMPLED}) == ""


def test_a_share_of_the_clients_decisions_is_followed(server: StandIn, traced: Callable[..., RealEnvoy]) -> None:
    proxy = traced(f"http://{LOOPBACK}:{free_port()}", percent=0.0, of_clients=50.0)
    client = channel(proxy.target)
    contexts = []
    for _ in range(100):
        contexts.append(told(server, client, {"traceparent": SAMPLED}))
        assert not [header for header in server.metadata if header.startswith("x-sonic-")]
    followed = [context for context in contexts if TRACE in context]
    assert 20 < len(followed) < 80
    assert set(contexts) - set(followed) == {""}


def test_a_retry_is_of_the_same_trace_or_of_none(
    servers: Servers, traced: Callable[..., RealEnvoy], traces: Collector
) -> None:
    first, second = servers(2)
    first.status, first.reason = grpc.StatusCode.UNAVAILABLE, STOPPING
    for percent in (100.0, 0.0):
        proxy = traced(traces.url, A, B, percent=percent)
        client, begun = channel(proxy.target), first.calls
        while first.calls == begun:
            context = told(second, client)
        assert first.metadata["traceparent"] == context
        assert bool(context) is (percent == 100)


def test_calls_are_answered_without_a_collector(server: StandIn, traced: Callable[..., RealEnvoy]) -> None:
    """Nobody listens, or somebody who never answers."""
    with socket.create_server((LOOPBACK, 0)) as silent:
        for port in (free_port(), silent.getsockname()[1]):
            proxy = traced(f"http://{LOOPBACK}:{port}", percent=100.0)
            assert outcomes(channel(proxy.target), 200) == {server.name: 200}
