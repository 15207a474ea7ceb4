"""The simulator of autoscaling: Kubernetes' own cases of the HPA's arithmetic, Prometheus, servers, and whole runs."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.autoscaling import signals, simulation
from benchmarks.autoscaling.clairvoyant import plan
from benchmarks.autoscaling.clients import JobKind, Jobs, Wave
from benchmarks.autoscaling.comparison import follow, foresee
from benchmarks.autoscaling.hpa import (
    Behavior,
    HorizontalPodAutoscaler,
    ScalingPolicy,
    ScalingRules,
    TargetType,
    proposal,
)
from benchmarks.autoscaling.policies import ours, supersonic
from benchmarks.autoscaling.policy import Metric, Policy
from benchmarks.autoscaling.policy_comparison import policies
from benchmarks.autoscaling.pool import Pool, ServerTimes
from benchmarks.autoscaling.prometheus import Prometheus, Series
from benchmarks.autoscaling.routing import in_turn, next_wait, shortest_queue, two_choices
from benchmarks.autoscaling.server import Server, ServerKind
from benchmarks.autoscaling.traces import Trace
from stacks.schema.experiment import Scaling

KIND = ServerKind()
TIMES = ServerTimes(startup_period_seconds=1, route_seconds=1, stop_seconds=5, grace_seconds=60)
ANY_NUMBER = ScalingRules(policies=[ScalingPolicy(type="Pods", value=1000, period_seconds=1)], window_seconds=0)


def rules(*, pods: int = 0, percent: int = 0, period: int = 60, window: int = 0, select: str = "Max") -> ScalingRules:
    values = {"Pods": pods, "Percent": percent}
    return ScalingRules.of(
        {
            "policies": [{"type": kind, "value": n, "periodSeconds": period} for kind, n in values.items() if n],
            "stabilizationWindowSeconds": window,
            "selectPolicy": select,
        }
    )


def hpa(
    *, up: ScalingRules = ANY_NUMBER, down: ScalingRules = ANY_NUMBER, least: int = 1, most: int = 1000
) -> HorizontalPodAutoscaler:
    return HorizontalPodAutoscaler(Behavior(up=up, down=down), servers_min=least, servers_max=most)


@pytest.mark.parametrize(
    ("value", "threshold", "target", "servers", "asked"),
    [
        # TestReplicaCalcScaleUpPerPodCMExternal, …ScaleDownPerPodCMExternal, …ScaleDownCMExternal
        pytest.param(8.6, 2.15, "AverageValue", 3, 4, id="per pod, up"),
        pytest.param(8.6, 2.867, "AverageValue", 5, 3, id="per pod, down"),
        pytest.param(8.6, 14.334, "Value", 5, 3, id="value, down"),
        # "If the current metric value is 200m and the desired value is 100m, the number of replicas will be doubled"
        pytest.param(0.2, 0.1, "Value", 3, 6, id="value, doubled"),
        pytest.param(0.05, 0.1, "Value", 4, 2, id="value, halved"),
        pytest.param(11.0, 10.0, "Value", 4, 4, id="within the tolerance"),
        pytest.param(44.0, 10.0, "AverageValue", 4, 4, id="per pod, within the tolerance"),
        pytest.param(45.0, 10.0, "AverageValue", 4, 5, id="per pod, above the tolerance"),
        pytest.param(0.0, 10.0, "AverageValue", 4, 0, id="nothing"),
        pytest.param(0.0015, 0.001, "AverageValue", 1, 1, id="KEDA cuts to thousandths"),
    ],
)
def test_a_metric_asks_for_servers_as_in_kubernetes(
    value: float, threshold: float, target: TargetType, servers: int, asked: int
) -> None:
    assert proposal(value, threshold=threshold, target=target, servers=servers, ready=servers) == asked


def test_a_value_counts_ready_servers_and_an_average_does_not() -> None:
    assert proposal(300, threshold=100, target="Value", servers=4, ready=1) == 3
    assert proposal(300, threshold=100, target="AverageValue", servers=4, ready=1) == 3
    assert proposal(300, threshold=100, target="Value", servers=4, ready=4) == 12


@pytest.mark.parametrize(
    ("up", "down", "least", "most", "servers", "asked", "allowed"),
    [
        # TestScalingWithRules
        (ANY_NUMBER, ANY_NUMBER, 3, 8, 5, 7, 7),
        (ANY_NUMBER, ANY_NUMBER, 2, 8, 3, 1, 2),
        (ANY_NUMBER, ANY_NUMBER, 100, 150, 100, 1000, 150),
        (rules(percent=1), ANY_NUMBER, 1, 2000, 3, 1000, 4),
        (ANY_NUMBER, rules(pods=20), 3, 2000, 1000, 3, 980),
        (rules(pods=100, percent=100), ANY_NUMBER, 1, 1000, 10, 500, 110),
        (rules(pods=2, percent=100), ANY_NUMBER, 1, 1000, 10, 500, 20),
        (rules(percent=200), ANY_NUMBER, 1, 1000, 10, 50, 30),
        (ANY_NUMBER, rules(pods=20, percent=1), 1, 1000, 100, 2, 80),
        (ANY_NUMBER, rules(percent=100), 5, 1000, 10, 2, 5),
        # TestCalculateScaleDownLimitWithBehaviors
        (ANY_NUMBER, rules(pods=2, percent=50, select="Min"), 1, 10, 5, 1, 3),
    ],
)
def test_the_rules_limit_one_change_as_in_kubernetes(
    up: ScalingRules, down: ScalingRules, least: int, most: int, servers: int, asked: int, allowed: int
) -> None:
    found = hpa(up=replace(up, window_seconds=0), down=replace(down, window_seconds=0), least=least, most=most)
    assert found.sync(1000, servers, [asked]) == allowed


def test_changes_of_the_period_count_towards_its_limit() -> None:
    found = hpa(up=rules(pods=4, percent=100, period=60))
    assert found.sync(0, 1, [100]) == 5
    assert found.sync(15, 5, [100]) == 5
    assert found.sync(61, 5, [100]) == 10


@pytest.mark.parametrize(
    ("recommended", "up_window", "down_window", "servers", "asked", "allowed"),
    [
        # TestNormalizeDesiredReplicasWithBehavior: pairs of minutes ago and the recommendation
        ([(2, 4), (1, 5)], 0, 180, 100, 3, 5),
        ([(2, 4), (1, 5)], 300, 0, 1, 7, 4),
        ([(2, 1), (1, 2)], 300, 0, 100, 3, 3),
        ([(2, 4), (1, 5)], 0, 300, 1, 3, 3),
        ([(10, 10), (1, 4), (2, 5), (9, 9)], 0, 180, 100, 3, 5),
        ([(100, 10), (1, 6), (2, 5), (3, 9)], 300, 0, 1, 100, 5),
        ([(100, 2), (3, 3)], 300, 300, 2, 1, 2),
        ([(100, 2), (3, 1)], 300, 300, 2, 3, 2),
    ],
)
def test_a_window_holds_a_change_back_as_in_kubernetes(
    recommended: Sequence[tuple[int, int]], up_window: int, down_window: int, servers: int, asked: int, allowed: int
) -> None:
    found = hpa(up=replace(ANY_NUMBER, window_seconds=up_window), down=replace(ANY_NUMBER, window_seconds=down_window))
    found._recommendations = [(10_000 - 60 * minutes, number) for minutes, number in recommended]
    assert found.sync(10_000, servers, [asked]) == allowed


@pytest.mark.parametrize(
    ("proposals", "allowed"),
    [([None, 7], 7), ([None, 3], 4), ([None, None], 4), ([6, 5], 6), ([3, 2], 3)],
)
def test_a_missing_metric_adds_servers_and_removes_none(proposals: list[int | None], allowed: int) -> None:
    assert hpa().sync(0, 4, proposals) == allowed


def test_the_rate_of_a_steady_counter_is_its_slope() -> None:
    series = Series()
    for second in range(0, 100, 5):
        series.add(second, 3.0 * second)
    assert series.rate(96, 30) == pytest.approx(3.0)


def test_the_rate_of_a_new_server_counts_the_time_before_it_as_idle() -> None:
    series = Series()
    for second in range(100, 131, 5):
        series.add(second, 10.0 * (second - 100))
    assert series.rate(130, 120) == pytest.approx(10 * 30 / 120)
    assert Series().rate(130, 120) is None


@given(
    st.lists(st.floats(0, 1e5), min_size=1, max_size=8),
    st.floats(0, 1e6),
)
@settings(max_examples=50, deadline=None)
def test_the_shortest_queues_are_filled_first(waiting: list[float], arriving: float) -> None:
    shares = shortest_queue(waiting, arriving)
    assert sum(shares) == pytest.approx(arriving, abs=1e-6)
    after = [before + share for before, share in zip(waiting, shares, strict=True)]
    filled = [level for level, share in zip(after, shares, strict=True) if share > 0]
    assert all(level == pytest.approx(min(after), rel=1e-6, abs=1e-6) for level in filled)


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=8), st.floats(0, 1e6))
@settings(max_examples=50, deadline=None)
def test_two_choices_send_every_request_and_more_to_a_shorter_queue(waiting: list[float], arriving: float) -> None:
    shares = two_choices(waiting, arriving)
    assert sum(shares) == pytest.approx(arriving, abs=1e-6)
    assert all(share >= 0 for share in shares)


def test_two_choices_leave_the_longest_queue_a_part() -> None:
    assert two_choices([0, 1e6, 2e6], 9.0) == pytest.approx([5, 3, 1])
    assert two_choices([7, 7], 1.0) == pytest.approx([0.5, 0.5])
    assert next_wait(two_choices, [0, 1e6], [0, 100]) == pytest.approx(25)
    assert next_wait(shortest_queue, [0, 1e6], [0, 100]) == 0
    assert next_wait(in_turn, [0, 1e6], [0, 100]) == 50


def test_a_queue_stays_where_it_is_when_a_server_comes() -> None:
    pool = Pool(KIND, TIMES, servers=1)
    pool.step(0, 1, 1000)
    pool.scale(0, 2)
    for second in range(1, 60):
        pool.step(second, 1, 0)
    assert len(pool.serving) == 2
    assert pool.serving[0].completed == 1000
    assert pool.serving[1].completed == 0


def test_counters_move_when_a_request_is_complete_with_its_whole_wait() -> None:
    server = Server(KIND, created=0, ready_at=0)
    server.work(0, 1, 300)
    assert (server.completed, server.waiting, server.wait_seconds) == (100, 200, 0)
    server.work(1, 1, 0)
    server.work(2, 1, 0)
    assert (server.completed, server.waiting) == (300, 0)
    assert server.wait_seconds == pytest.approx(100 * 1 + 100 * 2)


def test_the_newest_servers_go_first_and_those_that_start_before_them() -> None:
    pool = Pool(KIND, TIMES, servers=2)
    oldest = pool.serving[0]
    pool.scale(0, 4)
    pool.scale(1, 2)
    assert (len(pool.starting), len(pool.serving), pool.pods) == (0, 2, 2)
    pool.step(1, 1, 1000)
    pool.scale(2, 1)
    assert pool.serving == [oldest]
    assert pool.pods == 2, "a server with a queue drains it"
    for second in range(2, 70):
        pool.step(second, 1, 0)
    assert pool.pods == 1
    assert (pool.completed, pool.lost) == (1000, 0)


def test_what_a_server_has_not_served_when_its_grace_period_ends_is_lost() -> None:
    pool = Pool(KIND, TIMES, servers=2)
    pool.step(0, 1, 20_000)
    pool.scale(1, 1)
    for second in range(1, 200):
        pool.step(second, 1, 0)
    assert pool.lost > 0
    assert pool.completed + pool.lost == pytest.approx(20_000)


def test_a_job_sends_no_request_while_it_waits() -> None:
    jobs = Jobs([Wave(start_seconds=0, jobs=10)], JobKind(load=0.1, seconds=60, ramp_seconds=1), KIND)
    assert jobs.mean(5, 1) == pytest.approx(10 / 0.09)
    assert jobs.send(1e6) == 10
    assert jobs.mean(6, 1) == 0
    jobs.receive(5)
    assert jobs.mean(7, 1) == pytest.approx(5 / 0.09)


def test_a_needed_server_is_started_before_and_kept_over_a_short_gap() -> None:
    needed = [1] * 20 + [2] * 5 + [1] * 5 + [2] * 5 + [1] * 30
    planned = plan(needed, lead_seconds=10, gap_seconds=12)
    assert planned == [1] * 10 + [2] * 25 + [1] * 30


def short(load: float = 3.0) -> Trace:
    return Trace(
        name="short",
        title="short",
        seconds=900,
        step_seconds=0.5,
        servers_max=8,
        load=lambda now: load if 120 <= now < 420 else 0.5,
        changes=2,
        surge=(120, 420),
    )


SCALING = Scaling(servers_max=8)


@pytest.mark.parametrize("policy", policies(SCALING), ids=lambda policy: policy.name)
def test_every_request_is_served_or_in_the_system_and_none_is_lost(policy: Policy) -> None:
    run = follow(policy, short(), KIND, [1]).run
    assert run.arrived == pytest.approx(run.completed + run.timeline.waiting[-1])
    assert run.lost == 0


@pytest.mark.parametrize("policy", policies(SCALING), ids=lambda policy: policy.name)
def test_no_policy_waits_less_for_fewer_gpu_seconds_than_the_bound(policy: Policy) -> None:
    bound, found = foresee(short(), KIND, [1]).median, follow(policy, short(), KIND, [1]).median
    assert bound.mean_wait_seconds <= found.mean_wait_seconds
    assert bound.slow_seconds == 0
    assert bound.gpu_seconds < found.gpu_seconds or bound.mean_wait_seconds < found.mean_wait_seconds


def test_a_seed_gives_one_run_and_another_seed_another() -> None:
    policy = ours(SCALING)
    first, again, other = (follow(policy, short(), KIND, [seed]).run for seed in (1, 1, 2))
    assert first.timeline == again.timeline
    assert first.timeline != other.timeline


def test_a_decision_falls_on_the_moment_that_is_given() -> None:
    run = follow(ours(SCALING), short(), KIND, [1], decision_seconds=127.0).run
    changes = [
        now
        for now, (before, after) in zip(run.timeline.seconds[1:], pairwise(run.timeline.wanted), strict=True)
        if before != after
    ]
    assert {(now - 127.0) % 15 for now in changes} == {0}


def test_requests_of_a_measured_run_arrive_when_they_were_sent() -> None:
    trace = replace(short(), sent_seconds=[*[120.0] * 1000, *[300.2] * 500])
    run = follow(ours(SCALING), trace, KIND, [1]).run
    assert run.arrived == 1500
    assert next(now for now, waiting in zip(run.timeline.seconds, run.timeline.waiting, strict=True) if waiting) == 120


def test_without_prometheus_capacity_stays() -> None:
    blind = Metric(name="blind", signal=lambda _prometheus, _now: None, threshold=1)
    policy = replace(ours(SCALING), metrics=[blind])
    assert set(follow(policy, short(), KIND, [1]).run.timeline.wanted) == {1}


class AwayForTenMinutes(Prometheus):
    """Comes back without samples."""

    def scrape(self, now: float, pool: Pool, arrived: float) -> None:
        """Read nothing while it is away."""
        if 300 <= now < 900:
            super().__init__(self.kind)
            self.since = math.inf
        else:
            super().scrape(now, pool, arrived)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_prometheus_that_comes_back_without_samples_takes_no_server_away(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "Prometheus", AwayForTenMinutes)
    policy = ours(Scaling(servers_max=5, scale_down_wait_seconds=60))
    trace = replace(short(), seconds=1200, servers_max=5, load=lambda _: 3.6)
    timeline = follow(policy, trace, KIND, [seed]).run.timeline
    wanted = dict(zip(timeline.seconds, timeline.wanted, strict=True))
    assert {number for second, number in wanted.items() if second >= 300} == {5}


def test_supersonics_silence_counts_as_no_load() -> None:
    (metric,) = supersonic().metrics
    assert metric.empty_is_zero
    assert metric.signal(Prometheus(KIND), 0) is None


def test_ours_is_what_the_program_deploys() -> None:
    policy = ours(Scaling(servers_max=8, queue_target_ms=250, scale_down_wait_seconds=77))
    assert {metric.name: metric.threshold for metric in policy.metrics} == {"waiting-work": 250, "busy-servers": 0.75}
    assert policy.behavior.down.window_seconds == 77


def test_the_signals_of_a_busy_server_with_a_queue() -> None:
    pool, prometheus = Pool(KIND, TIMES, servers=1), Prometheus(KIND)
    arrived = 0.0
    for second in range(130):
        prometheus.scrape(second, pool, arrived)
        pool.step(second, 1, 110)
        arrived += 110
    assert signals.busy_servers(prometheus, 130, executions_per_server=1) == pytest.approx(1.0, rel=0.02)
    waiting = prometheus_pending = pool.serving[0].waiting - 10
    assert signals.pending_requests(prometheus, 130) == pytest.approx(prometheus_pending)
    assert signals.waiting_work_ms(prometheus, 130, default_service_ms=1) == pytest.approx(waiting * 10, rel=0.02)
    assert signals.arriving_work(prometheus, 130, default_service_ms=1) == pytest.approx(1.1, rel=0.02)
    assert signals.queue_ms_per_execution(prometheus, 130) == pytest.approx(10_000, rel=0.2)
