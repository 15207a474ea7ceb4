"""Samples, tables and events of the benchmarks, and the changes to a configuration on loopback."""

import json
from pathlib import Path

import pytest

from benchmarks.loopback.load import Load, Plan
from benchmarks.loopback.samples import Sample, causes, failed, in_flight_max, read_samples, write_samples
from benchmarks.loopback.side_envoy import digest
from benchmarks.loopback.sides import Side, ours, own_timing, supersonic
from benchmarks.result_table import BASELINE, Row, render
from benchmarks.results import block_result
from benchmarks.traffic import overload, server_events
from benchmarks.traffic.limiter_decisions import CASES
from testbed.dns_stub import with_resolver
from testbed.real_envoy import on_loopback

OK = Sample(0.0, 0.001, 0.011, "OK", "")
SLOW = Sample(0.1, 0.4, 0.5, "OK", "")
LOST = Sample(0.2, 0.201, 0.202, "UNAVAILABLE", 'no, "healthy" upstream')


class TestSamples:
    def test_latency_counts_from_the_intended_time(self) -> None:
        assert SLOW.latency_seconds == pytest.approx(0.4)

    def test_the_file_gives_back_what_was_written(self, tmp_path: Path) -> None:
        path = tmp_path / "block.csv.gz"
        write_samples(path, [OK, SLOW, LOST])
        assert read_samples(path) == [OK, SLOW, LOST]

    def test_failures_are_counted_by_status(self) -> None:
        assert failed([OK, LOST, LOST]) == 2
        assert causes([OK, LOST, LOST, Sample(0, 0, 1, "CANCELLED", "")]) == {"UNAVAILABLE": 2, "CANCELLED": 1}

    def test_requests_in_succession_are_not_in_flight_together(self) -> None:
        touching = [Sample(0, 0, 1, "OK", ""), Sample(1, 1, 2, "OK", ""), Sample(1, 1.5, 3, "OK", "")]
        assert in_flight_max(touching) == 2

    def test_a_failed_request_counts_with_its_whole_deadline(self) -> None:
        block = block_result(
            [OK, LOST],
            scenario="crash",
            block=0,
            side="ours",
            cpu_seconds=0.5,
            peak_memory_mib=60,
            direct_p50_ms=1,
            deadline_seconds=5,
        )
        assert block.p50_ms == pytest.approx(11)
        assert block.max_ms == 5000
        assert (block.failed, block.cpu_seconds_per_1000) == (1, 250)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    load = Load(targets=("127.0.0.1:1", "127.0.0.1:2"), rate_per_second=3, duration_seconds=4, seed=5, sleep_ms=6)
    plan = Plan(load=load, start_file="s", samples_file="c")
    plan.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == plan


class TestConfiguration:
    @pytest.mark.parametrize("side", [supersonic(), ours()], ids=lambda side: side.name)
    def test_envoy_listens_only_on_loopback(self, side: Side) -> None:
        moved = {port: 20_000 + port for port in side.ports}
        text = json.dumps(on_loopback(with_resolver(side.config, 15353), moved))
        assert "0.0.0.0" not in text  # noqa: S104
        assert all(f'"port_value": {port}}}' not in text for port in side.ports)

    @pytest.mark.parametrize("side", [supersonic(), ours()], ids=lambda side: side.name)
    def test_the_dns_stub_is_the_only_addition(self, side: Side) -> None:
        told = with_resolver(side.config, 15353)
        assert _without_resolvers(told) == _without_resolvers(side.config)
        assert json.dumps(told).count("15353") == 1

    def test_different_configurations_have_different_digests(self) -> None:
        digests = [digest(side.config) for side in (supersonic(), supersonic("ROUND_ROBIN"), ours())]
        assert len(set(digests)) == 3

    def test_our_envoy_has_the_arguments_of_its_pod_except_those_of_a_pod(self) -> None:
        words = ours().envoy_arguments
        assert "--concurrency" in words
        assert not [word for word in words if "POD_NAME" in word or "/etc/" in word or "config" in word]

    def test_our_envoy_drains_with_the_script_of_the_program(self) -> None:
        shell, script, port, *_times = ours().envoy_pre_stop
        assert (shell, port) == ("/bin/bash", "ADMIN_PORT")
        assert Path(script).is_file()


@pytest.mark.parametrize("event", [server_events.rollout(), server_events.scale_in()], ids=lambda e: e.name)
def test_requests_run_until_the_last_server_of_an_event_is_gone(event: server_events.ServerEvent) -> None:
    last_stop = event.duration_seconds - own_timing(event.dns_ttl_seconds).pre_stop_seconds
    assert last_stop > server_events.LEAD_SECONDS + (event.stops - 1) * 8


def test_the_policy_of_the_limiter_has_eight_cases() -> None:
    assert len({case.title for case in CASES}) == 8
    assert [case.title for case in CASES if case.right == "refuse"] == ["500", "two series, 5 and 500"]


def test_goodput_counts_answers_in_time_before_the_load_ended() -> None:
    def sample(sent: float, ended: float, status: str = "OK") -> Sample:
        return Sample(sent, sent, ended, status, "")

    heavy = [sample(0, 1), sample(1, 2), sample(0, 3), sample(9, 10.5), sample(2, 2, "RESOURCE_EXHAUSTED")]
    block = overload.Block(
        samples={"heavy": heavy, "light": [sample(3, 5), sample(4, 5)]}, capacity_per_second=0.5, duration_seconds=10
    )
    assert block.in_time == {"heavy": 2, "light": 2}
    assert (block.goodput, block.fairness) == (0.8, 1.0)


class TestTable:
    def test_the_table_has_aligned_columns_and_verdicts(self) -> None:
        rows = [
            Row(benchmark="B1", measure="lost", theirs="219 of 2,100", ours="0 of 2,100", aim="0", reached=True),
            Row(benchmark="B3", measure="p99, ms", ours="300", aim="≤ 200", reached=False),
        ]
        header, rule, first, second = render(rows).splitlines()
        assert len({len(line) for line in (header, rule, first, second)}) == 1
        assert first.endswith("reached |")
        assert "MISSED" in second

    def test_rows_with_another_baseline_have_a_table_of_their_own(self) -> None:
        rows = [
            Row(benchmark="B1", measure="lost", ours="0"),
            Row(benchmark="path", measure="p50, ms, / direct", compared=BASELINE, ours="1.2"),
        ]
        first, second = render(rows).split("\n\n")
        assert "SuperSONIC" in first.splitlines()[0]
        assert "SuperSONIC" not in second
        assert "baseline" in second.splitlines()[0]

    def test_a_rejected_row_shows_the_reason_and_no_verdict(self) -> None:
        text = render([Row(benchmark="B2", measure="CPU", aim="1", reached=True, rejected="the machine changed")])
        assert "rejected" in text
        assert "reached" not in text
        assert text.endswith("B2: the machine changed")


def _without_resolvers(config: object) -> object:
    """The configuration without any resolver, and without what only a resolver needs."""
    if isinstance(config, list):
        return [_without_resolvers(item) for item in config]
    if not isinstance(config, dict):
        return config
    return {key: _without_resolvers(value) for key, value in config.items() if key != "typed_dns_resolver_config"}
