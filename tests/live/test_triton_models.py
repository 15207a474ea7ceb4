"""The dev experiment's models on the real Triton of our image, read from the real S3 server; on loopback.

Triton runs out of the image's own files, on a read-only root as uid 1000, as its pod does.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton

from components.triton.server import arguments
from devcluster.addresses import LOOPBACK
from testbed.child_process import Process, ProcessError
from testbed.loopback import free_port, http
from testbed.polling import eventually
from testbed.proxy_client import ask, channel
from testbed.real_triton import start_triton
from testbed.stand_in import HEALTH
from tests.support.configs import stack_config
from tests.support.golden_answers import DIRECTORY as GOLDEN_ANSWERS

pytestmark = pytest.mark.live

MODELS = sorted(path.stem for path in GOLDEN_ANSWERS.glob("*.json"))
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "any",
    "AWS_DEFAULT_REGION": "us-east-1",
}
SERVING = b"\x08\x01"  # HealthCheckResponse{status: 1}
LET_IT_ARRIVE_SECONDS = 0.5
START_TIMEOUT_SECONDS = 60
STARTS_MAX = 3


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running Triton."""

    process: Process
    client: triton.InferenceServerClient
    address: str
    """Where it speaks gRPC."""
    metrics_port: int

    def infer(self, model: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs by name, from FP32 inputs by name."""
        inputs = [triton.InferInput(name, list(tensor.shape), "FP32") for name, tensor in tensors.items()]
        for tensor_input, tensor in zip(inputs, tensors.values(), strict=True):
            tensor_input.set_data_from_numpy(tensor)
        result = self.client.infer(model, inputs, client_timeout=60)
        return {output.name: result.as_numpy(output.name) for output in result.get_response().outputs}

    def sleep(self, sleep_ms: float, value: float) -> float:
        """Have `value` echoed after a sleep."""
        tensors = {"SLEEP_MS": np.full((1, 1), sleep_ms, np.float32), "DATA": np.full((1, 3), value, np.float32)}
        return float(self.infer("sleep_identity", tensors)["ECHO"][0, 0])

    def executions(self, model: str) -> int:
        """How often the model has been executed, each time for one batch."""
        return int(self.client.get_inference_statistics(model).model_stats[0].execution_count)

    def waiting(self, model: str) -> int:
        """How many requests wait for the model to be free."""
        gauge = f'nv_inference_pending_request_count{{model="{model}",version="1"}} '
        lines = http(self.metrics_port, "/metrics")[1].splitlines()
        return next(int(line.removeprefix(gauge)) for line in lines if line.startswith(gauge))


@contextmanager
def s3_server(directory: Path) -> Iterator[int]:
    """The S3 server with the dev models, and its port."""
    port = free_port()
    command = [sys.executable, "-m", "devcluster.s3", f"--host={LOOPBACK}", f"--port={port}"]
    with Process(command, log=directory / "s3.log") as server:
        server.await_that(lambda: "serving" in server.log.read_text(), "the S3 server to serve")
        yield port


@contextmanager
def ready_triton(s3_port: int, directory: Path, *further: str) -> Iterator[Server]:
    """A Triton with the dev models.

    This Triton may hang for ever while it loads models from S3: it forks the python backend's stub while another
    thread holds a lock of the AWS SDK, which the child then waits for. The kubelet's startup probe ends such a
    server and starts another; so is it here.
    """
    for start in range(1, STARTS_MAX + 1):
        with _triton(s3_port, directory / f"triton-{start}.log", *further) as server:
            if _becomes_ready(server):
                yield server
                return
    pytest.fail(f"Triton was not ready {START_TIMEOUT_SECONDS} s after each of {STARTS_MAX} starts; see {directory}")


@contextmanager
def _triton(s3_port: int, log: Path, *further: str) -> Iterator[Server]:
    grpc_port, metrics_port = free_port(), free_port()
    flags = [
        f"--model-repository=s3://http://{LOOPBACK}:{s3_port}/models/demo",
        "--disable-auto-complete-config",
        f"--grpc-address={LOOPBACK}",
        f"--grpc-port={grpc_port}",
        "--allow-http=false",
        f"--metrics-address={LOOPBACK}",
        f"--metrics-port={metrics_port}",
        *further,
    ]
    address = f"{LOOPBACK}:{grpc_port}"
    with (
        start_triton(flags, log=log, environment=ENVIRONMENT) as process,
        triton.InferenceServerClient(address) as client,
    ):
        yield Server(process=process, client=client, address=address, metrics_port=metrics_port)


def _becomes_ready(server: Server) -> bool:
    try:
        server.process.await_that(lambda: _is_ready(server), "Triton to be ready", START_TIMEOUT_SECONDS)
    except ProcessError:
        assert server.process.running, f"Triton ended before it was ready: {server.process.last_lines()}"
        return False
    return True


def _is_ready(server: Server) -> bool:
    with suppress(triton.InferenceServerException):
        return bool(server.client.is_server_ready(client_timeout=1))
    return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("triton")
    with s3_server(directory) as s3_port, ready_triton(s3_port, directory) as running_server:
        yield running_server


def tensors_of(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {entry["name"]: np.array(entry["data"], np.float32).reshape(entry["shape"]) for entry in entries}


def test_serves_exactly_the_models_of_the_repository(server: Server) -> None:
    index = server.client.get_model_repository_index().models
    assert sorted((model.name, model.version, model.state) for model in index) == [
        (name, "1", "READY") for name in MODELS
    ]


@pytest.mark.parametrize("model", MODELS)
def test_answers_as_the_reference_says(server: Server, model: str) -> None:
    content = json.loads((GOLDEN_ANSWERS / f"{model}.json").read_text())
    answer = server.infer(model, tensors_of(content["request"]["inputs"]))
    expected = tensors_of(content["expected"]["outputs"])
    assert list(answer) == list(expected)
    for name, right in expected.items():
        np.testing.assert_allclose(
            answer[name], right, rtol=content["tolerance"]["relative"], atol=content["tolerance"]["absolute"]
        )


def test_requests_that_wait_are_computed_as_one_batch_and_each_gets_its_own_answer(server: Server) -> None:
    before = server.executions("sleep_identity")
    with ThreadPoolExecutor(max_workers=9) as clients:
        # While the first sleeps, eight more arrive: as many as a batch holds.
        first = clients.submit(server.sleep, 2000, -1.0)
        time.sleep(LET_IT_ARRIVE_SECONDS)
        others = [clients.submit(server.sleep, 10, float(number)) for number in range(8)]
        assert [other.result() for other in others] == [float(number) for number in range(8)]
        assert first.result() == -1.0
    assert server.executions("sleep_identity") - before < 9


def test_jets_get_the_same_answers_in_any_batch(server: Server) -> None:
    content = json.loads((GOLDEN_ANSWERS / "particlenet_AK4_PT_numpy.json").read_text())
    jets, right = tensors_of(content["request"]["inputs"]), content["expected"]["outputs"][0]
    expected = np.array(right["data"], np.float32).reshape(right["shape"])
    # Requests of one, two and three jets, at once and often, so that Triton joins and splits them as it likes.
    cuts = [slice(0, 1), slice(1, 3), slice(0, 3), slice(2, 3)] * 8
    with ThreadPoolExecutor(max_workers=len(cuts)) as clients:
        answers = clients.map(
            lambda cut: server.infer("particlenet_AK4_PT_numpy", {name: data[cut] for name, data in jets.items()}),
            cuts,
        )
        for cut, answer in zip(cuts, answers, strict=True):
            np.testing.assert_allclose(answer["softmax"], expected[cut], rtol=1e-4)


def test_a_sleep_out_of_range_is_refused_with_a_sentence(server: Server) -> None:
    with pytest.raises(triton.InferenceServerException) as refused:
        server.sleep(-5, 1.0)
    assert "SLEEP_MS is -5: it must be from 0 to 600000 milliseconds" in str(refused.value)
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_on_sigterm_finishes_what_runs_and_what_waits_and_refuses_what_comes(tmp_path: Path) -> None:
    """What the drain relies on: nothing accepted is lost. A server that is still in the balancer would refuse."""
    with (
        s3_server(tmp_path) as s3_port,
        ready_triton(s3_port, tmp_path) as server,
        ThreadPoolExecutor(max_workers=2) as clients,
    ):
        runs = clients.submit(server.sleep, 4000, 1.0)
        time.sleep(LET_IT_ARRIVE_SECONDS)
        waits = clients.submit(server.sleep, 10, 2.0)
        eventually(lambda: server.waiting("sleep_identity") == 1, "a request waits behind the one that runs")
        server.process.terminate()
        eventually(lambda: "Waiting for in-flight requests" in server.process.log.read_text(), "Triton stops")
        with pytest.raises(triton.InferenceServerException) as refused:
            server.sleep(10, 3.0)
        assert refused.value.status() == "StatusCode.UNAVAILABLE"
        assert (runs.result(), waits.result()) == (1.0, 2.0)
        assert server.process.wait(timeout=60) == 0


def control_of(*expected: str) -> list[str]:
    """What the pod's command line says of an experiment's models."""
    models = {"repository": {"kind": "image", "paths": ["/models"]}, "expected": [{"name": name} for name in expected]}
    experiment = stack_config(experiment={"models": models}).experiment
    found = arguments(
        experiment.server, experiment.models, repository_urls=(), exit_timeout_seconds=60, ip_family="IPv4"
    )
    return [
        word for word in found if word.startswith(("--model-control-mode=", "--load-model=", "--strict-readiness="))
    ]


def test_a_server_without_one_of_the_experiments_models_does_not_start(tmp_path: Path) -> None:
    with s3_server(tmp_path) as s3_port, _triton(s3_port, tmp_path / "triton.log", *control_of("absent")) as server:
        eventually(lambda: server.process.poll() is not None, "it ends")
        assert server.process.returncode != 0
        assert "failed to load all models" in server.process.log.read_text()


def test_it_is_ready_for_envoy_with_the_experiments_models_and_no_other(tmp_path: Path) -> None:
    control = control_of("sum_and_difference")
    with s3_server(tmp_path) as s3_port, ready_triton(s3_port, tmp_path, *control) as server:
        assert ask(channel(server.address), HEALTH) == SERVING
        index = server.client.get_model_repository_index().models
        assert [model.name for model in index if model.state == "READY"] == ["sum_and_difference"]
