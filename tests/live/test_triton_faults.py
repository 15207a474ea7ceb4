"""The real Triton before real clients, both behind the real Envoy, on loopback: models that cannot be had, no room."""

import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest

from acceptance.client import TritonClient
from acceptance.kserve import CallError, Tensor
from components.triton import liveness
from components.triton.liveness import LOOKS
from devcluster.paths import MODELS
from testbed.child_process import Process
from testbed.loopback import free_port
from testbed.polling import eventually
from testbed.real_envoy import RealEnvoy
from testbed.real_triton import MODELS_FOLDER, copy_models, start_triton
from tests.loopback.conftest import Envoys
from tests.support.chaos import Fault

pytestmark = pytest.mark.live

A, B = "127.0.1.1", "127.0.1.2"
SCRATCH_MIB = 8
Start = Callable[[str, Path], Process]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return copy_models(tmp_path / "models", MODELS / "sleep_identity")


@pytest.fixture
def triton(started: ExitStack, server_port: int, tmp_path: Path) -> Start:
    """Starts a Triton on an address with models from a folder."""

    def start(address: str, models: Path) -> Process:
        flags = [
            f"--model-repository={MODELS_FOLDER}",
            "--model-control-mode=explicit",
            "--load-model=sleep_identity",
            "--disable-auto-complete-config",
            f"--grpc-address={address}",
            f"--grpc-port={server_port}",
            "--grpc-http2-max-ping-strikes=0",
            "--allow-http=false",
            f"--metrics-address={address}",
            f"--metrics-port={free_port()}",
        ]
        log = tmp_path / f"triton-{address}.log"
        return started.enter_context(start_triton(flags, log=log, models=models, scratch_mib=SCRATCH_MIB))

    return start


@pytest.fixture
def client(envoy: Envoys, triton: Start, models: Path) -> Iterator[TritonClient]:
    """A client of an Envoy before two servers, the second of which does not run."""
    triton(A, models)
    proxy: RealEnvoy = envoy((A, B))
    eventually(lambda: proxy.healthy_servers() == {A}, "the first server is ready")
    with TritonClient(proxy.target, tls=False) as client:
        yield client


def sleep(client: TritonClient, sleep_ms: float) -> str:
    """`OK`, or why the call failed."""
    inputs = [
        Tensor(name="SLEEP_MS", datatype="FP32", values=np.full((1, 1), sleep_ms, np.float32)),
        Tensor(name="DATA", datatype="FP32", values=np.ones((1, 3), np.float32)),
    ]
    try:
        client.infer("sleep_identity", "", inputs)
    except CallError as error:
        return str(error)
    return "OK"


def remove(models: Path) -> None:
    shutil.rmtree(models / "sleep_identity")


def cut_short(models: Path) -> None:
    config = models / "sleep_identity" / "config.pbtxt"
    config.write_text(config.read_text()[:100])


def forbid(models: Path) -> None:
    (models / "sleep_identity" / "1").chmod(0o000)


def break_model(models: Path) -> None:
    (models / "sleep_identity" / "1" / "model.py").write_text("raise RuntimeError('made for another version')\n")


@pytest.mark.chaos(Fault.MODEL_REPOSITORY)
@pytest.mark.parametrize("fault", [remove, cut_short, forbid, break_model])
def test_a_server_without_its_models_never_counts_and_the_old_one_serves(
    client: TritonClient, triton: Start, tmp_path: Path, fault: Callable[[Path], None]
) -> None:
    broken = copy_models(tmp_path / "broken", MODELS / "sleep_identity")
    fault(broken)
    new = triton(B, broken)
    while new.running:
        assert sleep(client, 1) == "OK"
    assert new.returncode != 0, "so the kubelet starts it again, and the rollout waits"
    assert "sleep_identity" in new.log.read_text()
    assert {sleep(client, 1) for _ in range(10)} == {"OK"}


@pytest.mark.chaos(Fault.TRITON_REFUSES)
def test_what_finds_a_full_queue_is_refused_with_tritons_own_word(models: Path, envoy: Envoys, triton: Start) -> None:
    """One runs, two wait, the others are UNAVAILABLE. Envoy goes on calling the server."""
    config = models / "sleep_identity" / "config.pbtxt"
    text = config.read_text().replace("max_batch_size: 8", "max_batch_size: 1")
    queue = "dynamic_batching { default_queue_policy { max_queue_size: 2 } }"
    config.write_text(text.replace("dynamic_batching { }", queue))
    triton(A, models)
    proxy: RealEnvoy = envoy((A,))
    eventually(lambda: proxy.healthy_servers() == {A}, "ready")
    with TritonClient(proxy.target, tls=False) as client, ThreadPoolExecutor(max_workers=12) as jobs:
        told = Counter(jobs.map(lambda _: sleep(client, 4000), range(12)))
        assert told == {"OK": 3, "UNAVAILABLE: [request id: <id_unknown>] Exceeds maximum queue size": 9}
        assert sleep(client, 1) == "OK"


@pytest.mark.chaos(Fault.MODEL_STOPS)
def test_a_server_whose_backend_process_was_killed_stops_and_one_with_bad_input_does_not(
    models: Path, envoy: Envoys, started: ExitStack, server_port: int, tmp_path: Path
) -> None:
    http = free_port()
    flags = [
        f"--model-repository={MODELS_FOLDER}",
        "--disable-auto-complete-config",
        f"--grpc-address={A}",
        f"--grpc-port={server_port}",
        "--grpc-http2-max-ping-strikes=0",
        "--http-address=127.0.0.1",
        f"--http-port={http}",
        "--allow-metrics=false",
        "--exit-timeout-secs=3",
    ]
    triton = started.enter_context(start_triton(flags, log=tmp_path / "triton.log", models=models))
    urls, state = [f"http://127.0.0.1:{http}"], tmp_path / "state.json"
    proxy: RealEnvoy = envoy((A,))
    eventually(lambda: proxy.healthy_servers() == {A}, "ready")
    with TritonClient(proxy.target, tls=False) as client:

        def looks(sleep_ms: float, right: str) -> list[int]:
            found = []
            for _ in range(LOOKS):
                assert sleep(client, sleep_ms).startswith(right)
                found.append(liveness.main(tmp_path, urls, liveness.PROCESSES, state, triton.pid))
            return found

        assert looks(1, "OK") == [0] * LOOKS
        assert looks(-1, "INVALID_ARGUMENT") == [0] * LOOKS, "the model refuses a time below zero"
        (stub,) = stubs_of(triton.pid)
        os.kill(stub, signal.SIGKILL)
        assert looks(1, "INTERNAL: Stub process") == [0] * (LOOKS - 1) + [1]
    eventually(lambda: not triton.running, "it has stopped, for the kubelet to start it again")
    # Triton cannot unload a model whose process is gone, and waits for it as long as it may.
    assert "Exit timeout expired" in triton.log.read_text()


def stubs_of(pid: int) -> list[int]:
    """Return the processes of the Python backend of a Triton."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    children = [child for thread in threads for child in thread.read_text().split()]
    return [int(child) for child in children if b"python_backend_stub" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.chaos(Fault.DISK_FULL)
def test_a_triton_without_room_in_its_scratch_serves(models: Path, envoy: Envoys, triton: Start) -> None:
    server = triton(A, models)
    proxy: RealEnvoy = envoy((A,))
    eventually(lambda: proxy.healthy_servers() == {A}, "ready")
    scratch = Path(f"/proc/{server.pid}/root/tmp/filling")
    with suppress(OSError), scratch.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with TritonClient(proxy.target, tls=False) as client:
        assert {sleep(client, 1) for _ in range(20)} == {"OK"}
    assert proxy.healthy_servers() == {A}
