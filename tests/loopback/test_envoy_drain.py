"""The preStop hook, run against a real Envoy with calls in progress."""

import subprocess
import threading
import time
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import components.envoy
from testbed.loopback import LOOPBACK, free_port
from testbed.polling import eventually
from testbed.proxy_client import begin, channel, outcomes
from testbed.real_envoy import RealEnvoy
from testbed.service_stub import ServiceStub
from tests.loopback.conftest import Envoys, Servers

A = "127.0.1.1"
SCRIPT = Path(components.envoy.__file__).with_name("drain.sh")
DRAINING = ("--drain-time-s", "3", "--drain-strategy", "immediate")


def drain(admin_port: int, *, leave_seconds: int = 1, goaway_seconds: int = 3, drain_seconds: int = 60) -> None:
    numbers = (admin_port, leave_seconds, goaway_seconds, drain_seconds)
    subprocess.run(["bash", str(SCRIPT), *(str(number) for number in numbers)], check=True, timeout=120)


def leave(old: RealEnvoy, new: RealEnvoy, service: ServiceStub) -> None:
    """Do as a deletion of the pod does: the Service drops it, the hook runs, Envoy gets SIGTERM."""
    service.set_ports([new.grpc_port])
    drain(old.admin_port)
    assert old.stat("http.clients.downstream_rq_active") == 0
    old.process.terminate()
    old.process.wait()


def test_clients_of_a_draining_envoy_reconnect_to_another_without_a_lost_call(servers: Servers, envoy: Envoys) -> None:
    (server,) = servers(1)
    server.delay_seconds = 0.1
    old, new = envoy((A,), arguments=DRAINING), envoy((A,), arguments=DRAINING)
    eventually(lambda: old.healthy_servers() == new.healthy_servers() == {A}, "healthy")
    results: Counter[str] = Counter()
    ended = threading.Event()

    def work(service: ServiceStub) -> None:
        client = channel(service.target)
        while not ended.is_set():
            results.update(outcomes(client, 3))

    with ServiceStub([old.grpc_port]) as service:
        idle = channel(service.target)
        outcomes(idle)
        workers = [threading.Thread(target=work, args=(service,)) for _ in range(8)]
        for worker in workers:
            worker.start()
        eventually(lambda: results.total() >= 50, "calls through the old Envoy")
        leave(old, new, service)
        after = results.total()
        eventually(lambda: results.total() >= after + 50, "calls through the new Envoy")
        ended.set()
        for worker in workers:
            worker.join()
        assert outcomes(idle) == {A: 1}
    assert results.keys() == {A}
    assert new.stat("http.clients.downstream_cx_total") > 0


def test_the_drain_waits_for_calls_in_progress(servers: Servers, envoy: Envoys) -> None:
    (server,) = servers(1)
    old, new = envoy((A,), arguments=DRAINING), envoy((A,), arguments=DRAINING)
    eventually(lambda: old.healthy_servers() == {A}, "healthy")
    server.delay_seconds = 8
    with ServiceStub([old.grpc_port]) as service:
        results: Counter[str] = Counter()
        long_call = threading.Thread(target=lambda: results.update(outcomes(channel(service.target))))
        long_call.start()
        eventually(lambda: server.calls == 1, "the call has begun")
        leave(old, new, service)
        long_call.join()
    assert results == {A: 1}


def test_the_drain_ends_after_its_time_with_calls_in_progress(servers: Servers, envoy: Envoys) -> None:
    (server,) = servers(1)
    server.delay_seconds = 60
    proxy = envoy((A,), arguments=DRAINING)
    eventually(lambda: proxy.healthy_servers() == {A}, "healthy")
    stuck = begin(channel(proxy.target))
    eventually(lambda: server.calls == 1, "the call has begun")
    begun = time.monotonic()
    drain(proxy.admin_port, drain_seconds=4)
    assert time.monotonic() - begun < 40
    assert not stuck.done()
    stuck.cancel()


def test_the_drain_first_fails_readiness_and_keeps_its_clients(servers: Servers, envoy: Envoys) -> None:
    """Balancers still send new connections here, so clients that got a GOAWAY would come straight back."""
    servers(1)
    proxy = envoy((A,), arguments=DRAINING)
    eventually(lambda: proxy.healthy_servers() == {A}, "healthy")
    client = channel(proxy.target)
    hook = threading.Thread(target=drain, args=(proxy.admin_port,), kwargs={"leave_seconds": 8})
    hook.start()
    eventually(lambda: not proxy.ready(), "not ready")
    assert sum((outcomes(client) for _ in range(5)), start=outcomes(client)) == {A: 6}
    assert proxy.stat("http.clients.downstream_cx_drain_close") == 0
    hook.join()


def test_the_drain_ends_without_an_envoy() -> None:
    drain(free_port(), leave_seconds=100)


class AdminInterface(BaseHTTPRequestHandler):
    """Stands in for that of an Envoy that starts late."""

    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        """Note the path."""
        self.asked.append(self.path)
        self.send_response(HTTPStatus.OK)
        self.end_headers()


def test_the_drain_waits_for_an_envoy_that_is_starting() -> None:
    port = free_port()
    hook = threading.Thread(target=drain, args=(port,))
    hook.start()
    time.sleep(1)
    with ThreadingHTTPServer((LOOPBACK, port), AdminInterface) as admin:
        threading.Thread(target=admin.serve_forever).start()
        hook.join()
        admin.shutdown()
    assert AdminInterface.asked[0] == "/healthcheck/fail"
