"""What every experiment is to the run that it belongs to."""

from typing import Protocol

from benchmarks.loopback.lab import Lab
from benchmarks.table import Row


class Scenario(Protocol):
    """One experiment."""

    @property
    def steps(self) -> int:
        """Steps of progress."""

    @property
    def seconds(self) -> float:
        """About how long it takes."""

    def run(self, lab: Lab) -> list[Row]:
        """Measure it."""
