"""Statistics of the blocks."""

import math
import random
import statistics as reference
from itertools import pairwise

import pytest

from benchmarks.statistics import (
    block_orders,
    drift,
    interval,
    percentile,
    pooled_interval,
    quotient,
    ratio,
    rule_of_three,
    significant,
)
from testbed.fairness import jain


class TestOrder:
    def test_each_pair_reverses_the_order_of_the_one_before(self) -> None:
        orders = block_orders(5, seed=3)
        assert all(second == (first[1], first[0]) for first, second in pairwise(orders))

    def test_both_sides_run_in_every_pair(self) -> None:
        assert {frozenset(order) for order in block_orders(6, seed=0)} == {frozenset({0, 1})}

    def test_the_seed_draws_the_side_that_begins(self) -> None:
        assert {block_orders(1, seed)[0][0] for seed in range(20)} == {0, 1}

    def test_the_same_seed_gives_the_same_result(self) -> None:
        assert block_orders(5, seed=7) == block_orders(5, seed=7)


class TestPercentile:
    @pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (100, 100), (0, 1)])
    def test_is_a_value_that_was_seen(self, percent: float, value: float) -> None:
        assert percentile(range(100, 0, -1), percent) == value

    def test_of_few_values_is_the_worst(self) -> None:
        assert percentile([3, 1, 2], 99) == 3

    def test_of_nothing_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            percentile([], 50)


class TestRatio:
    def test_is_the_median_of_the_blocks_and_not_of_the_sums(self) -> None:
        assert ratio([10, 20, 300], [10, 10, 100]).median == 2

    def test_one_outlier_does_not_change_the_median(self) -> None:
        assert ratio([1, 1, 1, 1, 1000], [1, 1, 1, 1, 1]).median == 1

    def test_equal_blocks_have_an_interval_of_width_zero(self) -> None:
        bounds = ratio([2, 4, 6], [1, 2, 3])
        assert (bounds.low, bounds.high) == (2, 2)

    def test_the_same_seed_gives_the_same_result(self) -> None:
        blocks = [1.0, 3.0, 2.0, 5.0, 4.0]
        assert interval(blocks, seed=1) == interval(blocks, seed=1)

    def test_the_interval_contains_the_true_value_nineteen_times_in_twenty(self) -> None:
        draw = random.Random(5)  # noqa: S311
        trials = 200
        bounds = [interval([draw.gauss(1, 0.1) for _ in range(15)], seed) for seed in range(trials)]
        held = sum(bound.low <= 1 <= bound.high for bound in bounds)
        assert 0.88 * trials <= held <= trials

    def test_a_cost_below_the_noise_gives_an_infinite_ratio(self) -> None:
        assert quotient(0.1, -0.2) == math.inf
        assert ratio([0.1], [0.0]).median == math.inf

    def test_blocks_must_come_in_pairs(self) -> None:
        with pytest.raises(ValueError, match=r"shorter|longer"):
            ratio([1, 2], [1])

    def test_a_ratio_of_no_blocks_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            ratio([], [])


def test_whole_blocks_are_drawn_for_a_pooled_figure() -> None:
    blocks = [[1.0, 1.0], [2.0, 2.0], [9.0, 9.0]]
    seen: list[list[float]] = []

    def mean(some: object) -> float:
        assert isinstance(some, list)
        seen.extend(some)
        return reference.fmean(value for block in some for value in block)

    bounds = pooled_interval(blocks, mean, seed=1)
    assert bounds.median == 4
    assert bounds.low < 4 < bounds.high
    assert all(block in blocks for block in seen)


def test_none_in_thirty_thousand_is_at_most_one_in_ten_thousand() -> None:
    assert rule_of_three(30_000) == pytest.approx(1e-4)


@pytest.mark.parametrize(("shares", "index"), [([5, 5, 5], 1.0), ([1, 0, 0, 0], 0.25), ([0, 0], 1.0), ([1, 3], 0.8)])
def test_jains_index_is_one_for_equal_shares(shares: list[float], index: float) -> None:
    assert jain(shares) == pytest.approx(index)


@pytest.mark.parametrize(("last", "moved"), [(1.09, False), (0.91, False), (1.11, True), (0.89, True)])
def test_figures_are_rejected_when_direct_latency_moves_by_more_than_a_tenth(last: float, moved: bool) -> None:
    assert bool(drift(1.0, last)) is moved


@pytest.mark.parametrize(
    ("value", "text"), [(5951.4, "5,951"), (0.057912, "0.0579"), (1.0, "1.00"), (0.0, "0"), (math.inf, "inf")]
)
def test_figures_have_three_significant_digits(value: float, text: str) -> None:
    assert significant(value) == text
