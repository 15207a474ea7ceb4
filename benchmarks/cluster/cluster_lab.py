"""The bench with pods: the releases of both sides."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.bench import Bench
from benchmarks.cluster.deployed_sides import SERVERS, Side
from benchmarks.cluster.release import Release
from benchmarks.loopback.load import Load
from components.triton import GRPC_PORT
from devcluster.wait import wait_while

_POLL_SECONDS = 1.0
_REST_PATIENCE_SECONDS = 240.0


@dataclass(frozen=True, kw_only=True)
class ClusterLab(Bench):
    """One run's equipment."""

    theirs: Side
    ours: Side
    releases: Mapping[Side, Release]

    def rest(self) -> None:
        """Scale each side to three servers, and wait until every Envoy knows them and no change is in progress.

        Both sides must be at rest before a block: a server that starts takes CPU from the other side, too.

        Raises:
            DevClusterError: one side is not at rest within the time limit.
        """
        for release in self.releases.values():
            release.scale(SERVERS)
        for side in self.releases:
            self.await_rest(side, SERVERS, _REST_PATIENCE_SECONDS)

    def await_rest(self, side: Side, servers: int, patience_seconds: float) -> None:
        """Wait until so many servers of a side are ready, every Envoy knows them, and no change is in progress.

        Raises:
            DevClusterError: the side is not at rest within the time limit.
        """
        wait_while(
            lambda: self.releases[side].unrest(servers),
            timeout_seconds=patience_seconds,
            interval_seconds=_POLL_SECONDS,
            waiting=self.progress.waiting,
            hint="is the machine busy with other work?",
        )

    def direct_p50_ms(self, name: str, load: Load) -> float:
        """Return the median latency of a load's request at one of our servers, without a proxy."""
        self.rest()
        return self.alone_p50_ms(name, load, f"{self.releases[self.ours].server_address()}:{GRPC_PORT}")
