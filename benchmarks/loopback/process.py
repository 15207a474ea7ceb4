"""Processes that the benchmarks start: pinned to a core, watched in /proc, and ended by their own process group."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LAST_LINES = 3
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class BenchmarkError(Exception):
    """A benchmark cannot go on; the text is one sentence for the person at the terminal."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a process has used since its start."""

    cpu_seconds: float
    """User and system time of all its threads. Its resolution is one clock tick, 10 ms on Linux."""
    peak_memory_mib: float
    """Largest resident set so far."""


class Process:
    """A running program in a process group of its own.

    Args:
        command: program and arguments.
        log: file that gets its output.
        core: the one CPU that it may use; None: all.
        environment: its environment; None: ours.
    """

    def __init__(
        self, command: Sequence[str], *, log: Path, core: int | None, environment: Mapping[str, str] | None = None
    ) -> None:
        pinned = command if core is None else ["taskset", "--cpu-list", str(core), *command]
        self._log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                pinned,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id, which is that of its group, too."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._child.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program itself, if it still runs."""
        if self.running:
            self._child.send_signal(number)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for its end; False if it still runs after the time."""
        try:
            self._child.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self, patience_seconds: float = 5) -> None:
        """SIGTERM, then SIGKILL to what is left of its group."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        self.wait(patience_seconds)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to its whole group, children that outlived it included."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()

    def usage(self) -> Usage:
        """CPU and memory so far.

        Raises:
            BenchmarkError: it has ended.
        """
        try:
            # The name of the program, in parentheses, may hold anything: fields are counted after it.
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{self.pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            msg = f"process {self.pid} ended before its time: {self.last_words()}"
            raise BenchmarkError(msg) from None
        ticks = int(fields[11]) + int(fields[12])
        peak_kib = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)
        return Usage(cpu_seconds=ticks / _TICKS_PER_SECOND, peak_memory_mib=peak_kib / 1024)

    def await_success(self, what: str, timeout_seconds: float) -> None:
        """Wait until it has ended with status 0.

        Raises:
            BenchmarkError: it failed, or the time is over.
        """
        if not self.wait(timeout_seconds):
            msg = f"awaited for {timeout_seconds:g} s the end of {what}: {self.last_words()}"
            raise BenchmarkError(msg)
        if self._child.returncode != 0:
            msg = f"{what} failed with {self._child.returncode}: {self.last_words()}"
            raise BenchmarkError(msg)

    def last_words(self) -> str:
        """The end of its log."""
        return " / ".join(self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:]) or "it said nothing"

    def await_that(self, condition: Callable[[], bool], what: str, timeout_seconds: float) -> None:
        """Poll until the condition holds.

        Raises:
            BenchmarkError: the process ended, or the time is over.
        """
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            if not self.running:
                msg = f"awaited that {what}, but the process ended with {self._child.returncode}: {self.last_words()}"
                raise BenchmarkError(msg)
            if time.monotonic() > deadline:
                msg = f"awaited for {timeout_seconds:g} s that {what}: {self.last_words()}"
                raise BenchmarkError(msg)
            time.sleep(0.05)
