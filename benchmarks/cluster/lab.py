"""What an experiment in the cluster needs besides: the releases of both sides."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.bench import Bench
from benchmarks.cluster.release import Release
from benchmarks.cluster.sides import SERVERS, Side
from benchmarks.loopback.load import Load
from benchmarks.loopback.process import BenchmarkError
from components.triton import GRPC_PORT

_POLL_SECONDS = 1.0
_REST_PATIENCE_SECONDS = 240.0


@dataclass(frozen=True, kw_only=True)
class ClusterLab(Bench):
    """One run's equipment."""

    theirs: Side
    ours: Side
    releases: Mapping[Side, Release]

    def rest(self) -> None:
        """Have three servers of each side stand, known to every Envoy, and nothing else on the move.

        Both sides, whichever is measured next: a server that starts takes CPU from the other side, too.

        Raises:
            BenchmarkError: one side does not come to it.
        """
        for release in self.releases.values():
            release.scale(SERVERS)
        for side in self.releases:
            self.await_rest(side, SERVERS, _REST_PATIENCE_SECONDS)

    def await_rest(self, side: Side, servers: int, patience_seconds: float) -> None:
        """Wait until so many servers of a side stand, known to every Envoy, and nothing else of it is on the move.

        Raises:
            BenchmarkError: it does not come to it in time.
        """
        deadline = time.monotonic() + patience_seconds
        while unrest := self.releases[side].unrest(servers):
            if time.monotonic() > deadline:
                msg = f"awaited for {patience_seconds:.0f} s {unrest}: is the machine busy with other work?"
                raise BenchmarkError(msg)
            self.progress.waiting(unrest)
            time.sleep(_POLL_SECONDS)

    def direct_p50_ms(self, name: str, load: Load) -> float:
        """Median latency of a load's request at one of our servers, past all proxies."""
        self.rest()
        return self.alone_p50_ms(name, load, f"{self.releases[self.ours].server_address()}:{GRPC_PORT}")
