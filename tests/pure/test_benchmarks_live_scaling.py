"""The live run beside the simulator: what is read of the cluster, and the distance between two curves."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.autoscaling.comparison import follow
from benchmarks.autoscaling.policies import ours_in, supersonic
from benchmarks.autoscaling.routing import shortest_queue
from benchmarks.autoscaling.scores import score
from benchmarks.autoscaling.server import ServerKind
from benchmarks.live_scaling.curves_plot import Curves
from benchmarks.live_scaling.deviation import Band, band, deviation
from benchmarks.live_scaling.disturbances import kept_row, write_changes
from benchmarks.live_scaling.live_rows import predicted_rows
from benchmarks.live_scaling.live_suite import surge_load
from benchmarks.live_scaling.measured_run import first_change_seconds, measured_run
from benchmarks.live_scaling.observer import Look, SeenServer, pending
from benchmarks.live_scaling.starts import Starts
from benchmarks.live_scaling.surge_load import SERVICE_SECONDS
from benchmarks.live_scaling.watch import events
from benchmarks.loopback.samples import Sample
from stacks.resolve import resolve

LOAD = surge_load(quick=False)
TRACE = LOAD.trace()
KIND = ServerKind(service_seconds=SERVICE_SECONDS, gpu_fraction=None, start_seconds=2, load_seconds=5)
ORIGIN = 1000.0
SURGE = int(LOAD.begin_seconds)


def server(name: str, *, ready: str = "2026-11-28T05:00:00Z", leaving: bool = False, waiting: float = 0) -> SeenServer:
    return SeenServer(name=name, ready_since=ready, leaving=leaving, waiting=waiting)


def look(second: float, *servers: SeenServer, serving: int, wanted: int | None = None) -> Look:
    number = len(servers) if wanted is None else wanted
    return Look(seconds=ORIGIN + second, wanted=number, servers=servers, serving=serving, cpu_percent=50)


def sample(status: str = "OK") -> Sample:
    return Sample(0, 0, 1, status, "")


OLD = (server("a", waiting=20), server("b", waiting=20))
LATE = server("c", ready="2026-11-28T05:01:00Z")
LOOKS = [
    look(-1, server("a"), server("b"), serving=2),
    look(SURGE + 10, *OLD, serving=2, wanted=3),
    look(SURGE + 12, *OLD, server("c", ready=""), serving=2),
    look(SURGE + 18, *OLD, LATE, serving=2),
    look(SURGE + 20, *OLD, LATE, serving=3),
    look(SURGE + 40, server("a"), server("b"), LATE, serving=3),
]


def test_kubectl_tells_of_each_change() -> None:
    told = [
        {"type": "ADDED", "object": {"metadata": {"uid": "1", "annotations": {"text": "}"}}}},
        {"type": "DELETED", "object": {"metadata": {"uid": "1"}}},
    ]
    assert list(events(f"{json.dumps(event)}\n" for event in told)) == told


def test_requests_of_all_models_wait() -> None:
    metrics = """# HELP nv_inference_pending_request_count Instantaneous number of pending requests
# TYPE nv_inference_pending_request_count gauge
nv_inference_pending_request_count{model="sleep_identity",version="1"} 12
nv_inference_pending_request_count{model="sum_and_difference",version="1"} 3
nv_inference_request_success{model="sleep_identity",version="1"} 99
"""
    assert pending(metrics) == 15
    assert pending("") == 0


def test_a_run_in_the_cluster_gets_the_scores_of_the_simulator() -> None:
    run = measured_run(
        LOOKS, [sample(), sample("UNAVAILABLE")], trace=TRACE, kind=KIND, routing=shortest_queue, origin_seconds=ORIGIN
    )
    found = score(run)
    assert len(run.timeline.seconds) == TRACE.seconds
    assert found.first_server_seconds == 20
    assert found.cleared_seconds == 40
    assert found.gpu_seconds == 2 * (SURGE + 12) + 3 * (TRACE.seconds - SURGE - 12)
    assert (run.arrived, found.lost) == (2, 1)
    assert first_change_seconds(run) == SURGE + 10


def test_a_server_that_no_envoy_knows_shortens_no_wait() -> None:
    run = measured_run(LOOKS, [sample()], trace=TRACE, kind=KIND, routing=shortest_queue, origin_seconds=ORIGIN)
    assert run.timeline.next_seconds[SURGE + 19] == 20 * SERVICE_SECONDS
    assert score(run).new_requests_seconds == 20


def test_a_server_that_drains_holds_a_pod_and_its_queue() -> None:
    draining = look(5, server("a"), server("b", leaving=True, waiting=4), serving=1, wanted=1)
    run = measured_run(
        [LOOKS[0], draining], [sample()], trace=TRACE, kind=KIND, routing=shortest_queue, origin_seconds=ORIGIN
    )
    timeline = run.timeline
    assert (timeline.pods[-1], timeline.serving[-1], timeline.wanted[-1]) == (2, 1, 1)
    assert (timeline.longest_seconds[-1], timeline.next_seconds[-1]) == (4 * SERVICE_SECONDS, 0)


def test_a_deviation_is_a_part_of_what_was_measured() -> None:
    assert deviation([2, 2, 4], [2, 2, 4]) == 0
    assert deviation([2, 2, 4], [1, 3, 2]) == pytest.approx((1 + 1 + 2) / 8)
    with pytest.raises(ValueError, match="zero"):
        deviation([0, 0], [1, 1])
    with pytest.raises(ValueError, match="shorter"):
        deviation([1, 1], [1])


def test_the_simulator_deviates_from_itself_by_chance_alone() -> None:
    runs = [follow(supersonic(), TRACE, KIND, [seed], decision_seconds=100).run for seed in (1, 2, 3)]
    servers = band(runs, lambda timeline: timeline.pods)
    assert len(servers.middle) == TRACE.seconds
    assert all(
        low <= middle <= high for low, middle, high in zip(servers.low, servers.middle, servers.high, strict=True)
    )
    assert servers.own_deviation < 0.1


@pytest.mark.parametrize(("off", "reached"), [(1.0, True), (1.15, True), (1.5, False)])
def test_a_prediction_is_good_within_a_fifth(off: float, reached: bool) -> None:
    run = measured_run(LOOKS, [sample()], trace=TRACE, kind=KIND, routing=shortest_queue, origin_seconds=ORIGIN)
    timeline = run.timeline

    def curve(values: list[float] | list[int]) -> Band:
        predicted = [value * off for value in values]
        return Band(low=predicted, middle=predicted, high=predicted, runs=[predicted])

    measured = score(run)
    predicted = replace(
        measured,
        first_server_seconds=measured.first_server_seconds * off,
        new_requests_seconds=measured.new_requests_seconds * off,
        cleared_seconds=measured.cleared_seconds * off,
        mean_wait_seconds=measured.mean_wait_seconds * off,
        gpu_seconds=measured.gpu_seconds * off,
    )
    curves = Curves(measured=run, servers=curve(timeline.pods), waiting=curve(timeline.waiting))
    rows = predicted_rows("live", "ours", predicted, measured, curves, rejected="")
    assert {row.reached for row in rows} == {reached}


def test_the_simulator_starts_servers_as_they_were_measured() -> None:
    policy = supersonic()
    starts = Starts(start_seconds=KIND.start_seconds, load_seconds=KIND.load_seconds, served_seconds=20)
    times = starts.routed(policy.times, KIND)
    assert times.start_seconds(KIND) == 20
    assert times.route_seconds == 20 - KIND.start_seconds - policy.times.startup_period_seconds


@pytest.mark.parametrize(("fewest", "reached"), [(5, True), (4, False)])
def test_a_number_that_falls_for_a_moment_has_not_stood(fewest: int, reached: bool) -> None:
    before, *looks = [look(second, serving=5, wanted=wanted) for second, wanted in enumerate((5, 5, fewest, 5))]
    assert kept_row("outage", "servers", before, looks).reached is reached


def test_a_line_is_written_for_each_change_of_the_servers(tmp_path: Path) -> None:
    looks = [
        look(0, server("a"), serving=1),
        look(1, server("a", waiting=3), serving=1),
        look(2, server("a"), server("b", ready=""), serving=1),
    ]
    write_changes(looks, ORIGIN - 10, tmp_path / "outage.csv")
    assert (tmp_path / "outage.csv").read_text().splitlines() == [
        "second,wanted,pods,ready,serving",
        "10,1,1,1,1",
        "12,2,2,1,1",
    ]


def test_the_requests_are_the_load_and_no_envoy_refuses_one() -> None:
    """The servers' work, in servers; and by the simulator no more requests wait than each side's Envoys take."""
    lasting, added = LOAD.lasting("", 1), LOAD.added("", 1)
    assert lasting.rate_per_second * SERVICE_SECONDS == pytest.approx(LOAD.low)
    assert (lasting.rate_per_second + added.rate_per_second) * SERVICE_SECONDS == pytest.approx(LOAD.high)
    config = resolve("dev").config
    for_each_server = config.experiment.admission.requests_in_flight_per_server_max
    assert for_each_server
    for policy, most in ((supersonic(), 1024), (ours_in(config), for_each_server * LOAD.servers_min)):
        waiting = follow(policy, TRACE, KIND, [1]).run.timeline.waiting
        assert max(waiting) + LOAD.servers_max < most
