"""The suite with pods."""

from benchmarks.cluster.cluster_equipment import SECONDS, facts, open_cluster, steps
from benchmarks.cluster.cluster_lab import ClusterLab
from benchmarks.cluster.scenario import KEY, scenarios
from benchmarks.suite import Suite


def suite(*, quick: bool) -> Suite[ClusterLab]:
    """Return the suite; quick, with one pair of the shortest event."""
    return Suite(
        keys=(KEY,),
        where="with pods in the development cluster",
        scenarios=scenarios(quick),
        setup_steps=steps(),
        setup_seconds=SECONDS,
        open=open_cluster,
        facts=facts,
    )
