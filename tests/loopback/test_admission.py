"""Load shedding end to end: real Envoy, the real controller, stand-ins for Triton and Prometheus."""

import json
import os
import signal
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from components.envoy.admission.controller.policy import CLUSTER, REFUSE_NEW_JOBS_KEY, limit_key
from testbed.polling import eventually
from testbed.prometheus_stub import PrometheusStub, vector
from testbed.proxy_client import begin, channel, outcome, outcomes
from testbed.real_controller import Controller
from testbed.real_envoy import RealEnvoy
from testbed.stand_in import Busy, StandIn
from tests.loopback.conftest import Envoys, Servers
from tests.support.admission import admission
from tests.support.chaos import Fault
from tests.support.prometheus import answers

A, B = "127.0.1.1", "127.0.1.2"
LIMIT = limit_key(CLUSTER)
INDEX = "/inference.GRPCInferenceService/RepositoryIndex"


def runtime(envoy: RealEnvoy) -> dict[str, str]:
    """Return Envoy's runtime keys and their values."""
    entries = json.loads(envoy.admin("/runtime")[1])["entries"]
    return {key: str(entry["final_value"]) for key, entry in entries.items()}


def await_told(envoy: RealEnvoy, key: str, value: str) -> None:
    eventually(lambda: runtime(envoy).get(key) == value, f"{key} is {value}")


def refusal(client: grpc.Channel, method: str) -> tuple[str, str, dict[str, str]]:
    """Return status, message and trailers of a call that fails."""
    with pytest.raises(grpc.RpcError) as raised:
        begin(client, method).result()
    error = raised.value
    trailers = {item.key: str(item.value) for item in error.trailing_metadata() or ()}
    return str(error.code().name), str(error.details()), trailers


class Bench:
    """One Envoy before some servers, its controller, and a Prometheus."""

    def __init__(self, started: ExitStack, envoy: Envoys, servers: list[StandIn], tmp_path: Path, **declared: float):
        self.prometheus = started.enter_context(PrometheusStub())
        self.args = admission(self.prometheus.url, **declared)
        self.envoy = envoy(tuple(server.name for server in servers), admission=self.args)
        names = {server.name for server in servers}
        eventually(lambda: self.envoy.healthy_servers() == names, "healthy")
        self.client = channel(self.envoy.target)
        self.controller = Controller(self.args, self.envoy, tmp_path)
        started.enter_context(self.controller)

    def answer(self, answer: bytes | None) -> None:
        """Set the answer of Prometheus, and return after two more queries."""
        self.prometheus.answer = answer
        asked = self.prometheus.asked
        eventually(lambda: self.prometheus.asked >= asked + 2, "the controller has asked")


@pytest.mark.chaos(Fault.PROMETHEUS)
def test_new_jobs_are_refused_only_when_prometheus_reports_a_long_wait(
    started: ExitStack, servers: Servers, envoy: Envoys, tmp_path: Path
) -> None:
    bench = Bench(started, envoy, servers(1), tmp_path, queue_refuse_new_jobs_ms=100.0)
    for case in answers():
        answer, refused = answers()[case]
        bench.answer(answer)
        await_told(bench.envoy, REFUSE_NEW_JOBS_KEY, "100" if refused else "0")
        assert outcomes(bench.client, 3, method=INDEX) == {"UNAVAILABLE" if refused else A: 3}, case
        assert outcomes(bench.client, 3) == {A: 3}, "jobs that run go on"


@pytest.mark.chaos(Fault.PROMETHEUS)
def test_new_jobs_are_admitted_once_prometheus_fails(
    started: ExitStack, servers: Servers, envoy: Envoys, tmp_path: Path
) -> None:
    bench = Bench(started, envoy, servers(1), tmp_path, queue_refuse_new_jobs_ms=100.0)
    for nonsense in (b"<html>bad gateway</html>", None):
        bench.answer(vector("500"))
        await_told(bench.envoy, REFUSE_NEW_JOBS_KEY, "100")
        bench.answer(nonsense)
        await_told(bench.envoy, REFUSE_NEW_JOBS_KEY, "0")
        assert outcomes(bench.client, 3, method=INDEX) == {A: 3}, nonsense
    bench.prometheus.stop()
    time.sleep(3)
    assert runtime(bench.envoy)[REFUSE_NEW_JOBS_KEY] == "0"


def test_a_refused_job_gets_unavailable_with_a_way_out_and_a_pushback(
    started: ExitStack, servers: Servers, envoy: Envoys, tmp_path: Path
) -> None:
    bench = Bench(started, envoy, servers(1), tmp_path, queue_refuse_new_jobs_ms=100.0)
    bench.prometheus.answer = vector("500")
    await_told(bench.envoy, REFUSE_NEW_JOBS_KEY, "100")
    status, message, trailers = refusal(bench.client, INDEX)
    assert (status, message) == (
        "UNAVAILABLE",
        "server pool overloaded: retry later, use another site, or run on the job's own CPU",
    )
    assert trailers["grpc-retry-pushback-ms"] == "1000"


def test_requests_over_the_declared_limit_get_unavailable_with_a_pushback(
    started: ExitStack, servers: Servers, envoy: Envoys, tmp_path: Path
) -> None:
    both = servers(2)
    bench = Bench(started, envoy, both, tmp_path, requests_in_flight_per_server_max=10)
    await_told(bench.envoy, LIMIT, "20")
    for server in both:
        server.delay_seconds = 4
    assert outcomes(bench.client, 100)["UNAVAILABLE"] == 80

    held = [begin(bench.client) for _ in range(20)]
    eventually(lambda: bench.envoy.stat("cluster.servers.upstream_rq_active") == 20, "all in progress")
    status, message, trailers = refusal(bench.client, "/inference.GRPCInferenceService/ModelInfer")
    assert (status, message) == (
        "UNAVAILABLE",
        "server pool overloaded, too many requests in progress: retry later or use another site",
    )
    assert trailers["grpc-retry-pushback-ms"] == "1000"
    assert {call.result().decode() for call in held} <= {A, B}


def test_the_limit_follows_the_number_of_healthy_servers(
    started: ExitStack, servers: Servers, envoy: Envoys, tmp_path: Path
) -> None:
    first, second = servers(2)
    bench = Bench(started, envoy, [first, second], tmp_path, requests_in_flight_per_server_max=10)
    await_told(bench.envoy, LIMIT, "20")
    first.serving = False
    await_told(bench.envoy, LIMIT, "10")
    first.serving = True
    await_told(bench.envoy, LIMIT, "20")


def test_new_jobs_are_refused_before_requests_also_without_prometheus(
    started: ExitStack, servers: Servers, envoy: Envoys, tmp_path: Path
) -> None:
    (server,) = servers(1)
    bench = Bench(
        started, envoy, [server], tmp_path, requests_in_flight_per_server_max=10, queue_refuse_new_jobs_ms=100.0
    )
    bench.prometheus.stop()
    await_told(bench.envoy, LIMIT, "10")
    server.delay_seconds = 5
    held = [begin(bench.client) for _ in range(9)]
    await_told(bench.envoy, REFUSE_NEW_JOBS_KEY, "100")
    assert outcomes(bench.client) == {A: 1}, "there is room for one more request"
    assert [call.result().decode() for call in held] == [A] * 9
    await_told(bench.envoy, REFUSE_NEW_JOBS_KEY, "0")
    server.delay_seconds = 0
    assert outcomes(bench.client, method=INDEX) == {A: 1}


def test_calls_do_not_wait_for_a_stopped_controller_or_prometheus(
    started: ExitStack, servers: Servers, envoy: Envoys, tmp_path: Path
) -> None:
    """The last decision stays while both are stopped."""
    bench = Bench(
        started, envoy, servers(1), tmp_path, requests_in_flight_per_server_max=10, queue_refuse_new_jobs_ms=100.0
    )
    await_told(bench.envoy, LIMIT, "10")
    bench.answer(None)
    program = bench.controller.program()
    assert program
    for pid in (bench.controller.process.pid, program):
        os.kill(pid, signal.SIGSTOP)
    for _ in range(100):
        assert outcomes(bench.client, 5, deadline_seconds=5) == {A: 5}
    assert outcomes(bench.client, 3, method=INDEX, deadline_seconds=5) == {A: 3}
    assert runtime(bench.envoy)[LIMIT] == "10"


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_a_controller_that_crashes_or_hangs_loses_its_keys_and_is_restarted(
    started: ExitStack, servers: Servers, envoy: Envoys, tmp_path: Path, fault: signal.Signals
) -> None:
    bench = Bench(
        started, envoy, servers(1), tmp_path, requests_in_flight_per_server_max=10, queue_refuse_new_jobs_ms=100.0
    )
    bench.prometheus.answer = vector("500")
    await_told(bench.envoy, REFUSE_NEW_JOBS_KEY, "100")
    bench.prometheus.answer = vector("75")  # between the two thresholds: the old controller would go on refusing
    program = bench.controller.program()
    assert program
    os.kill(program, fault)
    await_told(bench.envoy, REFUSE_NEW_JOBS_KEY, "0")
    eventually(lambda: bench.controller.program() not in {program, None}, "another program")
    await_told(bench.envoy, LIMIT, "10")
    assert bench.controller.ready()
    assert "what it told Envoy is withdrawn" in bench.controller.log.read_text()


def test_sigterm_withdraws_all_keys_of_the_controller(
    started: ExitStack, servers: Servers, envoy: Envoys, tmp_path: Path
) -> None:
    bench = Bench(
        started, envoy, servers(1), tmp_path, requests_in_flight_per_server_max=10, queue_refuse_new_jobs_ms=100.0
    )
    bench.prometheus.answer = vector("500")
    await_told(bench.envoy, REFUSE_NEW_JOBS_KEY, "100")
    program = bench.controller.program()
    bench.controller.process.terminate()
    assert bench.controller.process.wait(timeout=30) == 0
    assert runtime(bench.envoy) == {}
    assert not Path(f"/proc/{program}").exists()
    assert outcomes(bench.client, method=INDEX) == {A: 1}


def test_a_restarted_envoy_gets_its_limit_again(
    started: ExitStack, servers: Servers, envoy: Envoys, tmp_path: Path
) -> None:
    bench = Bench(started, envoy, servers(1), tmp_path, requests_in_flight_per_server_max=10)
    await_told(bench.envoy, LIMIT, "10")
    bench.envoy.process.kill()
    bench.envoy.process.wait()
    eventually(lambda: "refused" in bench.controller.log.read_text(), "the controller has seen it")
    bench.envoy.__enter__()
    await_told(bench.envoy, LIMIT, "10")
    assert outcomes(channel(bench.envoy.target)) == {A: 1}


def test_the_controller_uses_less_than_three_quarters_of_its_memory_limit(
    started: ExitStack, servers: Servers, envoy: Envoys, tmp_path: Path
) -> None:
    bench = Bench(started, envoy, servers(1), tmp_path, queue_refuse_new_jobs_ms=100.0)
    bench.answer(vector("5"))
    assert bench.controller.memory_kib() < 48 * 1024 * 3 // 4


def test_under_triple_load_requests_are_served_or_refused_and_none_times_out(
    started: ExitStack, server_port: int, envoy: Envoys, tmp_path: Path
) -> None:
    """600 requests a second for 10 s, where one server does 200 and 50 may be in progress."""
    server = started.enter_context(Busy(A, server_port, slots=4, work_seconds=0.02))
    bench = Bench(started, envoy, [server], tmp_path, requests_in_flight_per_server_max=50)
    await_told(bench.envoy, LIMIT, "50")
    begun, calls = time.monotonic(), []
    for number in range(6000):
        time.sleep(max(0.0, begun + number / 600 - time.monotonic()))
        calls.append(begin(bench.client))
    found = Counter(outcome(call) for call in calls)
    assert found.keys() == {A, "UNAVAILABLE"}
    assert server.in_progress_max <= 50
    assert server.calls == found[A], "what is refused costs no server anything"


@pytest.mark.chaos(Fault.DISK_FULL)
def test_a_controller_with_a_full_disk_still_sets_the_limit(
    started: ExitStack, servers: Servers, envoy: Envoys, tmp_path: Path
) -> None:
    args = admission(requests_in_flight_per_server_max=10)
    proxy = envoy((servers(1)[0].name,), admission=args)
    controller = Controller(args, proxy, tmp_path)
    controller.log = Path("/dev/full")
    started.enter_context(controller)
    await_told(proxy, LIMIT, "10")
    program = controller.program()
    assert program
    os.kill(program, signal.SIGKILL)
    eventually(lambda: controller.program() not in {program, None}, "another program")
    await_told(proxy, LIMIT, "10")
