"""B6: one request that takes as long as a client may have to wait."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace

from benchmarks.loopback.dns_stub import DnsStub, Zone
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.load import Load
from benchmarks.loopback.sides import SERVICE_NAME, Side, ours, supersonic
from benchmarks.loopback.triton import Work, address
from benchmarks.table import Row
from benchmarks.traffic.outcome import KEY, Outcome

_MARGIN_SECONDS = 15


@dataclass(frozen=True, kw_only=True)
class LongWait:
    """The request, on both sides at the same time, for neither has anything to do meanwhile."""

    wait_seconds: float

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return 1

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.wait_seconds + _MARGIN_SECONDS

    def run(self, lab: Lab) -> list[Row]:
        """Measure it, each side with a server and a DNS stub of its own."""
        title = f"a wait of {self.wait_seconds:g} s"
        with lab.progress.step(title), ExitStack() as stack:
            lab.serve({1: Work(), 2: Work()})
            pool = stack.enter_context(ThreadPoolExecutor(max_workers=2))
            attempts = []
            for index, side in enumerate((supersonic(), ours()), start=1):
                dns = stack.enter_context(DnsStub(Zone(name=SERVICE_NAME, addresses=(address(index),))))
                attempts.append(pool.submit(self._attempt, replace(lab, dns=dns), side))
            theirs, own = (attempt.result() for attempt in attempts)
        return [
            Row(
                benchmark=KEY,
                measure=title,
                theirs=str(theirs),
                ours=str(own),
                aim="0 failed",
                reached=own.failed == 0,
            )
        ]

    def _attempt(self, lab: Lab, side: Side) -> Outcome:
        with lab.envoy(side, 1) as envoy:
            load = Load(
                targets=(envoy.target,),
                rate_per_second=1,
                duration_seconds=1,
                process="fixed",
                seed=lab.seed,
                sleep_ms=self.wait_seconds * 1000,
                deadline_seconds=self.wait_seconds + _MARGIN_SECONDS,
                connections=1,
            )
            samples = lab.send(load, f"wait-{self.wait_seconds:g}s-{side.slug}")
            return Outcome(samples=samples, peak_memory_mib=envoy.process.usage().peak_memory_mib)
