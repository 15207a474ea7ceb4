"""Blocks of both sides in which something happens to their pods."""

import time
from dataclasses import dataclass
from statistics import median

from benchmarks.cluster.cluster_lab import ClusterLab
from benchmarks.cluster.deployed_sides import Side
from benchmarks.cluster.pod_events import LEAD_SECONDS, Event, plan
from benchmarks.loopback.load import Load
from benchmarks.result_table import Row
from benchmarks.statistics import significant
from benchmarks.traffic import blocks, rows

KEY = "B1 pods"

_DEADLINE_SECONDS = 10.0
_BETWEEN_SECONDS = 8.0
"""For servers to be there again, and for the client to connect."""
_DIRECT_SECONDS = 8.0


@dataclass(frozen=True, kw_only=True)
class PodEvent:
    """One event, in blocks of both sides."""

    event: Event
    pairs: int

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return blocks.steps(self.pairs)

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.pairs * 2 * (self.event.duration_seconds + _BETWEEN_SECONDS) + (self.pairs + 1) * _DIRECT_SECONDS

    def run(self, lab: ClusterLab) -> list[Row]:
        """Measure it."""
        over_seconds: dict[Side, list[float]] = {lab.theirs: [], lab.ours: []}
        comparison = blocks.compare(
            lab,
            self.event.name,
            (lab.theirs, lab.ours),
            self.pairs,
            deadline_seconds=_DEADLINE_SECONDS,
            direct_p50_ms=lambda name: lab.direct_p50_ms(name, load("", self.event, lab.seed)),
            run=lambda side, name, seed: self._block(lab, side, name, seed, over_seconds[side]),
        )
        stops = rows.Stops(title=self.event.title, count=self.event.stops, rate_per_second=self.event.rate_per_second)
        over = Row(
            benchmark=KEY,
            measure=f"{self.event.title}: over after, s",
            theirs=significant(median(over_seconds[lab.theirs])),
            ours=significant(median(over_seconds[lab.ours])),
            rejected=comparison.rejected,
        )
        return [rows.lost(KEY, stops, comparison), rows.latency(KEY, stops, comparison), over]

    def _block(self, lab: ClusterLab, side: Side, name: str, seed: int, over_seconds: list[float]) -> blocks.Measured:
        lab.rest()
        with lab.client(load(side.target, self.event, seed), name) as client:
            client.sleep_until(LEAD_SECONDS)
            began = time.monotonic()
            self.event.happen(lab.releases[side])
            ends = client.start_monotonic_seconds + self.event.duration_seconds
            # An event that outlasts the requests would be seen in part only.
            lab.await_rest(side, self.event.servers_after, ends - time.monotonic())
            over_seconds.append(time.monotonic() - began)
            lab.progress.waiting(f"the requests of {self.event.duration_seconds:.0f} s to end")
            samples = client.samples()
        return blocks.Measured(samples=samples)


def load(target: str, event: Event, seed: int) -> Load:
    """The requests that see an event."""
    return Load(
        targets=(target,),
        rate_per_second=event.rate_per_second,
        duration_seconds=event.duration_seconds,
        seed=seed,
        sleep_ms=event.sleep_ms,
        deadline_seconds=_DEADLINE_SECONDS,
    )


def scenarios(quick: bool) -> list[PodEvent]:
    """The plan's events."""
    return [PodEvent(event=planned.event, pairs=planned.pairs) for planned in plan(quick)]
