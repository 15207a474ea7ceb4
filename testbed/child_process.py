"""Processes of tests and benchmarks: one log each, pinned to a CPU if wanted, ended with all of their children."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from devcluster.errors import DevClusterError
from devcluster.wait import wait_until

_LAST_LINES = 3


class ProcessError(DevClusterError):
    """A process ended too early, or is not ready in time."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """CPU and memory of a process since its start."""

    cpu_seconds: float
    """User and system time of all its threads. Its resolution is one clock tick, 10 ms on Linux."""
    peak_memory_mib: float
    """Largest resident set so far."""


class Process(subprocess.Popen[bytes]):
    """A running program in a process group of its own; use as a context manager, or call `end`.

    Args:
        command: program and arguments.
        log: file that gets its output.
        core: the one CPU that it may use; None: all.
        environment: its environment; None: ours.
        descriptors: open files that it inherits, under the same numbers.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        core: int | None = None,
        environment: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        self.log = log
        pinned = command if core is None else ["taskset", "--cpu-list", str(core), *command]
        with log.open("ab") as output:
            super().__init__(
                pinned,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                pass_fds=descriptors,
            )

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def running(self) -> bool:
        """False once it has ended."""
        return self.poll() is None

    def end(self, patience_seconds: float = 10) -> None:
        """Continue it if it was stopped, send SIGTERM, and SIGKILL to the rest of its group after the patience."""
        if self.running:
            self._signal_group(signal.SIGCONT)
            self.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.wait(patience_seconds)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to its whole group, children that outlived it included."""
        self._signal_group(signal.SIGKILL)
        self.wait()

    def usage(self) -> Usage:
        """Return CPU and memory so far.

        Raises:
            ProcessError: it has ended.
        """
        try:
            cpu = psutil.Process(self.pid).cpu_times()
            status = Path(f"/proc/{self.pid}/status").read_text()  # psutil does not know the peak on Linux
        except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
            msg = f"process {self.pid} ended before it was measured: {self.last_lines()}"
            raise ProcessError(msg) from None
        peak_kib = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)
        return Usage(cpu_seconds=cpu.user + cpu.system, peak_memory_mib=peak_kib / 1024)

    def await_success(self, what: str, timeout_seconds: float) -> None:
        """Wait until it has ended with status 0.

        Raises:
            ProcessError: it failed, or the time is over.
        """
        try:
            status = self.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            msg = f"waited {timeout_seconds:g} s for the end of {what}: {self.last_lines()}"
            raise ProcessError(msg) from None
        if status != 0:
            msg = f"{what} failed with {status}: {self.last_lines()}"
            raise ProcessError(msg)

    def await_that(self, condition: Callable[[], bool], what: str, timeout_seconds: float = 60) -> None:
        """Poll until the condition holds.

        Args:
            condition: called until it returns true.
            what: completes "waited for …", such as `Envoy to be ready`.
            timeout_seconds: time limit.

        Raises:
            ProcessError: the process ended, or the time is over.
        """
        try:
            wait_until(
                lambda: condition() or not self.running, what, timeout_seconds=timeout_seconds, interval_seconds=0.05
            )
        except DevClusterError as error:
            msg = f"{error}: {self.last_lines()}"
            raise ProcessError(msg) from None
        if not self.running and not condition():
            msg = f"waited for {what}, but the process ended with {self.returncode}: {self.last_lines()}"
            raise ProcessError(msg)

    def last_lines(self) -> str:
        """Return the end of its log."""
        return " / ".join(self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]) or "its log is empty"

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)
