"""The bench of every scenario: load clients, progress, and the folder of results."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks.loopback.load import Load
from benchmarks.loopback.load_client import Client
from benchmarks.loopback.paired import PairedPlan, read_turns
from benchmarks.loopback.samples import Sample
from benchmarks.results import Results
from benchmarks.statistics import percentile
from devcluster.progress import Progress
from testbed.child_process import Process

_DIRECT_SECONDS = 3
_DIRECT_GAP_SECONDS = 0.02
_TURNS_TIMEOUT_SECONDS = 600
_IDLE_SECONDS = 3.0
_BUSY_PERCENT_MAX = 40.0
"""Of all CPUs: what a cluster without traffic needs on two, and some more."""


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

    def busy(self) -> str:
        """Return the reason to reject the figures that follow; empty if the machine has no other work."""
        percent = psutil.cpu_percent(_IDLE_SECONDS)
        if percent <= _BUSY_PERCENT_MAX:
            return ""
        return f"the machine was {percent:.0f} % busy before, and above {_BUSY_PERCENT_MAX:g} % it has other work"

    def take_turns(self, plan: PairedPlan, name: str) -> dict[str, list[float]]:
        """Send a plan to its end, and return leg -> seconds of each turn."""
        path, output = self.scratch / f"{name}.plan.json", self.results.requests_file(name)
        path.write_text(json.dumps({**asdict(plan), "output": str(output)}))
        client = Process(
            [sys.executable, "-m", "benchmarks.loopback.paired", str(path)],
            log=self.scratch / f"{name}.log",
            core=self.cores.client,
        )
        try:
            client.await_success(f"the client of {name}", _TURNS_TIMEOUT_SECONDS)
        finally:
            client.kill()
        return read_turns(output)

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
