"""Tenants' shares of the capacity, and the controller's table of refusals row by row."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.envoy.admission.controller.shares import HEADROOM, REFUSED_MAX, Counts, Shares, next_shares, share

WEIGHTS = {"heavy": 1.0, "light": 1.0}
rates = st.floats(0, 1e5)
tenants = st.dictionaries(st.sampled_from("abcdef"), st.tuples(rates, st.integers(1, 100)), min_size=1)


@given(capacity=rates, described=tenants)
def test_capacity_is_shared_max_min_fairly(capacity: float, described: Mapping[str, tuple[float, int]]) -> None:
    offered = {name: rate for name, (rate, _) in described.items()}
    weights = {name: float(weight) for name, (_, weight) in described.items()}
    shares = share(capacity, offered, weights)
    assert all(0 <= shares[name] <= offered[name] for name in offered), "never more than is offered"
    assert sum(shares.values()) == pytest.approx(min(capacity, sum(offered.values()))), "nothing stays unused"
    levels = [shares[name] / weights[name] for name in offered]
    for name in offered:
        if shares[name] < offered[name] * (1 - 1e-9):
            assert shares[name] / weights[name] == pytest.approx(max(levels)), "who wants more has as much as any"


@pytest.mark.parametrize(
    ("offered", "weights", "shares"),
    [
        ({"heavy": 500, "light": 100}, WEIGHTS, {"heavy": 100, "light": 100}),
        ({"heavy": 500, "light": 40}, WEIGHTS, {"heavy": 160, "light": 40}),
        ({"heavy": 300, "light": 300}, {"heavy": 3.0, "light": 1.0}, {"heavy": 150, "light": 50}),
        ({"heavy": 60, "light": 40}, WEIGHTS, {"heavy": 60, "light": 40}),
    ],
)
def test_two_tenants_share_200_requests_per_second(
    offered: dict[str, float], weights: dict[str, float], shares: dict[str, float]
) -> None:
    assert share(200, offered, weights) == shares


class Seconds:
    """Rounds of one second, with the tenants as in `WEIGHTS`."""

    def __init__(self) -> None:
        self.shares = Shares(Counts(0.0, 0, 0, {"heavy": 0, "light": 0}))

    def pass_with(
        self, *, overflowed: int, served: int, heavy: int, light: int, half_empty: bool = False
    ) -> Mapping[str, float]:
        """Return the refused fractions after a second with these counts."""
        at_seconds, overflows, answered, let_through = self.shares.counts
        counts = Counts(
            at_seconds + 1,
            overflows + overflowed,
            answered + served,
            {"heavy": let_through["heavy"] + heavy, "light": let_through["light"] + light},
        )
        self.shares = next_shares(self.shares, counts, WEIGHTS, half_empty=half_empty)
        return self.shares.refused

    def pass_full(self) -> Mapping[str, float]:
        """Return the refused fractions after a second with 600 requests of which 200 were answered."""
        return self.pass_with(overflowed=400, served=200, heavy=500, light=100)


def test_shares_apply_only_after_a_whole_second_of_overflow() -> None:
    seconds = Seconds()
    assert seconds.pass_with(overflowed=0, served=200, heavy=500, light=100) == {}
    assert seconds.pass_full() == {}
    assert seconds.pass_full()["heavy"] == pytest.approx(1 - (HEADROOM * 200 - 100) / 500)


def test_refused_requests_count_as_offered() -> None:
    """Otherwise a refused tenant would seem to want less, and would be admitted again."""
    seconds = Seconds()
    seconds.pass_full()
    first = dict(seconds.pass_full())
    for _ in range(10):
        let_through = round(500 * (1 - seconds.shares.refused["heavy"]))
        refused = seconds.pass_with(overflowed=10, served=200, heavy=let_through, light=100)
    assert refused["heavy"] == pytest.approx(first["heavy"], abs=0.01)
    assert "light" not in refused


def test_shares_stay_without_overflow_while_half_of_the_limit_is_in_progress() -> None:
    seconds = Seconds()
    seconds.pass_full()
    seconds.pass_full()
    for _ in range(10):
        let_through = round(500 * (1 - seconds.shares.refused["heavy"]))
        assert seconds.pass_with(overflowed=0, served=200, heavy=let_through, light=100)


def test_shares_double_each_second_while_less_than_half_of_the_limit_is_in_progress() -> None:
    """Admitting all requests at once would bring back a second of overload after each quiet one."""
    seconds = Seconds()
    seconds.pass_full()
    seconds.pass_full()
    taken = []
    while seconds.shares.refused:
        let_through = 500 * (1 - seconds.shares.refused["heavy"])
        taken.append(round(let_through))
        seconds.pass_with(overflowed=0, served=10, heavy=taken[-1], light=100, half_empty=True)
    assert taken == pytest.approx([110, 320], abs=2)
    assert seconds.pass_full() == {}, "what was measured before is forgotten"


def test_shares_are_dropped_when_envoy_restarts() -> None:
    seconds = Seconds()
    seconds.pass_full()
    assert seconds.pass_full()
    seconds.shares = next_shares(seconds.shares, Counts(3.0, 5, 7, {}), WEIGHTS, half_empty=False)
    assert seconds.shares.refused == {}


def test_the_capacity_recovers_at_once_after_a_stalled_second() -> None:
    seconds = Seconds()
    seconds.pass_full()
    usual = dict(seconds.pass_full())
    stalled = dict(seconds.pass_with(overflowed=100, served=0, heavy=120, light=100))
    assert usual["heavy"] < stalled["heavy"] < 1
    let_through = round(500 * (1 - stalled["heavy"]))
    refused = seconds.pass_with(overflowed=0, served=200, heavy=let_through, light=100)
    assert refused["heavy"] == pytest.approx(usual["heavy"], abs=0.02)


def test_some_requests_are_admitted_while_the_servers_answer_nothing() -> None:
    seconds = Seconds()
    for _ in range(20):
        refused = seconds.pass_with(overflowed=400, served=0, heavy=500, light=100)
    assert refused == {"heavy": REFUSED_MAX, "light": REFUSED_MAX}
    for _ in range(20):
        refused = seconds.pass_with(overflowed=0, served=0, heavy=1, light=1, half_empty=True)
    assert refused == {}, "though it is not known what they can do"
