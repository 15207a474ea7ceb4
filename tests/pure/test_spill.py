"""The controller's table of the next pool, row by row, and its behaviour over time before pools of known capacity."""

import pytest

from components.envoy.admission.controller.policy import Policy
from components.envoy.admission.controller.spill import Flow, Spill, next_spill

TARGET_SECONDS = 0.1
POLICY = Policy(
    credentials_folder=None,
    requests_in_flight_per_server_max=None,
    envoys=2,
    requests_max=400,
    queue_refuse_new_jobs_ms=None,
    prometheus_url="",
    query="",
    admin_port=9901,
    weights={},
    spill_ms=1000 * TARGET_SECONDS,
    spill_in_flight_per_server=4,
)


class Pools:
    """Two pools that complete so many requests per second, first come, first served."""

    def __init__(self, *per_second: float) -> None:
        self.capacity = dict(zip(("first", "next"), per_second, strict=True))
        self.servers = {"first": 1, "next": 1}
        self.sent, self.completed = dict.fromkeys(self.capacity, 0.0), dict.fromkeys(self.capacity, 0.0)
        self.at_seconds = 0.0
        self.spill = Spill(self.flow("first"), self.flow("next"))

    def flow(self, name: str) -> Flow:
        in_flight = int(self.sent[name] - self.completed[name])
        return Flow(self.at_seconds, int(self.sent[name]), int(self.completed[name]), in_flight, self.servers[name])

    def wait_seconds(self, name: str) -> float:
        """Return the time that a request spends in a pool now."""
        return (self.sent[name] - self.completed[name]) / self.capacity[name]

    def second(self, offered: float) -> float:
        """Offer requests for a second, let the controller decide, and return the fraction for the next pool."""
        parts = {"first": 1 - self.spill.fraction, "next": self.spill.fraction}
        for name, part in parts.items():
            self.sent[name] += offered * part
            self.completed[name] = min(self.sent[name], self.completed[name] + self.capacity[name])
        self.at_seconds += 1
        self.spill = next_spill(self.spill, self.flow("first"), self.flow("next"), POLICY)
        return self.spill.fraction

    def seconds(self, number: int, offered: float) -> list[float]:
        """Repeat `second`, and return the fraction after each."""
        return [self.second(offered) for _ in range(number)]


def test_no_request_leaves_a_pool_that_is_not_full() -> None:
    pools = Pools(100, 100)
    assert pools.seconds(20, 99) == [0] * 20


def test_the_surplus_of_a_full_pool_goes_to_the_next_within_seconds() -> None:
    pools = Pools(100, 100)
    pools.seconds(5, 150)
    fractions = pools.seconds(20, 150)
    assert fractions == [pytest.approx(1 / 3, abs=0.05)] * 20
    assert pools.wait_seconds("first") <= 2 * TARGET_SECONDS
    assert pools.wait_seconds("next") == 0


def test_all_requests_return_when_the_first_pool_can_take_them() -> None:
    pools = Pools(100, 100)
    pools.seconds(10, 300)
    pools.seconds(20, 80)
    assert pools.spill.fraction == 0


def test_servers_that_the_autoscaler_adds_to_the_first_pool_are_used() -> None:
    pools = Pools(100, 100)
    pools.seconds(10, 190)
    pools.capacity["first"] = 200
    pools.seconds(20, 190)
    assert pools.spill.fraction == 0


def test_a_next_pool_that_is_full_gets_no_more_than_it_completes() -> None:
    pools = Pools(100, 20)
    pools.seconds(30, 200)
    assert pools.wait_seconds("next") <= 2 * TARGET_SECONDS
    assert pools.spill.fraction == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("name", ["first", "next"])
def test_envoy_alone_decides_when_a_pool_has_no_healthy_server(name: str) -> None:
    pools = Pools(100, 100)
    pools.seconds(5, 150)
    pools.servers[name] = 0
    assert pools.second(150) == 0


def test_an_envoy_that_restarted_sends_all_to_the_first_pool() -> None:
    pools = Pools(100, 100)
    pools.seconds(5, 150)
    pools.sent, pools.completed = dict.fromkeys(pools.sent, 0.0), dict.fromkeys(pools.sent, 0.0)
    assert pools.second(50) == 0


def test_a_few_long_requests_do_not_fill_a_pool() -> None:
    """Two servers execute two requests each, one of which one Envoy sees, for 10 s each."""
    nothing = Flow(0.0, sent=0, completed=0, in_flight=0, servers=2)
    busy = Flow(1.0, sent=4, completed=0, in_flight=4, servers=2)
    assert next_spill(Spill(nothing, nothing), busy, nothing._replace(at_seconds=1.0), POLICY).fraction == 0
    queued = busy._replace(sent=5, in_flight=5)
    assert next_spill(Spill(nothing, nothing), queued, nothing._replace(at_seconds=1.0), POLICY).fraction == 1


def test_a_pool_that_completes_nothing_is_full() -> None:
    first = Flow(1.0, sent=50, completed=0, in_flight=50, servers=1)
    nothing = Flow(0.0, sent=0, completed=0, in_flight=0, servers=1)
    before = Spill(nothing, nothing)
    assert next_spill(before, first, nothing._replace(at_seconds=1.0), POLICY).fraction == 1
