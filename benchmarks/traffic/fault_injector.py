"""Faults and planned stops of one side's servers during a block."""

import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.loopback.lab import Lab
from benchmarks.loopback.load_client import Client
from benchmarks.loopback.sides import Side


@dataclass(kw_only=True)
class FaultInjector:
    """Stops, crashes or hangs the servers of one side while a client sends requests."""

    lab: Lab
    side: Side
    client: Client
    _running: list[threading.Thread] = field(default_factory=list)

    def at(self, offset_seconds: float) -> None:
        """Wait until so long after the first request."""
        self.client.sleep_until(offset_seconds)

    def later(self, delay_seconds: float, addresses: Sequence[str]) -> None:
        """Change the answer of DNS to these addresses after the delay."""
        self._start(threading.Timer(delay_seconds, self.lab.dns.set_addresses, [list(addresses)]))

    def stop_server(self, index: int) -> None:
        """Stop a server as the kubelet stops a deleted pod: the side's own preStop hook, then SIGTERM."""

        def stop() -> None:
            subprocess.run(self.side.triton_pre_stop, stderr=subprocess.DEVNULL, check=False)
            self.lab.fleet.terminate(index)

        self._start(threading.Thread(target=stop))

    def finish(self) -> None:
        """Wait for every stop and every change of DNS."""
        for thread in self._running:
            thread.join()

    def _start(self, thread: threading.Thread) -> None:
        thread.daemon = True  # a run that is given up does not wait for it
        self._running.append(thread)
        thread.start()
