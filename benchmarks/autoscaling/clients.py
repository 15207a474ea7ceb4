"""Clients that send requests: at a rate that nothing slows, or as jobs that wait for each answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.autoscaling.server import ServerKind

Load = Callable[[float], float]
"""Time in seconds -> servers that the requests would keep busy if none waited."""


class Clients(Protocol):
    """Senders of requests."""

    def mean(self, now: float, seconds: float) -> float:
        """Return the mean number of requests that they send in the time that follows."""

    def send(self, requests: float) -> float:
        """Send so many, or as many as they can, and return the number."""

    def receive(self, requests: float) -> None:
        """Take answers."""


class OpenLoop:
    """Requests at a rate of their own, however long the answers take."""

    def __init__(self, load: Load, kind: ServerKind) -> None:
        self._load, self._kind = load, kind

    def mean(self, now: float, seconds: float) -> float:
        """Return the load's requests."""
        return self._load(now) * self._kind.requests_per_second * seconds

    def send(self, requests: float) -> float:
        """Send all."""
        return requests

    def receive(self, requests: float) -> None:
        """Take answers, which change nothing."""


@dataclass(frozen=True, kw_only=True)
class Wave:
    """Jobs that a batch system starts together."""

    start_seconds: float
    jobs: int


@dataclass(frozen=True, kw_only=True)
class JobKind:
    """A job: one request after the other, with its own work in between."""

    load: float
    """Part of one server's time that a job takes while nothing waits."""
    seconds: float
    """Duration of a job while nothing waits."""
    ramp_seconds: float = 10.0
    """From the first start of a wave to the last."""

    def started(self, wave: Wave, now: float) -> float:
        """Return the jobs of a wave that have started."""
        return wave.jobs * min(1.0, max(0.0, (now - wave.start_seconds) / self.ramp_seconds))

    def offered(self, waves: Sequence[Wave], now: float) -> float:
        """Return the load of these waves if none of their requests waited."""
        running = sum(self.started(wave, now) - self.started(wave, now - self.seconds) for wave in waves)
        return running * self.load


class Jobs:
    """Jobs in waves. Each has a fixed number of requests, so jobs that wait end later."""

    def __init__(self, waves: Sequence[Wave], job: JobKind, kind: ServerKind) -> None:
        self._waves, self._job = waves, job
        cycle_seconds = kind.service_seconds / kind.instances / job.load
        self._think_seconds = cycle_seconds - kind.service_seconds
        self._left = [wave.jobs * job.seconds / cycle_seconds for wave in waves]
        self._in_progress = [0.0 for _ in waves]
        self._ready = [0.0 for _ in waves]

    def mean(self, now: float, seconds: float) -> float:
        """Return the requests of the jobs that wait for none: one for each time of their own work."""
        for number, wave in enumerate(self._waves):
            thinking = max(0.0, self._job.started(wave, now) - self._in_progress[number])
            self._ready[number] = min(thinking, self._left[number])
        return sum(self._ready) * seconds / self._think_seconds

    def send(self, requests: float) -> float:
        """Send at most one for each job that waits for none."""
        ready = sum(self._ready)
        if ready <= 0:
            return 0.0
        part = min(1.0, requests / ready)
        for number, jobs in enumerate(self._ready):
            self._in_progress[number] += jobs * part
            self._left[number] -= jobs * part
        return ready * part

    def receive(self, requests: float) -> None:
        """Take answers, for each wave in proportion to its requests in progress."""
        total = sum(self._in_progress)
        part = min(1.0, requests / total) if total > 0 else 0.0
        self._in_progress = [amount * (1 - part) for amount in self._in_progress]
