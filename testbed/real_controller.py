"""The real admission controller under its real supervisor, beside an Envoy on loopback."""

import sys
from pathlib import Path
from typing import Self

import psutil

from components.envoy import AdmissionArgs
from components.envoy.admission import command, files
from testbed.child_process import Process
from testbed.loopback import free_port, http
from testbed.real_envoy import RealEnvoy


class Controller:
    """The files and the command line of the pod, as processes of this machine.

    Args:
        args: as the pod's container gets them.
        envoy: the Envoy that it sets keys of.
        directory: gets the files and the log.
        envoys: number of Envoys that share the servers.
        memory_max: requests in progress that the memory of one Envoy holds.
        core: the one CPU that it may use; None: all.
    """

    def __init__(
        self,
        args: AdmissionArgs,
        envoy: RealEnvoy,
        directory: Path,
        *,
        envoys: int = 1,
        memory_max: int = 10_000,
        core: int | None = None,
    ) -> None:
        self.probe_port = free_port()
        self.log = directory / f"admission-{self.probe_port}.log"
        self._core = core
        folder = directory / f"admission-{self.probe_port}"
        made = files(args, envoys=envoys, memory_max=memory_max, admin_port=envoy.admin_port)
        for name, content in made.items():
            (folder / name).parent.mkdir(exist_ok=True, parents=True)
            (folder / name).write_text(content)
        self._command = command(
            args, folder=str(folder), admin_port=envoy.admin_port, probe_port=self.probe_port, python=sys.executable
        )

    def __enter__(self) -> Self:
        self.process = Process(self._command, log=self.log, core=self._core)
        self.process.await_that(lambda: self.program() is not None, "the supervisor to start the controller")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.end(patience_seconds=30)

    def program(self) -> int | None:
        """Return the process id of the supervisor's child."""
        return next((child.pid for child in psutil.Process(self.process.pid).children()), None)

    def ready(self) -> bool:
        """Ask as the kubelet's readiness probe does."""
        return http(self.probe_port, "/ready")[0] == 200

    def memory_kib(self) -> int:
        """Return the anonymous memory of both processes; the kernel can take back what they map from files."""
        processes = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children()]
        memory = [process.memory_info() for process in processes]
        return sum(used.rss - used.shared for used in memory) // 1024
