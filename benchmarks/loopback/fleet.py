"""Real Triton servers on 127.0.1.1, 127.0.1.2, …: one port on many addresses, as pods have it."""

import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.peer.shutdown import TRITON_EXIT_TIMEOUT_SECONDS
from devcluster.paths import MODELS
from testbed.loopback import http
from testbed.real_triton import MODELS_FOLDER, copy_models, start_triton

GRPC_PORT = 18001
_HTTP_PORT, _METRICS_PORT = 18000, 18002
_START_TIMEOUT_SECONDS = 90

SLEEP_IDENTITY = "sleep_identity"
"""The dev repository's model: the request sets its time; up to eight in a batch."""
PACED = "paced"
"""The benchmarks' own: one request at a time, with a time set at the start of the server."""
_MODELS = (MODELS / SLEEP_IDENTITY, Path(__file__).with_name("models") / PACED)


@dataclass(frozen=True, kw_only=True)
class Work:
    """Model of a server, and its speed."""

    model: str = SLEEP_IDENTITY
    """Name of its one model."""
    pace_ms: float = 0
    """For `paced`: how long it takes for each request."""


def address(index: int) -> str:
    """Loopback address of a server, counted from 1."""
    return f"127.0.1.{index}"


def assemble_repository(directory: Path) -> Path:
    """Copy the models to where any user may read them."""
    return copy_models(directory, *_MODELS)


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Files and CPU of the Triton servers."""

    root: Path
    """Root file system of the image."""
    repository: Path
    """Folder with the models."""
    logs: Path
    core: int | None
    """CPU that the servers share."""


class Replica:
    """One server, from its start to its end. Starting takes 3 to 5 s; `await_ready` waits for it."""

    def __init__(self, installation: Installation, index: int, work: Work) -> None:
        self.address = address(index)
        self.work = work
        self.process = start_triton(
            _arguments(self.address, work.model),
            log=installation.logs / f"triton-{index}.log",
            models=installation.repository,
            root=installation.root,
            environment={"OPENBLAS_NUM_THREADS": "1", "PACE_MS": str(work.pace_ms)},
            shared_memory_mib=512,
            core=installation.core,
        )

    @property
    def target(self) -> str:
        """`host:port` for calls without a proxy."""
        return f"{self.address}:{GRPC_PORT}"

    def await_ready(self) -> None:
        """Wait until its model can be called.

        Raises:
            ProcessError: it ended, or is not ready in time.
        """
        self.process.await_that(self._ready, f"Triton on {self.address} to be ready", _START_TIMEOUT_SECONDS)

    def _ready(self) -> bool:
        try:
            return http(_HTTP_PORT, "/v2/health/ready", address=self.address)[0] == 200
        except OSError:
            return False


class Fleet:
    """The servers of a run. Those that still do the right work are kept from block to block.

    Use `close` in the end: it ends every one of them.
    """

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self._replicas: dict[int, Replica] = {}

    def __getitem__(self, index: int) -> Replica:
        return self._replicas[index]

    def ensure(self, works: dict[int, Work]) -> None:
        """Start the missing servers, by index, end all others, and wait until these are ready.

        Raises:
            ProcessError: one does not start.
        """
        for index in list(self._replicas):
            replica = self._replicas[index]
            if works.get(index) != replica.work or not replica.process.running:
                replica.process.end()
                del self._replicas[index]
        for index, work in works.items():
            if index not in self._replicas:
                self._replicas[index] = Replica(self.installation, index, work)
        for replica in self._replicas.values():
            replica.await_ready()

    def ended(self) -> list[int]:
        """Return the servers whose process has ended."""
        return [index for index, replica in self._replicas.items() if not replica.process.running]

    def crash(self, index: int) -> None:
        """`kill -9`."""
        self._replicas[index].process.kill()

    def hang(self, index: int) -> None:
        """SIGSTOP: connections stay open, and nothing answers."""
        self._replicas[index].process.send_signal(signal.SIGSTOP)

    def resume(self, index: int) -> None:
        """SIGCONT."""
        self._replicas[index].process.send_signal(signal.SIGCONT)

    def terminate(self, index: int) -> None:
        """SIGTERM, as the kubelet sends it after the preStop hook; does not wait."""
        self._replicas[index].process.send_signal(signal.SIGTERM)

    def addresses(self, indices: Iterable[int]) -> list[str]:
        """Addresses of these servers."""
        return [self._replicas[index].address for index in indices]

    def close(self) -> None:
        """End all servers."""
        for replica in self._replicas.values():
            replica.process.kill()
        self._replicas.clear()


def require_free(index: int) -> None:
    """Raise an error if another process uses the address of a server.

    Raises:
        BenchmarkError: the address is taken.
    """
    try:
        http(_HTTP_PORT, "/v2/health/live", address=address(index))
    except OSError:
        return
    msg = f"something answers on {address(index)}:{_HTTP_PORT}, where the benchmarks start their servers: end it first"
    raise BenchmarkError(msg)


def _arguments(host: str, model: str) -> list[str]:
    return [
        f"--model-repository={MODELS_FOLDER}",
        "--model-control-mode=explicit",
        f"--load-model={model}",
        f"--grpc-address={host}",
        f"--grpc-port={GRPC_PORT}",
        f"--http-address={host}",
        f"--http-port={_HTTP_PORT}",
        f"--metrics-address={host}",
        f"--metrics-port={_METRICS_PORT}",
        f"--exit-timeout-secs={TRITON_EXIT_TIMEOUT_SECONDS}",
        # As in our pod, because our Envoy sends pings; SuperSONIC's sends none, so the flag does not affect it.
        "--grpc-http2-max-ping-strikes=0",
    ]
