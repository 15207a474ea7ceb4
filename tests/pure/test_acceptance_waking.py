"""The check asks a stack without a server for one."""

from typing import Any

import pytest

from acceptance import waking
from acceptance.kserve import CallError


class Starting:
    """Answers from the third call on, and fails before as it is told."""

    def __init__(self, status: str) -> None:
        self.calls, self.status = 0, status

    def server_live(self) -> bool:
        self.calls += 1
        if self.calls < 3:
            raise CallError(self.status)
        return True


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking, "_PERIOD_SECONDS", 0.001)


def wake(server: Any, patience_seconds: float) -> list[str]:
    told: list[str] = []
    waking.wake(server, patience_seconds=patience_seconds, tell=told.append)
    return told


def test_it_asks_until_a_server_answers_and_says_so_once() -> None:
    server = Starting("UNAVAILABLE: no healthy upstream")
    assert wake(server, 30) == ["no server runs: asked for one, and waiting for it up to 30 s\n"]
    assert server.calls == 3


def test_any_other_error_is_an_answer() -> None:
    server = Starting("UNAUTHENTICATED: Jwt is missing")
    assert wake(server, 30) == []
    assert server.calls == 1


def test_it_ends_with_its_patience() -> None:
    server = Starting("UNAVAILABLE: no healthy upstream")
    wake(server, 0)
    assert server.calls == 1
