"""Outcome of the requests of one edge."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.loopback.samples import Sample, causes, failed, in_flight_max

KEY = "B6"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The requests of one side, and the memory of its Envoy."""

    samples: Sequence[Sample]
    peak_memory_mib: float
    ended_by_itself: Sequence[str] = ()
    """Addresses of servers that crashed by themselves, so that the proxy is not to blame for lost requests."""

    @property
    def failed(self) -> int:
        """Requests that got no answer."""
        return failed(self.samples)

    def __str__(self) -> str:
        why = ", ".join(status for status in causes(self.samples))
        return f"{self.failed:,} of {len(self.samples):,} failed" + (f" ({why})" if why else "")

    @property
    def size(self) -> str:
        """Most requests in progress at one time, and Envoy's memory."""
        return f"{in_flight_max(self.samples):,} at once in {self.peak_memory_mib:.0f} MiB"
