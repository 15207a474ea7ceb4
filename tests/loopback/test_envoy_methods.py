"""Every method of Triton's service through a real Envoy: calls of operators' methods reach no server."""

import grpc
import pytest
from tritonclient.grpc import service_pb2

from components.envoy.routes import HEALTH_CHECK_PATH
from testbed.polling import eventually
from testbed.proxy_client import ask, channel, outcomes
from testbed.real_envoy import RealEnvoy
from tests.loopback.conftest import Envoys, Servers

A = "127.0.1.1"
SERVICE = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
FOR_CLIENTS = {
    *("ServerLive", "ServerReady", "ServerMetadata", "RepositoryIndex"),
    *("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics", "ModelInfer", "ModelStreamInfer"),
}


@pytest.fixture
def proxy(servers: Servers, envoy: Envoys) -> RealEnvoy:
    servers(1)
    proxy = envoy((A,))
    eventually(lambda: proxy.healthy_servers() == {A}, "healthy")
    return proxy


def refusal(proxy: RealEnvoy, method: str) -> tuple[grpc.StatusCode, str | None]:
    with pytest.raises(grpc.RpcError) as raised:
        ask(channel(proxy.target), method)
    call = raised.value
    assert isinstance(call, grpc.Call)
    return call.code(), call.details()


def test_every_method_of_tritons_service_is_allowed_or_denied_as_listed(servers: Servers, envoy: Envoys) -> None:
    """The generated stubs list the methods, so a method of a later Triton fails here until somebody decides."""
    (server,) = servers(1)
    proxy = envoy((A,))
    eventually(lambda: proxy.healthy_servers() == {A}, "healthy")
    client = channel(proxy.target)
    methods = [method.name for method in SERVICE.methods]
    assert len(methods) >= 20
    answered = {method: outcomes(client, method=f"/{SERVICE.full_name}/{method}") for method in methods}
    assert answered == {method: {A: 1} if method in FOR_CLIENTS else {"PERMISSION_DENIED": 1} for method in methods}
    assert server.calls == len(FOR_CLIENTS)


def test_a_denied_call_is_told_which_methods_are_allowed(proxy: RealEnvoy) -> None:
    code, sentence = refusal(proxy, f"/{SERVICE.full_name}/RepositoryModelUnload")
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert sentence == (
        "forbidden: clients may ask for inference, health, metadata, configuration, index and statistics; model "
        "control, log and trace settings and shared memory are the operator's"
    )


@pytest.mark.parametrize(
    "method",
    [
        f"/{SERVICE.full_name}/modelInfer",
        f"/{SERVICE.full_name}/ModelInfer/RepositoryModelUnload",
        f"/{SERVICE.full_name}/ModelInfer/../RepositoryModelUnload",
        f"/{SERVICE.full_name}/ServerLiveRepositoryModelUnload",
        f"/{SERVICE.full_name}/",
    ],
)
def test_a_method_that_looks_like_an_allowed_one_is_denied(proxy: RealEnvoy, method: str) -> None:
    assert refusal(proxy, method)[0] is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    "method",
    [
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/inferenceXGRPCInferenceService/ServerLive",
        "/",
    ],
)
def test_a_call_of_an_unknown_service_gets_unimplemented(proxy: RealEnvoy, method: str) -> None:
    assert refusal(proxy, method) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "unimplemented method: the servers have no such method",
    )


def test_clients_can_call_the_health_check(proxy: RealEnvoy) -> None:
    assert ask(channel(proxy.target), HEALTH_CHECK_PATH) == b"\x08\x01"
