"""The ideal shortest queue: a balancer that knows the queue of each server but not its speed."""

import pytest

from benchmarks import central_queue
from benchmarks.loopback.arrivals import arrivals
from benchmarks.shortest_queue import latencies
from benchmarks.statistics import percentile


def test_the_server_with_the_fewest_requests_gets_the_next() -> None:
    assert latencies([0, 0, 0, 0], [2, 2]) == [2, 2, 4, 4]


def test_a_finished_request_no_longer_counts() -> None:
    assert latencies([0, 0, 2, 2], [2, 2]) == [2, 2, 2, 2]


def test_a_balancer_does_not_count_the_requests_of_another() -> None:
    blind = [latencies([0, 0], [2, 2], balancers=2, seed=seed) for seed in range(20)]
    assert [2, 4] in blind
    assert [2, 2] in blind


@pytest.mark.parametrize("load", [0.57, 0.8])
def test_with_a_slow_server_p99_is_nearly_twice_that_of_the_central_queue(load: float) -> None:
    """No setting of such a balancer reaches the aim of the benchmark."""
    services = [0.01, 0.01, 0.1]
    arriving = arrivals("poisson", load * sum(1 / service for service in services), 60, seed=1)
    bound = percentile(central_queue.latencies(arriving, services), 99)
    assert percentile(latencies(arriving, services), 99) > 1.8 * bound
