"""Retries of experiments with and without stateful models: real Envoy, stand-in servers."""

import grpc
import pytest

from components.envoy.typed import Config
from testbed.polling import eventually
from testbed.proxy_client import begin, channel, outcome, outcomes
from testbed.real_envoy import await_healthy
from testbed.stand_in import STOPPING
from tests.loopback.conftest import Envoys, Servers

METADATA = "/inference.GRPCInferenceService/ModelMetadata"
A, B = "127.0.1.1", "127.0.1.2"


@pytest.mark.parametrize(("stateful", "heard", "repeated"), [(False, {B}, 1), (True, {"CANCELLED", "UNAVAILABLE"}, 0)])
def test_a_call_that_a_crashed_server_had_begun_is_retried_only_without_state(
    servers: Servers, envoy: Envoys, stateful: bool, heard: set[str], repeated: int
) -> None:
    crashing, other = servers(2)
    crashing.delay_seconds = 60
    proxy = envoy((A,), (B,), stateful=stateful)
    await_healthy(proxy, A, B)
    call = begin(channel(proxy.target))
    eventually(lambda: crashing.calls == 1, "the call has begun")
    crashing.stop()
    assert outcome(call) in heard
    assert other.calls == repeated


def test_a_stateful_call_that_got_unavailable_is_not_retried(servers: Servers, envoy: Envoys) -> None:
    """A model may answer UNAVAILABLE after it has executed the step."""
    for server in (both := servers(2)):
        server.status, server.reason = grpc.StatusCode.UNAVAILABLE, STOPPING
    proxy = envoy((A, B), stateful=True)
    await_healthy(proxy, A, B)
    assert outcomes(channel(proxy.target)) == {"UNAVAILABLE": 1}
    assert sum(server.calls for server in both) == 1


@pytest.mark.parametrize("stateful", [False, True])
def test_a_call_whose_server_cannot_be_connected_is_retried_on_another(
    servers: Servers, envoy: Envoys, stateful: bool
) -> None:
    """This is the moment after a crash, before any health check has failed."""

    def check_nothing(config: Config) -> None:
        cluster = config["static_resources"]["clusters"][0]
        del cluster["health_checks"], cluster["outlier_detection"]

    gone, _ = servers(2)
    gone.stop()
    proxy = envoy((A, B), stateful=stateful, change=check_nothing)
    assert outcomes(channel(proxy.target), 20) == {B: 20}
    assert proxy.stat("cluster.servers.upstream_cx_connect_fail") > 0


def test_metadata_calls_of_stateful_experiments_are_retried(servers: Servers, envoy: Envoys) -> None:
    failing, _ = servers(2)
    failing.status, failing.reason = grpc.StatusCode.UNAVAILABLE, STOPPING
    proxy = envoy((A, B), stateful=True)
    await_healthy(proxy, A, B)
    assert outcomes(channel(proxy.target), 6, method=METADATA) == {B: 6}
    assert failing.calls > 0
