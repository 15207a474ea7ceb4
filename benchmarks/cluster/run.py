"""The benchmarks with pods, as a run takes them."""

from benchmarks.cluster.equipment import SECONDS, facts, open_cluster, steps
from benchmarks.cluster.lab import ClusterLab
from benchmarks.cluster.scenario import KEY, scenarios
from benchmarks.run import Part


def part(*, quick: bool) -> Part[ClusterLab]:
    """All of them; quick, one pair of the shortest."""
    return Part(
        keys=(KEY,),
        where="with pods in the development cluster",
        scenarios=scenarios(quick),
        setup_steps=steps(),
        setup_seconds=SECONDS,
        open=open_cluster,
        facts=facts,
    )
