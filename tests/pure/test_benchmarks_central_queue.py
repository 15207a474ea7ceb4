"""The central queue, and the arrivals of a load."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.central_queue import latencies
from benchmarks.loopback.arrivals import arrivals


def test_one_server_serves_in_order() -> None:
    assert latencies([0, 1, 2], [2]) == [2, 3, 4]


def test_a_request_starts_at_once_on_a_free_server() -> None:
    assert latencies([0, 0, 0], [2, 2]) == [2, 2, 4]


def test_a_request_goes_to_the_fastest_free_server() -> None:
    assert latencies([0, 10, 10], [5, 1]) == [1, 1, 5]


def test_a_request_goes_to_a_slow_server_when_no_other_is_free() -> None:
    # Work-conserving, even where waiting for the fast one would have been quicker.
    assert latencies([0, 0], [1, 10]) == [1, 10]


def test_a_waiting_request_goes_to_the_first_server_that_is_free() -> None:
    assert latencies([0, 0, 0.5], [1, 10]) == pytest.approx([1, 10, 1.5])


@given(
    gaps=st.lists(st.floats(0, 3), min_size=1, max_size=60),
    services=st.lists(st.floats(0.1, 5), min_size=1, max_size=4),
)
def test_round_robin_is_never_better_on_equal_servers(gaps: list[float], services: list[float]) -> None:
    equal = [services[0]] * len(services)
    arriving = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    free = [0.0] * len(equal)
    in_turn = []
    for number, arrival in enumerate(arriving):
        server = number % len(equal)
        free[server] = max(free[server], arrival) + equal[server]
        in_turn.append(free[server] - arrival)
    assert max(latencies(arriving, equal)) <= max(in_turn) + 1e-9


@given(
    gaps=st.lists(st.floats(0, 3), min_size=1, max_size=60),
    services=st.lists(st.floats(0.1, 5), min_size=1, max_size=4),
)
def test_no_latency_is_below_the_fastest_service_time(gaps: list[float], services: list[float]) -> None:
    arriving = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    assert min(latencies(arriving, services)) >= min(services) - 1e-9


def test_arrivals_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="must ascend"):
        latencies([1, 0], [1])


def test_no_server_is_refused() -> None:
    with pytest.raises(ValueError, match="no server"):
        latencies([0], [])


class TestArrivals:
    def test_fixed_arrivals_are_evenly_spaced(self) -> None:
        assert arrivals("fixed", 4, 1, seed=0) == [0, 0.25, 0.5, 0.75]

    def test_poisson_arrivals_have_the_rate_on_average(self) -> None:
        offsets = arrivals("poisson", 100, 200, seed=2)
        assert len(offsets) == pytest.approx(20_000, rel=0.03)
        assert offsets == sorted(offsets)
        assert offsets[-1] < 200

    def test_the_same_seed_gives_the_same_arrivals(self) -> None:
        assert arrivals("poisson", 50, 10, seed=4) == arrivals("poisson", 50, 10, seed=4)
        assert arrivals("poisson", 50, 10, seed=4) != arrivals("poisson", 50, 10, seed=5)
