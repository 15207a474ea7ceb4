"""The view of a stack, from facts to the lines that a terminal shows."""

from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from observation.facts import Unknown
from observation.frame import Frame, frame
from observation.live import fitted
from observation.screen import EVENTS_SHOWN, screen
from observation.servers import State
from tests.support.observed import (
    DEPLOYMENT,
    FIRST,
    NAMES,
    SECOND,
    autoscaler,
    condition,
    event,
    facts,
    of_server,
    sample,
    server,
)
from tests.support.snapshots import moment


def lines(shown: Frame, *, width: int = 160) -> list[str]:
    """Return the lines of a frame, as a file would get them."""
    target = Console(width=width, force_terminal=False)
    with target.capture() as captured:
        target.print(screen(shown))
    return [line.rstrip() for line in captured.get().splitlines()]


def find(shown: list[str], start: str) -> list[str]:
    """Return the words of the line that begins with a text."""
    (found,) = [line for line in shown if line.startswith(start)]
    return found.split()


def framed(**changed: Any) -> Frame:
    return frame(facts(**changed), NAMES)


def test_a_pool_has_its_servers_its_limits_and_its_load() -> None:
    (pool,) = framed().pools
    assert pool.counts[State.READY] == 2
    assert pool.load.requests == 40
    assert pool.load.latency_ms == pytest.approx(50)  # 2 requests inside, 40 a second
    assert pool.load.queue_ms == pytest.approx(10)
    assert pool.load.gpu == pytest.approx(0.6)
    assert find(lines(framed()), "gpu  ") == [
        "gpu", "2", "ready", "40", "1", "4", "50", "10", "60%",
    ]  # fmt: skip


def test_each_server_has_its_state_and_its_own_load() -> None:
    shown = lines(framed())
    assert find(shown, FIRST) == [FIRST, "ready", "10m", "10", "3", "50", "0.4", "40%"]
    assert find(shown, SECOND) == [SECOND, "ready", "10m", "30", "1", "50", "1", "80%"]


def test_each_model_has_its_load_in_its_pool() -> None:
    shown = lines(framed())
    assert find(shown, "particlenet") == ["particlenet", "gpu", "40", "1", "4", "50", "10", "1.4"]


def test_the_autoscaler_tells_its_decision_its_metric_and_its_reason() -> None:
    limited = condition("ScalingLimited", "True", "TooManyReplicas")
    shown = lines(framed(autoscalers=[autoscaler(limited, wants=4, present="2500m")]))
    at = shown.index("gpu: wants 4, has 2, may have 2 to 4")
    assert shown[at + 1] == "  at its ceiling: the load asks for more than the most servers (TooManyReplicas)"
    assert shown[at + 2] == "  waiting-work 2.5 of 1 ms a server"


def test_clients_are_told_by_envoy() -> None:
    shown = lines(framed())
    assert "41 calls/s, 2 in progress; half answered within 48.2 ms, 99 % within 130 ms" in shown
    assert "no refusal in the last 10 minutes" in shown


def test_refusals_are_told_by_cause() -> None:
    counted = [sample("no healthy server", 12.2), sample("Envoy's memory full", 0.0)]
    shown = lines(framed(envoys=counted))
    assert "12 refused in the last 10 minutes: no healthy server" in shown
    assert not any("memory full" in line for line in shown)


def test_events_of_the_stack_are_shown_the_latest_first() -> None:
    events = [
        event(FIRST, "Started", "Started container triton", seconds_ago=90),
        event(f"keda-hpa-{DEPLOYMENT}", "SuccessfulRescale", "New size: 3", seconds_ago=10),
        event(f"{DEPLOYMENT}-7d4b9c6f5", "FailedCreate", "exceeded\n quota", seconds_ago=30, count=4, type="Warning"),
        event("sonic-demo-large-triton-gpu-7d4b9c6f5-x2lqp", "Started", "another stack", seconds_ago=5),
    ]  # fmt: skip
    found = framed(events=events).happenings
    assert not isinstance(found, Unknown)
    assert [(each.reason, each.times, each.warning) for each in found] == [
        ("SuccessfulRescale", 1, False),
        ("FailedCreate", 4, True),
        ("Started", 1, False),
    ]
    shown = lines(framed(events=events))
    assert "exceeded quota (4 times)" in next(line for line in shown if "FailedCreate" in line)


def test_no_more_events_are_shown_than_a_glance_takes() -> None:
    events = [event(FIRST, "Pulled", f"number {n}", seconds_ago=n) for n in range(EVENTS_SHOWN + 5)]
    assert sum("Pulled" in line for line in lines(framed(events=events))) == EVENTS_SHOWN


def test_without_prometheus_the_cluster_is_still_shown() -> None:
    away = Unknown("Prometheus: not asked (forbidden): run `kubectl port-forward`")
    shown = lines(framed(servers=away, envoys=away))
    assert shown.count(away.sentence) == 2
    assert find(shown, FIRST) == [
        FIRST,
        "ready",
        "10m",
        "\N{EN DASH}",
        "\N{EN DASH}",
        "\N{EN DASH}",
        "\N{EN DASH}",
        "\N{EN DASH}",
    ]
    assert "gpu: wants 2, has 2, may have 2 to 4" in shown
    assert "  waiting-work 0.3 of 1 ms a server" in shown


def test_without_a_right_each_part_says_so_in_its_place() -> None:
    parts = ("pods", "deployments", "scaled_objects", "autoscalers", "events")
    shown = lines(framed(**{part: Unknown(f"{part} cannot be read: get the right") for part in parts}))
    assert "pods cannot be read: get the right" in shown
    assert "deployments cannot be read: get the right" in shown
    assert "events cannot be read: get the right" in shown
    assert find(shown, "gpu  ")[:2] == ["gpu", "\N{EN DASH}"]
    assert find(shown, "particlenet")[2] == "40"


def test_servers_that_prometheus_does_not_know_are_told() -> None:
    shown = lines(framed(servers=[]))
    assert "Prometheus has no series of the servers: python -m acceptance says what to compare" in shown


def test_the_pages_of_the_stack_are_told() -> None:
    pages = {"Prometheus": "https://prometheus.example.org/", "Grafana": "https://grafana.example.org/"}
    told = ["Prometheus: https://prometheus.example.org/", "Grafana: https://grafana.example.org/"]
    assert set(told) <= set(lines(frame(facts(), replace(NAMES, pages=pages))))


def test_brackets_of_a_message_are_no_markup() -> None:
    events = [event(FIRST, "Failed", "Error: [bold]not found[/bold]", seconds_ago=1)]
    assert any("[bold]not found[/bold]" in line for line in lines(framed(events=events)))


@pytest.mark.parametrize("number", [10, 40])
def test_a_live_frame_fits_the_terminal_and_keeps_the_events_in_sight(number: int) -> None:
    events = [event(FIRST, "Pulled", "done", seconds_ago=1)]
    pods = [server(f"{DEPLOYMENT}-7d4b9c6f5-{n:05}") for n in range(number)]
    pods[7]["metadata"]["deletionTimestamp"] = moment(-10)
    terminal = Console(width=160, height=40, force_terminal=False)
    rendered = terminal.render_lines(fitted(terminal, framed(pods=pods, events=events)), pad=False)
    text = ["".join(segment.text for segment in line).rstrip() for line in rendered]
    assert len(text) <= terminal.height
    assert "Pulled" in text[-1]
    assert any("draining" in line for line in text), "a server that needs a look is among those shown"
    assert any(line.startswith("and ") for line in text) is (number == 40)


@pytest.mark.parametrize("width", [80, 100])
def test_a_narrow_terminal_shortens_names_and_messages_and_no_number(width: int) -> None:
    message = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. " * 3
    unplaced = {"type": "PodScheduled", "status": "False", "message": message}
    events = [event(FIRST, "FailedScheduling", message, seconds_ago=40, type="Warning")]
    pods = [server(conditions=(unplaced,)), server(SECOND)]
    shown = lines(framed(pods=pods, events=events), width=width)
    assert max(map(len, shown)) <= width
    (happened,) = [line for line in shown if "FailedScheduling" in line]
    assert happened.split()[0] == "40s"
    assert "-x2lqp  FailedScheduling" in happened
    assert happened.endswith("\N{HORIZONTAL ELLIPSIS}")
    (row,) = [line.split() for line in shown if "-9wz4t " in line]
    assert row[1:] == ["ready", "10m", "30", "1", "50", "1", "80%"]
    for header in ("req/s  failed/s  waiting  latency ms  queue ms  GPU", "req/s  waiting  latency ms  executing  GPU"):
        assert any(line.endswith(header) for line in shown)


def test_servers_with_the_same_trouble_share_a_remark() -> None:
    unplaced = {"type": "PodScheduled", "status": "False", "message": "no GPU is free"}
    pods = [server(f"{DEPLOYMENT}-7d4b9c6f5-{n:05}", conditions=(unplaced,)) for n in range(5)]
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": moment(300)}}
    crashed = server(SECOND, restartCount=2, lastState=ended)
    shown = lines(framed(pods=[*pods, crashed]))
    assert "00000, 00001, 00002 and 2 more: no GPU is free" in shown
    assert "9wz4t: last run ended 5m ago: OOMKilled, exit code 137; 2 restarts" in shown


def test_models_without_a_request_take_one_line() -> None:
    idle = [each for name in ("deepmet", "deeptau") for each in of_server(FIRST, name, requests=0.0, pending=0.0)]
    assert "without a request: deepmet, deeptau" in lines(framed(servers=[*of_server(FIRST, requests=1.0), *idle]))


def test_the_second_line_says_what_needs_a_look() -> None:
    calm = [*of_server(FIRST, requests=10.0, failed=0.0, pending=0.0, total=0.5, queue=0.2)]
    assert lines(framed(servers=calm))[1] == "nothing needs a look"
    crashed = server(waiting={}, state={"waiting": {"reason": "CrashLoopBackOff"}}, conditions=())
    refused = [sample("no healthy server", 12.2), sample("no valid token", 3.0)]
    found = framed(pods=[crashed], envoys=refused, events=Unknown("events cannot be read"))
    assert lines(found)[1] == (
        "needs a look: no ready server in pool gpu; 1 failing server in pool gpu; 15 calls refused in 10 minutes; "
        "failed requests in pool gpu; not all could be asked"
    )


def test_a_pool_without_a_server_that_is_wanted_so_needs_no_look() -> None:
    found = framed(pods=[], servers=[], autoscalers=[autoscaler(wants=0)])
    assert lines(found)[1] == "nothing needs a look"
