"""The report of a stack: what it asks for, its totals and plots, its gaps, and the file that is sent."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from access.prometheus import Ask, PrometheusError
from components.envoy.refusals import REFUSALS
from observation.chart import axis, named_times
from observation.history import History, Span, duration_seconds, read, span
from observation.page import page
from observation.summary import Summary, summary
from observation.values import Series
from stacks.__main__ import main
from tests.support.observed import NAMES
from tests.support.reported import by_value, series
from tests.support.snapshots import NOW

TWO_HOURS = Span(start=NOW - timedelta(hours=2), end=NOW, step_seconds=1800)
"""Five times."""

POOL = by_value(
    series("requests", 1, 2, 3, None, 4, model="a"),
    series("requests", None, None, 1, None, 0, model="b"),
    series("failed", 0, 0, 0.01, None, 0, reason="BACKEND"),
    series("total", 0.1, 0.2, 0.4, None, 0.4),
    series("queue", 0, 0, 0.2, None, 0),
    series("pending", 0, 5, 2, None, 0),
    series("servers", 2, 2, 4, None, 4),
    series("gpus", 2, 2, 4, None, 4),
)
ENVOYS = by_value(
    series("latency_p50_ms", 10, 12, 30, None, 9),
    series("latency_p99_ms", 40, 42, 130, None, 41),
    series("answered", 90, 100, 200, None, 7),
    series("ended", 0, 0, 3, None, 0, grpc_status="14"),
    series("no healthy server", 0, 0, 7, None, 0),
    series("no valid token", 0, 0, 0, None, 0),
)


def reported(**changes: Any) -> Summary:
    usual: dict[str, Any] = {"span": TWO_HOURS, "pools": {"gpu": POOL}, "envoys": ENVOYS, "unknown": {}}
    return summary(History(**(usual | changes)), NAMES)


def test_totals_are_over_the_whole_time() -> None:
    assert dict(reported().totals) == {
        "requests that succeeded in servers": "19\u202f800",  # 11 a second, each for half an hour
        "requests that failed in servers": "18",
        "calls that ended with an error, refused ones with them": "3",
        "calls that Envoy refused: no healthy server": "7",
        "servers of pool gpu": "2 to 4, 3.0 on average",
        "GPU hours of pool gpu": "6.00",
        "requests per GPU hour": "3\u202f300",
        "requests of model a": "18\u202f000",
        "requests of model b": "1\u202f800",
    }


def test_a_few_figures_tell_whether_the_stack_did_its_work() -> None:
    assert [(each.name, each.value, each.more) for each in reported().figures] == [
        ("calls answered", "397", ""),
        ("calls failed or refused", "3", "0.8% of all"),
        ("50% of the calls within", "11 ms", "typical; worst 30 ms"),
        ("99% of the calls within", "42 ms", "typical; worst 130 ms"),
        ("servers", "2 to 4", "3.0 on average"),
        ("GPU hours", "6.0", ""),
    ]


@pytest.mark.parametrize(("failed", "share"), [(0, ""), (1, "under 0.1% of all"), (10_000, "9.1% of all")])
def test_a_share_is_none_only_if_no_call_failed(failed: float, share: str) -> None:
    envoys = by_value(series("answered", 1e5), series("ended", failed, grpc_status="14"))
    (figure,) = [each for each in reported(envoys=envoys).figures if each.name == "calls failed or refused"]
    assert figure.more == share


def test_each_plot_has_its_curves() -> None:
    curves = {plot.title: {curve.name: list(curve.values) for curve in plot.curves} for plot in reported().plots}
    assert curves["Latency of clients' calls"] == {
        "50% of the calls within": [10, 12, 30, None, 9],
        "99% of the calls within": [40, 42, 130, None, 41],
    }
    times = curves["Mean time of a request in the servers"]
    assert times["gpu: in all"] == pytest.approx([100, 100, 100, None, 100])
    assert times["gpu: in the queue"] == pytest.approx([0, 0, 50, None, 0])
    assert curves["Load and servers"] == {
        "gpu: requests per second": [1, 2, 4, None, 4],
        "gpu: servers": [2, 2, 4, None, 4],
    }
    assert curves["Refused and failed calls"] == {
        "refused: no healthy server": [0, 0, 7, None, 0],
        "ended: UNAVAILABLE": [0, 0, 3, None, 0],
        "failed in gpu: BACKEND": [0, 0, pytest.approx(18), None, 0],
    }
    assert curves["GPUs"] == {"gpu": [2, 2, 4, None, 4]}


def test_times_without_a_sample_are_told() -> None:
    assert reported().missing == ["Prometheus has no sample of a server at 27 Nov 11:30 UTC"]


def test_a_value_that_could_not_be_asked_is_told_beside_the_others() -> None:
    found = reported(unknown={"Prometheus refuses the query (timed out)": ["ended", "gpus of pool gpu"]})
    assert found.missing[0] == "ended, gpus of pool gpu: Prometheus refuses the query (timed out)"
    assert found.plots


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("24h", 86400), ("7d", 604800)])
def test_a_time_is_written_in_minutes_hours_or_days(text: str, seconds: int) -> None:
    assert duration_seconds(text) == seconds


@pytest.mark.parametrize(("seconds", "step"), [(86400, 288), (600, 15)])
def test_a_report_has_as_many_values_as_a_plot_shows(seconds: int, step: int) -> None:
    covered = span(seconds, NAMES, NOW + timedelta(seconds=7))
    assert covered.step_seconds == step
    assert covered.end - covered.start >= timedelta(seconds=seconds)
    assert NOW + timedelta(seconds=7) - covered.end < timedelta(seconds=step)
    assert covered.times[-1] == covered.end


def prometheus(asked: list[dict[str, list[str]]]) -> Ask:
    """Answer each question with one series, whose first value and whose NaN are no values."""

    def ask(question: str) -> Mapping[str, Any]:
        asked.append(parse_qs(urlsplit(question).query))
        start = TWO_HOURS.start.timestamp()
        points = [[start + 1800, "1"], [start + 3600, "NaN"], [start + 5400, "2.5"]]
        return {"status": "success", "data": {"result": [{"metric": {"model": "a"}, "values": points}]}}

    return ask


def test_a_history_has_a_value_or_a_gap_at_each_time() -> None:
    asked: list[dict[str, list[str]]] = []
    found = read(prometheus(asked), NAMES, TWO_HOURS)
    assert found.pools["gpu"]["requests"] == [Series(labels={"model": "a"}, values=[None, 1, None, 2.5, None])]
    assert set(found.envoys) == {
        "latency_p50_ms",
        "latency_p99_ms",
        "answered",
        "ended",
        *(each.cause for each in REFUSALS),
    }
    start, end = TWO_HOURS.start.timestamp(), TWO_HOURS.end.timestamp()
    assert {(each["start"][0], each["end"][0], each["step"][0]) for each in asked} == {
        (f"{start:.0f}", f"{end:.0f}", "1800")
    }


def test_a_history_without_prometheus_tells_the_reason_once() -> None:
    def away(_: str) -> Any:
        msg = "it does not answer"
        raise PrometheusError(msg)

    found = summary(read(away, NAMES, TWO_HOURS), NAMES)
    assert found.missing == ["Prometheus: it does not answer"]
    assert not found.plots


class _Tags(HTMLParser):
    """Tags and addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}]


def test_the_file_loads_nothing_and_runs_nothing() -> None:
    text = page(reported())
    found = _Tags()
    found.feed(text)
    assert found.tags.count("svg") >= len(reported().plots)
    assert not {"script", "link", "img", "iframe"} & set(found.tags)
    assert [each for each in found.loaded if not each.startswith("#")] == []
    assert "@import" not in text
    assert "url(" not in text


def test_the_file_says_what_it_covers_and_what_is_missing() -> None:
    text = page(reported())
    assert "<title>Stack test-demo, 2026-11-27 10:00 to 2026-11-27 12:00 UTC</title>" in text
    assert "Missing: Prometheus has no sample of a server at 27 Nov 11:30" in text
    assert "GPU hours of pool gpu" in text


def test_a_plot_without_a_value_says_why() -> None:
    text = page(reported(pools={"gpu": {"pending": []}}, envoys={"latency_p50_ms": []}))
    assert "No call reached a server in this time" in text
    assert "No server reports a GPU" in text
    assert "Neither Envoy nor a server tells of a call." in text


def test_what_envoy_does_not_tell_is_not_told_as_none() -> None:
    found = reported(pools={"gpu": {"servers": POOL["servers"]}}, envoys={"answered": [], "ended": []})
    assert [figure.name for figure in found.figures] == ["servers"]
    assert "Refused calls are not known: Prometheus has no series of Envoy." in page(found)


def test_a_time_without_a_loss_is_told_as_one() -> None:
    quiet = by_value(series("ended", 0, 0, 0, None, 0, grpc_status="14"))
    assert "No call was refused, and none failed." in page(reported(pools={"gpu": {}}, envoys=quiet))


@pytest.mark.parametrize(
    ("most", "whole", "lines"),
    [
        (3, True, [0, 1, 2, 3, 4]),
        (8, True, [0, 2, 4, 6, 8]),
        (3, False, [0, 1, 2, 3, 4]),
        (0.17, False, [0, 0.05, 0.1, 0.15, 0.2]),
        (960.0, False, [0, 250, 500, 750, 1000]),
        (105_000, True, [0, 50_000, 100_000, 150_000, 200_000]),
        (0, True, [0, 1, 2, 3, 4]),
    ],
)
def test_an_axis_has_round_values(most: float, whole: bool, lines: list[float]) -> None:
    assert axis(most, whole=whole) == pytest.approx(lines)


@pytest.mark.parametrize(
    ("minutes", "names"),
    [
        (10, ["11:50", "11:52", "11:54", "11:56", "11:58", "12:00"]),
        (1440, ["12:00", "15:00", "18:00", "21:00", "27 Nov", "03:00", "06:00", "09:00", "12:00"]),
        (7 * 1440, ["21 Nov", "22 Nov", "23 Nov", "24 Nov", "25 Nov", "26 Nov", "27 Nov"]),
    ],
)
def test_an_axis_names_round_times(minutes: int, names: list[str]) -> None:
    assert [name for _, name in named_times(NOW - timedelta(minutes=minutes), NOW)] == names


def test_the_file_leads_to_the_pages_of_the_stack() -> None:
    text = page(replace(reported(), pages={"Grafana": "https://grafana.example.org/"}))
    assert '<a href="https://grafana.example.org/">Grafana</a>' in text


def test_a_time_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["report", "dev", "--last", "a day", "-o", str(tmp_path / "report.html")]) == 1
    assert capsys.readouterr().err.strip() == "--last is a day: write minutes, hours or days, such as 30m, 24h or 7d"


def test_without_prometheus_no_file_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    file = tmp_path / "report.html"
    assert main(["report", "dev", "-o", str(file)]) == 1
    assert "found no kubeconfig" in capsys.readouterr().err
    assert not file.exists()
