"""The bench of every scenario: load clients, progress, and the folder of results."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.loopback.load import Load
from benchmarks.loopback.load_client import Client
from benchmarks.loopback.samples import Sample
from benchmarks.results import Results
from benchmarks.statistics import percentile
from devcluster.progress import Progress

_DIRECT_SECONDS = 3
_DIRECT_GAP_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True)
class Cores:
    """CPUs of the client and of the servers; None: no pinning."""

    client: int | None = None
    servers: int | None = None
    """Envoys and Tritons."""

    @classmethod
    def of_this_machine(cls) -> "Cores":
        """Pin the client to the first CPU and the servers to the second; on one CPU, pin nothing."""
        usable = sorted(os.sched_getaffinity(0))
        return cls(client=usable[0], servers=usable[1]) if len(usable) > 1 else cls()


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Sends requests and keeps their samples."""

    scratch: Path
    """Folder of configurations and logs, removed after the run."""
    results: Results
    progress: Progress
    cores: Cores
    seed: int

    @contextmanager
    def client(self, load: Load, name: str) -> Iterator[Client]:
        """Start a load process, wait until it has connected, and end it on exit."""
        client = Client(
            load, samples_file=self.results.requests_file(name), scratch=self.scratch, core=self.cores.client
        )
        try:
            client.await_start()
            yield client
        finally:
            client.process.kill()

    def send(self, load: Load, name: str) -> list[Sample]:
        """Send a load to its end."""
        with self.client(load, name) as client:
            return client.samples()

    def alone_p50_ms(self, name: str, load: Load, target: str) -> float:
        """Return the median latency of a load's request at one server, without a proxy and without a queue.

        Figures are rejected if it moves between the first and the last block.
        """
        probe = Load(
            targets=(target,),
            rate_per_second=1 / (_DIRECT_GAP_SECONDS + 2 * load.sleep_ms / 1000),
            duration_seconds=_DIRECT_SECONDS,
            seed=self.seed,
            process="fixed",
            model=load.model,
            sleep_ms=load.sleep_ms,
            body_bytes=load.body_bytes,
            connections=1,
        )
        samples = self.send(probe, f"{name}-direct")
        return percentile([sample.latency_seconds * 1000 for sample in samples], 50)
