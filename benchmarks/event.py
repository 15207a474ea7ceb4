"""Faults and rollouts that both sides meet in the same block."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from benchmarks.loopback.load import Load

Target = TypeVar("Target")


@dataclass(frozen=True, kw_only=True)
class Event(Generic[Target]):
    """A fault or a rollout, the same for both sides, and the requests that are sent meanwhile."""

    name: str
    """As files are named."""
    title: str
    """As the table shows it."""
    stops: int = 1
    """Servers that stop; 1 for a rollout of Envoys, because the two sides have different numbers of them."""
    rate_per_second: float
    sleep_ms: float = 20.0
    """Time that the model takes for each request."""
    deadline_seconds: float
    """Of each request."""
    duration_seconds: float
    """Traffic in all: longer than the event, on both sides."""
    happen: Callable[[Target], None]
    """Makes it happen, once requests run."""

    def load(self, target: str, seed: int) -> Load:
        """Return the requests of one block to `host:port`."""
        return Load(
            targets=(target,),
            rate_per_second=self.rate_per_second,
            duration_seconds=self.duration_seconds,
            seed=seed,
            sleep_ms=self.sleep_ms,
            deadline_seconds=self.deadline_seconds,
        )
