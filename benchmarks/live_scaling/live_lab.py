"""The bench of autoscaling with pods: both sides, each with its own autoscaler."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.autoscaling.policy import Policy
from benchmarks.bench import Bench
from benchmarks.cluster.autoscaler import at_work
from benchmarks.cluster.deployed_sides import Side
from benchmarks.cluster.release import Release
from benchmarks.live_scaling.observer import Observer
from devcluster.kubectl import Kubectl
from devcluster.toolchain import Toolchain
from devcluster.wait import wait_while
from stacks.schema import StackConfig

RESTING_SERVERS = 1
"""Servers of a side that is not measured."""

_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class ScaledSide:
    """A side with its autoscaler."""

    side: Side
    scaled_object: str
    policy: Policy
    """Its autoscaler, for the simulator."""
    release: Release


@dataclass(frozen=True, kw_only=True)
class LiveLab(Bench):
    """One run's equipment. All autoscalers are paused, and each side has one server."""

    kubectl: Kubectl
    toolchain: Toolchain
    config: StackConfig
    theirs: ScaledSide
    ours: ScaledSide

    @property
    def by_name(self) -> Mapping[str, ScaledSide]:
        """Name -> side."""
        return {each.policy.name: each for each in (self.theirs, self.ours)}

    @contextmanager
    def observed(self, scaled: ScaledSide) -> Iterator[Observer]:
        """Observe a side; on exit it has one server again."""
        with Observer(self.kubectl, scaled.side, scaled.release) as observer:
            try:
                yield observer
            finally:
                self.rest(scaled, RESTING_SERVERS)

    @contextmanager
    def autoscaled(self, scaled: ScaledSide, servers: int) -> Iterator[None]:
        """Let the autoscaler of a side begin with so many servers at rest, and pause it on exit."""
        self.rest(scaled, servers)
        with at_work(self.kubectl, scaled.side.namespace, scaled.scaled_object, self.progress):
            yield

    def rest(self, scaled: ScaledSide, servers: int) -> None:
        """Scale a side, and wait until no change is in progress.

        Raises:
            DevClusterError: it is not at rest within five minutes.
        """
        scaled.release.scale(servers)
        wait_while(
            lambda: scaled.release.unrest(servers),
            timeout_seconds=_PATIENCE_SECONDS,
            interval_seconds=1.0,
            waiting=self.progress.waiting,
            hint="is the machine busy with other work?",
        )
