"""B7 with pods: a request that ends each server that gets it, among other requests."""

from dataclasses import dataclass, field

import grpc

from benchmarks.cluster.cluster_lab import ClusterLab
from benchmarks.cluster.deployed_sides import SERVERS, Side
from benchmarks.cluster.release import CRASH_MS
from benchmarks.loopback import grpc_messages
from benchmarks.loopback.load import Load
from benchmarks.result_table import Row
from benchmarks.traffic import blocks

KEY = "B7 pods"

_SERVERS_ENDED_MAX = 2
_LEAD_SECONDS = 5.0
_DURATION_SECONDS = 60.0
_RATE_PER_SECOND = 50.0
_DEADLINE_SECONDS = 10.0
_BETWEEN_SECONDS = 30.0
"""Time for servers to become ready again. The kubelet waits before it restarts a container another time."""


@dataclass(frozen=True, kw_only=True)
class DeadlyRequest(blocks.PairedScenario):
    """One such request in each block of both sides."""

    name: str = "pods-deadly-request"
    restarts: dict[str, list[int]] = field(default_factory=dict)
    """Side -> servers that the kubelet restarted in each of its blocks."""

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.pairs * 2 * (_DURATION_SECONDS + _BETWEEN_SECONDS) + (self.pairs + 1) * _BETWEEN_SECONDS

    def run(self, lab: ClusterLab) -> list[Row]:
        """Measure it."""
        comparison = blocks.compare(
            lab,
            self.name,
            (lab.theirs, lab.ours),
            self.pairs,
            deadline_seconds=_DEADLINE_SECONDS,
            direct_p50_ms=lambda name: lab.direct_p50_ms(name, self._load("", lab.seed)),
            run=lambda side, name, seed: self._block(lab, side, name, seed),
        )
        title = f"a request ends its server, {SERVERS} servers, {self.pairs} times"
        theirs, ours = (max(self.restarts[side.slug]) for side in (lab.theirs, lab.ours))
        return [
            Row(
                benchmark=KEY,
                measure=f"{title}: servers restarted, most",
                theirs=str(theirs),
                ours=str(ours),
                aim=f"≤ {_SERVERS_ENDED_MAX}",
                reached=ours <= _SERVERS_ENDED_MAX,
                rejected=comparison.rejected,
            ),
            Row(
                benchmark=KEY,
                measure=f"{title}: other requests lost",
                theirs=blocks.lost(comparison.theirs),
                ours=blocks.lost(comparison.ours),
                rejected=comparison.rejected,
            ),
        ]

    def _load(self, target: str, seed: int) -> Load:
        return Load(
            targets=(target,),
            rate_per_second=_RATE_PER_SECOND,
            duration_seconds=_DURATION_SECONDS,
            seed=seed,
            deadline_seconds=_DEADLINE_SECONDS,
        )

    def _block(self, lab: ClusterLab, side: Side, name: str, seed: int) -> blocks.Measured:
        lab.rest()
        release = lab.releases[side]
        before = release.restarts()
        with lab.client(self._load(side.target, seed), name) as client, release.crashing():
            client.sleep_until(_LEAD_SECONDS)
            send_deadly_request(side.target)
            lab.progress.waiting(f"the requests of {_DURATION_SECONDS:.0f} s to end")
            samples = client.samples()
        lab.rest()
        self.restarts.setdefault(side.slug, []).append(release.restarts() - before)
        return blocks.Measured(samples=samples)


def send_deadly_request(target: str) -> None:
    """Send one request that asks for the end of its server; no answer is expected."""
    with grpc.insecure_channel(target) as channel:
        request = grpc_messages.sleep_identity(CRASH_MS, 4)
        try:
            grpc_messages.unary(channel, grpc_messages.INFER)(request, timeout=_DEADLINE_SECONDS)
        except grpc.RpcError:
            return
