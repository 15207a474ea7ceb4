"""What a person sees of long work."""

import io

import pytest

from devcluster import progress
from devcluster.progress import Progress, duration


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_steps_are_numbered_and_timed(clock: Clock) -> None:
    stream = io.StringIO()
    shown = Progress(total=12, stream=stream)
    for title, seconds in (("etcd", 1.5), ("API server", 125.0)):
        with shown.step(title):
            clock.now += seconds
    assert stream.getvalue() == (
        "[ 1/12] etcd …\n[ 1/12] etcd  1.5 s\n[ 2/12] API server …\n[ 2/12] API server  2 min 05 s\n"
    )


def test_a_step_that_fails_says_so(clock: Clock) -> None:
    stream = io.StringIO()

    def start_etcd() -> None:
        with Progress(total=1, stream=stream).step("etcd"):
            clock.now += 30
            raise RuntimeError

    with pytest.raises(RuntimeError):
        start_etcd()
    assert stream.getvalue().splitlines()[-1] == "[1/1] etcd: failed after 30 s"


def test_waiting_is_reported_at_most_every_five_seconds(clock: Clock) -> None:
    stream = io.StringIO()
    shown = Progress(total=1, stream=stream)
    with shown.step("etcd"):
        for _ in range(12):
            clock.now += 1
            shown.waiting("an answer")
    assert stream.getvalue().splitlines()[1:-1] == [
        "[1/1] etcd: 5.0 s, waiting for an answer",
        "[1/1] etcd: 10 s, waiting for an answer",
    ]


def test_a_terminal_sees_one_line_per_step(clock: Clock) -> None:
    stream = Terminal()
    shown = Progress(total=1, stream=stream)
    with shown.step("etcd"):
        clock.now += 6
        shown.waiting("an answer")
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().split("\r\x1b[K")[1:] == [
        "[1/1] etcd …",
        "[1/1] etcd: 6.0 s, waiting for an answer",
        "[1/1] etcd  6.0 s\n",
    ]


@pytest.mark.usefixtures("clock")
def test_a_line_longer_than_the_terminal_is_cut_while_it_is_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    stream = Terminal()
    shown = Progress(total=1, stream=stream)
    with shown.step("a title that is longer than the line"):
        pass
    redrawn, ended = stream.getvalue().split("\r\x1b[K")[1:]
    assert redrawn == "[1/1] a title that is longer "
    assert ended == "[1/1] a title that is longer than the line  0.0 s\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.9, "9.9 s"), (42, "42 s"), (59.9, "1 min 00 s"), (60, "1 min 00 s"), (425, "7 min 05 s")],
)
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
