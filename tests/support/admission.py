"""The real controller under its real supervisor, beside an Envoy on loopback."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from components.envoy.admission import AdmissionArgs, command, files
from stacks.schema.experiment import Admission
from tests.support.real_envoy import RealEnvoy, eventually, free_port, http


def admission(prometheus_url: str = "http://127.0.0.1:1", **declared: float) -> AdmissionArgs:
    """What is let in, as declared."""
    return AdmissionArgs(
        declared=Admission.model_validate(declared),
        servers_max=4,
        query="wait",
        prometheus_url=prometheus_url,
        prometheus_peers=[],
        image="unused",
    )


class Controller:
    """Runs the files that the pod would run, with the command line that it would have."""

    def __init__(self, args: AdmissionArgs, envoy: RealEnvoy, directory: Path, *, envoys: int = 1) -> None:
        self.probe_port = free_port()
        self.log = directory / f"admission-{self.probe_port}.log"
        self._folder = directory / f"admission-{self.probe_port}"
        self._folder.mkdir()
        made = files(args, envoys=envoys, memory_max=10_000, admin_port=envoy.admin_port)
        for name, content in made.items():
            (self._folder / name).write_text(content)
        self._command = command(
            args,
            folder=str(self._folder),
            admin_port=envoy.admin_port,
            probe_port=self.probe_port,
            python=sys.executable,
        )

    def __enter__(self) -> Self:
        with self.log.open("w") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        eventually(lambda: self.program() is not None, "the controller runs")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            for pid in filter(None, (self.process.pid, self.program())):
                os.kill(pid, signal.SIGCONT)
            self.process.terminate()
        self.process.wait(timeout=30)

    def program(self) -> int | None:
        """Process id of what the supervisor runs."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def ready(self) -> bool:
        """Whether the kubelet would find it ready."""
        return http(self.probe_port, "/ready")[0] == 200

    def memory_kib(self) -> int:
        """Memory of both processes that cannot be had back from them: what they map from files can."""
        return sum(_memory_kib(pid) for pid in filter(None, (self.process.pid, self.program())))


def _memory_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("RssAnon")).split()[1])
