"""Real Envoy behind the proxies of ingress controllers, which are configured by the program's own annotations."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from stacks.schema.controllers import CONTROLLERS, ControllerName
from stacks.schema.stack import STACK_HEADER
from testbed.authority import Authority
from testbed.child_process import ProcessError
from testbed.debian_programs import unpack
from testbed.ingress_proxies import PACKAGES, IngressProxy
from testbed.loopback import LOOPBACK
from testbed.proxy_client import begin, outcome, tls_channel
from testbed.real_envoy import await_healthy
from tests.loopback.conftest import Envoys, Servers

A = "127.0.1.1"
PUBLIC = Authority("public")
LARGE = 3 * 1024 * 1024
"""Bytes of a message larger than nginx takes by default."""
Proxies = Callable[..., grpc.Channel]

every_controller = pytest.mark.parametrize("controller", ["nginx", "haproxy", "haproxytech"])


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """nginx and HAProxy. Where Debian's packages cannot be had, only CI fails."""
    folder = tmp_path_factory.mktemp("programs")
    try:
        unpack(PACKAGES, folder)
    except ProcessError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(str(error))
    return folder


@pytest.fixture
def through(started: ExitStack, programs: Path, tmp_path: Path) -> Proxies:
    """Starts the proxy of a controller before a backend; gives a client's channel to it."""

    def start(controller: ControllerName, annotations: Mapping[str, str], backend: str) -> grpc.Channel:
        shown = PUBLIC.sign_host("localhost")
        proxy = IngressProxy(controller, annotations, backend, shown, programs=programs, directory=tmp_path)
        started.enter_context(proxy)
        return started.enter_context(tls_channel(f"localhost:{proxy.port}", PUBLIC.certificate))

    return start


@every_controller
def test_an_ingress_carries_a_long_and_large_request_and_says_whose_it_is(
    controller: ControllerName, servers: Servers, envoy: Envoys, through: Proxies
) -> None:
    (server,) = servers(1)
    proxy = envoy((A,))
    await_healthy(proxy, A)
    client = through(controller, CONTROLLERS[controller].annotations(6), proxy.target)
    server.delay_seconds = 2
    call: Any = begin(client, bytes_each=LARGE)
    assert outcome(call) == A
    assert dict(call.initial_metadata())[STACK_HEADER] == "test-demo"


@every_controller
def test_an_ingress_without_the_annotations_carries_no_request(
    controller: ControllerName, servers: Servers, envoy: Envoys, through: Proxies
) -> None:
    servers(1)
    proxy = envoy((A,))
    await_healthy(proxy, A)
    assert outcome(begin(through(controller, {}, proxy.target), deadline_seconds=5)) != A


@every_controller
def test_an_ingress_that_waits_less_than_the_request_takes_ends_it(
    controller: ControllerName, servers: Servers, envoy: Envoys, through: Proxies
) -> None:
    (server,) = servers(1)
    proxy = envoy((A,))
    await_healthy(proxy, A)
    server.delay_seconds = 3
    assert outcome(begin(through(controller, CONTROLLERS[controller].annotations(1), proxy.target))) == "UNAVAILABLE"


@pytest.fixture
def echo() -> Iterator[str]:
    """A server that answers each message of a stream with its length; gives `host:port`."""

    class Handler(grpc.GenericRpcHandler):
        def service(self, _details: grpc.HandlerCallDetails) -> Any:
            return grpc.stream_stream_rpc_method_handler(lambda messages, _: (b"%d" % len(each) for each in messages))

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Handler()], options=[("grpc.max_receive_message_length", -1)])
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    server.start()
    yield f"{LOOPBACK}:{port}"
    server.stop(grace=None).wait()


@pytest.mark.parametrize(("body_size", "status"), [(None, "OK"), ("4m", "INTERNAL")])
def test_nginx_limits_a_stream_by_all_of_its_messages_together(
    body_size: str | None, status: str, echo: str, through: Proxies
) -> None:
    """So the program sets no limit: one that takes the largest message would end a stream after a few of them."""
    annotations = dict(CONTROLLERS["nginx"].annotations(6))
    if body_size:
        annotations["nginx.ingress.kubernetes.io/proxy-body-size"] = body_size
    stream: Any = through("nginx", annotations, echo).stream_stream("/any/Stream")
    call = stream(iter([bytes(LARGE)] * 2), timeout=20)
    try:
        answers = list(call)
    except grpc.RpcError:
        answers = []
    assert call.code().name == status
    assert answers == ([b"%d" % LARGE] * 2 if status == "OK" else [])
