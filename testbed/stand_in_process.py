"""A stand-in for Triton in a process of its own, which can be stopped like one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Self

import grpc

from testbed.polling import eventually
from testbed.stand_in import StandIn

DEADLY = b"deadly"
"""Body of a request that ends the process, as a bug in a model's code does."""


class StandInProcess:
    """A process of `StandIn` with a fixed delay, which `DEADLY` ends.

    `within` wraps its command line, as for a network namespace.
    """

    def __init__(
        self,
        address: str,
        port: int,
        *,
        delay_seconds: float = 0,
        within: Callable[..., list[str]] = lambda *words: list(words),
    ) -> None:
        self._command = within(sys.executable, "-m", __name__, address, str(port), str(delay_seconds))

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def running(self) -> bool:
        """False once it has ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL: connections are reset."""
        self._process.kill()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, and nothing answers."""
        pause(self._process.pid)

    def resume(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)


class _Mortal(StandIn):
    def answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        if request == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().answer(request, context)


def pause(pid: int) -> None:
    """Stop a process of ours; it has stopped when this returns."""
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None, "it has stopped")


def main() -> None:
    """Serve until killed."""
    address, port, delay_seconds = sys.argv[1:]
    with _Mortal(address, int(port)) as server:
        server.delay_seconds = float(delay_seconds)
        while True:
            time.sleep(60)


if __name__ == "__main__":
    main()
