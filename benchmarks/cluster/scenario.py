"""B1 with pods: blocks of both sides with a fault or a rollout of their pods."""

import time
from dataclasses import dataclass
from statistics import median

from benchmarks.cluster import pod_events
from benchmarks.cluster.cluster_lab import ClusterLab
from benchmarks.cluster.deployed_sides import Side
from benchmarks.result_table import Row
from benchmarks.statistics import significant
from benchmarks.traffic import blocks, rows

KEY = "B1 pods"

_BETWEEN_SECONDS = 8.0
"""Time for servers to become ready again, and for the client to connect."""
_DIRECT_SECONDS = 8.0


@dataclass(frozen=True, kw_only=True)
class PodDisturbance(blocks.PairedScenario):
    """One event, in blocks of both sides."""

    event: pod_events.PodEvent

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
            deadline_seconds=self.event.deadline_seconds,
            direct_p50_ms=lambda name: lab.direct_p50_ms(name, self.event.load("", lab.seed)),
            run=lambda side, name, seed: self._block(lab, side, name, seed, over_seconds[side]),
        )
        over = Row(
            benchmark=KEY,
            measure=f"{self.event.title}: over after, s",
            theirs=significant(median(over_seconds[lab.theirs])),
            ours=significant(median(over_seconds[lab.ours])),
            rejected=comparison.rejected,
        )
        return [rows.lost(KEY, self.event, comparison), rows.latency(KEY, self.event, comparison), over]

    def _block(self, lab: ClusterLab, side: Side, name: str, seed: int, over_seconds: list[float]) -> blocks.Measured:
        lab.rest()
        with lab.client(self.event.load(side.target, seed), name) as client:
            client.sleep_until(pod_events.LEAD_SECONDS)
            began = time.monotonic()
            self.event.happen(lab.releases[side])
            ends = client.start_monotonic_seconds + self.event.duration_seconds
            # An event that is longer than the requests would be measured only in part.
            lab.await_rest(side, self.event.servers_after, ends - time.monotonic())
            over_seconds.append(time.monotonic() - began)
            lab.progress.waiting(f"the requests of {self.event.duration_seconds:.0f} s to end")
            samples = client.samples()
        return blocks.Measured(samples=samples)


def scenarios(quick: bool) -> list[PodDisturbance]:
    """Return the events in the order in which they happen; quick, one pair of the shortest."""
    if quick:
        return [PodDisturbance(event=pod_events.crash(), pairs=1)]
    return [
        PodDisturbance(event=pod_events.rollout(), pairs=2),
        PodDisturbance(event=pod_events.scale_in(), pairs=2),
        PodDisturbance(event=pod_events.crash(), pairs=1),
        PodDisturbance(event=pod_events.envoy_roll(), pairs=1),
    ]
