"""The suite with pods."""

from collections.abc import Sequence

from benchmarks.cluster.cluster_equipment import SECONDS, facts, open_cluster, steps
from benchmarks.cluster.cluster_lab import ClusterLab
from benchmarks.cluster.deadly_request import KEY as DEADLY_KEY
from benchmarks.cluster.deadly_request import DeadlyRequest
from benchmarks.cluster.scenario import KEY, scenarios
from benchmarks.suite import Suite

KEYS = (KEY, DEADLY_KEY)


def suite(*, quick: bool, only: Sequence[str] = KEYS) -> Suite[ClusterLab]:
    """Return the suite with these benchmarks; quick, with one pair of the shortest event."""
    deadly = [DeadlyRequest(pairs=1 if quick else 4)] if DEADLY_KEY in only else []
    return Suite(
        keys=tuple(key for key in KEYS if key in only),
        where="with pods in the development cluster",
        scenarios=[*(scenarios(quick) if KEY in only else []), *deadly],
        setup_steps=steps(),
        setup_seconds=SECONDS,
        open=open_cluster,
        facts=facts,
    )
