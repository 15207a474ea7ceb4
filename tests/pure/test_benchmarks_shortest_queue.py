"""The limit of a balancer that knows how much each server has to do, and not how fast it is."""

import pytest

from benchmarks import central_queue
from benchmarks.loopback.arrivals import arrivals
from benchmarks.shortest_queue import latencies
from benchmarks.statistics import percentile


def test_the_server_with_the_fewest_gets_the_next() -> None:
    assert latencies([0, 0, 0, 0], [2, 2]) == [2, 2, 4, 4]


def test_what_has_ended_counts_no_longer() -> None:
    assert latencies([0, 0, 2, 2], [2, 2]) == [2, 2, 2, 2]


def test_two_balancers_do_not_see_each_others_requests() -> None:
    blind = [latencies([0, 0], [2, 2], balancers=2, seed=seed) for seed in range(20)]
    assert [2, 4] in blind
    assert [2, 2] in blind


@pytest.mark.parametrize("load", [0.57, 0.8])
def test_with_a_slow_server_not_knowing_speeds_costs_twice_the_central_queue(load: float) -> None:
    """So no setting of such a balancer comes near it: the benchmark's aim is out of its reach."""
    services = [0.01, 0.01, 0.1]
    arriving = arrivals("poisson", load * sum(1 / service for service in services), 60, seed=1)
    bound = percentile(central_queue.latencies(arriving, services), 99)
    assert percentile(latencies(arriving, services), 99) > 1.8 * bound
