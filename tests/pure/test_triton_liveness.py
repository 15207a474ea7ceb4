"""A server whose model has stopped working is stopped; one that fails for its clients' bad input is not."""

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.triton.liveness import LOOKS, TESTS_FILE, URLS, Server, look, main
from stacks import self_test
from stacks.self_test import self_test_files
from testbed.loopback import QuietHandler
from tests.support.chaos import Fault
from tests.support.config_cases import a_reference
from tests.support.configs import stack_config

UNUSED = "http://127.0.0.1:9"
RIGHT, GOOD, BAD = b'{"inputs":[]}right', "good", "bad"


class TritonHttp:
    """A stand-in for Triton's HTTP port, with statistics of the form that Triton 2.51 gives, and for /proc."""

    def __init__(self, processes: Path) -> None:
        self.processes = processes
        self.works = self.live = True
        self.answer_of_a_broken_model = 500
        self.counts = {"success": 0, "fail": 0}
        self.tests: list[tuple[str, str | None]] = []
        """Path and header length of each request."""

    def call(self, kind: str, times: int = 1) -> None:
        """A client calls the model."""
        self.counts["success" if self.works and kind == GOOD else "fail"] += times

    def start_process(self, number: int, instance: str) -> None:
        folder = self.processes / str(number)
        folder.mkdir(parents=True)
        words = ["/opt/backends/python/triton_python_backend_stub", "/models/m/1/model.py", "shm", instance, ""]
        (folder / "cmdline").write_bytes("\0".join(words).encode())

    def kill_process(self, number: int) -> None:
        (self.processes / str(number) / "cmdline").unlink()

    def statistics(self) -> dict[str, Any]:
        duration = {name: {"count": count, "ns": 1000 * count} for name, count in self.counts.items()}
        entry = {"name": "m", "version": "1", "last_inference": 1, "inference_stats": duration, "batch_stats": []}
        return {"model_stats": [entry]}

    @contextmanager
    def serving(
        self, kind: type[ThreadingHTTPServer] = ThreadingHTTPServer, address: str = "127.0.0.1"
    ) -> Iterator[Server]:
        triton = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802
                if not triton.live:
                    self.send_error(503)
                elif self.path == "/v2/models/stats":
                    self.respond(json.dumps(triton.statistics()).encode())
                else:
                    self.respond(b"")

            def do_POST(self) -> None:  # noqa: N802
                self.rfile.read(int(self.headers["Content-Length"]))
                triton.tests.append((self.path, self.headers["Inference-Header-Content-Length"]))
                triton.call(GOOD)
                if triton.works:
                    self.respond(b"{}")
                else:
                    self.send_error(triton.answer_of_a_broken_model)

        with kind((address, 0), Handler) as http:
            threading.Thread(target=http.serve_forever, daemon=True).start()
            host = f"[{address}]" if ":" in address else address
            yield Server(f"http://{host}:{http.server_port}", self.processes)
            http.shutdown()


class Container:
    """What the kubelet does: it looks again and again."""

    def __init__(self, triton: TritonHttp, server: Server, folder: Path) -> None:
        self.triton, self.server, self.folder = triton, server, folder
        self.process = subprocess.Popen(["sleep", "60"])

    def looks(self, kind: str | None = None, number: int = 2 * LOOKS) -> list[int]:
        """Exit status of each look, with calls of one kind before each."""
        found = []
        for _ in range(number):
            if kind:
                self.triton.call(kind, 5)
            found.append(self.look())
        return found

    def look(self) -> int:
        urls = (UNUSED, self.server.url)
        return main(self.folder, urls, self.triton.processes, self.folder / "state.json", self.process.pid)

    @property
    def stopped(self) -> bool:
        if self.process.poll() is None:
            return False
        return self.process.returncode == -signal.SIGTERM


@pytest.fixture
def triton(tmp_path: Path) -> TritonHttp:
    return TritonHttp(tmp_path / "proc")


@pytest.fixture
def container(triton: TritonHttp, tmp_path: Path) -> Iterator[Container]:
    (tmp_path / "0.request").write_bytes(RIGHT)
    (tmp_path / TESTS_FILE).write_text(json.dumps({"m": {"": {"file": "0.request", "header_bytes": 13}}}))
    with triton.serving() as server:
        container = Container(triton, server, tmp_path)
        yield container
        container.process.kill()
        container.process.wait()


@pytest.mark.chaos(Fault.MODEL_STOPS)
def test_a_model_that_fails_a_right_request_too_stops_its_server(triton: TritonHttp, container: Container) -> None:
    assert container.looks(GOOD) == [0] * 2 * LOOKS
    triton.works = False
    assert container.looks(GOOD, LOOKS) == [0] * (LOOKS - 1) + [1]
    container.process.wait(timeout=20)
    assert container.stopped
    assert set(triton.tests) == {("/v2/models/m/infer", "13")}


@pytest.mark.chaos(Fault.MODEL_STOPS)
def test_bad_input_alone_stops_no_server(triton: TritonHttp, container: Container) -> None:
    container.looks(GOOD, 1)
    assert container.looks(BAD) == [0] * 2 * LOOKS
    assert not container.stopped
    assert triton.tests, "a right request has told the two apart"


def test_bad_input_among_good_is_not_even_tried(triton: TritonHttp, container: Container) -> None:
    for _ in range(2 * LOOKS):
        triton.call(BAD)
        assert container.looks(GOOD, 1) == [0]
    assert triton.tests == []


@pytest.mark.chaos(Fault.MODEL_STOPS)
def test_a_backend_process_that_is_gone_stops_its_server_without_a_right_request(
    triton: TritonHttp, container: Container
) -> None:
    (container.folder / TESTS_FILE).unlink()
    triton.start_process(7, "m_0")
    triton.start_process(8, "m_1")
    assert container.looks(GOOD) == [0] * 2 * LOOKS
    triton.kill_process(8)
    for _ in range(LOOKS):
        triton.call(GOOD)  # at the other instance
        container.looks(BAD, 1)
    container.process.wait(timeout=20)
    assert container.stopped


def test_processes_are_counted_for_the_model_whose_instance_they_name(triton: TritonHttp) -> None:
    for number, instance in enumerate(("m_0_0", "m_1_0", "m_2_0_0", "mm_0"), start=1):
        triton.start_process(number, instance)
    assert Server("", triton.processes).backend_processes(["m", "m_2", "mm", "n"]) == {
        "m": 2,
        "m_2": 1,
        "mm": 1,
        "n": 0,
    }


def test_a_model_that_has_never_worked_does_not_stop_its_server_again_and_again(
    triton: TritonHttp, container: Container
) -> None:
    triton.works = False
    assert container.looks(GOOD) == [0] * 2 * LOOKS
    assert not container.stopped


@pytest.mark.parametrize("status", [400, 404, 503])
def test_a_right_request_that_is_refused_proves_nothing(triton: TritonHttp, container: Container, status: int) -> None:
    container.looks(GOOD, 1)
    triton.works, triton.answer_of_a_broken_model = False, status
    assert container.looks(GOOD) == [0] * 2 * LOOKS


def test_without_a_right_request_failures_prove_nothing(triton: TritonHttp, container: Container) -> None:
    (container.folder / TESTS_FILE).unlink()
    container.looks(GOOD, 1)
    triton.works = False
    assert container.looks(GOOD) == [0] * 2 * LOOKS


def test_counters_that_went_back_are_those_of_a_new_start(triton: TritonHttp, container: Container) -> None:
    triton.counts = {"success": 9, "fail": 9}
    found, _ = look(container.server, {}, container.folder)
    triton.counts, triton.works = {"success": 1, "fail": 5}, False
    found, broken = look(container.server, found, container.folder)
    assert (found["m/1"]["looks"], broken) == (0, [])


def test_a_proxy_of_the_environment_is_not_asked(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", UNUSED)
    assert container.look() == 0


def test_a_server_on_ipv6_alone_is_asked(tmp_path: Path) -> None:
    class Http6(ThreadingHTTPServer):
        address_family = socket.AF_INET6

    triton = TritonHttp(tmp_path / "proc")
    with triton.serving(Http6, "::1") as server:
        container = Container(triton, server, tmp_path)
        assert container.look() == 0
        container.process.kill()
        container.process.wait()
    assert [url.rpartition(":")[0] for url in URLS] == ["http://127.0.0.1", "http://[::1]"]


def test_a_server_that_does_not_answer_is_not_alive(triton: TritonHttp, container: Container) -> None:
    triton.live = False
    assert container.looks(None, 1) == [1]
    assert not container.stopped, "the kubelet ends it, after six looks"


def test_the_requests_are_those_of_the_references(tmp_path: Path) -> None:
    directory = tmp_path / "stacks/experiments/reference"
    directory.mkdir(parents=True)
    values: dict[str, list[Any]] = {
        "FP16": [0.5],
        "BF16": [1.5],
        "BOOL": [True],
        "INT64": [-1],
        "FP64": [2],
        "BYTES": ["é", {"base64": "/w=="}],
    }
    reference = a_reference("m")
    reference["request"]["inputs"] = [
        {"name": name, "datatype": name, "shape": [len(data)], "data": data} for name, data in values.items()
    ]
    (directory / "m.json").write_text(json.dumps(reference))
    image = {"kind": "image", "paths": ["/models"]}
    model = {"name": "m", "reference": "m.json", "stateful": True}
    models = stack_config(experiment={"models": {"repository": image, "expected": [model]}}).experiment.models
    files = self_test_files(models, tmp_path)
    (test,) = json.loads(files[TESTS_FILE])["m"].values()
    content = files[test["file"]]
    header = json.loads(content[: test["header_bytes"]])
    assert [tensor["parameters"]["binary_data_size"] for tensor in header["inputs"]] == [2, 2, 1, 8, 8, 11]
    assert header["parameters"]["sequence_start"] is True
    assert content[test["header_bytes"] :] == (
        b"\x00\x38" + b"\xc0\x3f" + b"\x01" + b"\xff" * 8 + b"\0" * 7 + b"\x40" + b"\2\0\0\0\xc3\xa9\1\0\0\0\xff"
    )


def test_references_that_http_cannot_carry_or_a_config_map_hold_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "stacks/experiments/reference"
    directory.mkdir(parents=True)
    stream = a_reference("stream")
    stream["expected"] = {"responses": [stream["expected"]]}
    for name, content in (("stream", stream), ("large", a_reference("large"))):
        (directory / f"{name}.json").write_text(json.dumps(content))
    monkeypatch.setattr(self_test, "BYTES_MAX", 100)
    expected = [{"name": name, "reference": f"{name}.json"} for name in ("stream", "large")]
    repository = {"kind": "image", "paths": ["/models"]}
    models = stack_config(experiment={"models": {"repository": repository, "expected": expected}}).experiment.models
    assert self_test_files(models, tmp_path) == {TESTS_FILE: b"{}"}
