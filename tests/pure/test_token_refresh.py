"""The program that keeps a virtual kubelet's access token, before a token end point on this machine."""

import base64
import json
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from components.virtual_node import token_refresh

SECRET = "s3cret+/ with a blank"  # noqa: S105


class Issuer(ThreadingHTTPServer):
    """A token end point that gives its answers in turn, the last one again and again."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, object]] = []
        self.asked: list[tuple[str, dict[str, list[str]]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/token"


class _Handler(BaseHTTPRequestHandler):
    server: Issuer

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.asked.append((self.headers["Authorization"], form))
        answers = self.server.answers
        status, answer = answers.pop(0) if len(answers) > 1 else answers[0]
        body = json.dumps(answer).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.server.url)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def settings(issuer: Issuer, tmp_path: Path) -> Mapping[str, str]:
    (tmp_path / "client-secret").write_text(f"{SECRET}\n")
    return {
        "TOKEN_URL": issuer.url,
        "CLIENT_ID": "inter:link",
        "AUDIENCE": "edge",
        "CLIENT_SECRET_FILE": str(tmp_path / "client-secret"),
        "TOKEN_FILE": str(tmp_path / "token"),
    }


class _SleptEnoughError(Exception):
    """Ends a program that runs for ever."""


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits of the program, none of which is waited for; it ends at the third."""
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            raise _SleptEnoughError

    monkeypatch.setattr(time, "sleep", sleep)
    return waited


def test_the_token_is_in_the_file_as_it_is_sent(issuer: Issuer, settings: Mapping[str, str], tmp_path: Path) -> None:
    issuer.answers = [(200, {"access_token": "ey.J0.eXAi", "expires_in": 3600, "token_type": "Bearer"})]
    token_refresh.run(settings, once=True)
    assert (tmp_path / "token").read_bytes() == b"ey.J0.eXAi"
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    ((authorization, form),) = issuer.asked
    # As RFC 6749 wants it: a form's encoding in HTTP's basic scheme.
    assert base64.b64decode(authorization.removeprefix("Basic ")) == b"inter%3Alink:s3cret%2B%2F+with+a+blank"
    assert form == {"grant_type": ["client_credentials"], "audience": ["edge"]}


def test_a_token_is_renewed_when_half_of_its_life_is_over(
    issuer: Issuer, settings: Mapping[str, str], sleeps: list[float], tmp_path: Path
) -> None:
    issuer.answers = [
        (200, {"access_token": "a", "expires_in": 3600}),
        (200, {"access_token": "b", "expires_in": 8}),
        (200, {"access_token": "c"}),
    ]
    with pytest.raises(_SleptEnoughError):
        token_refresh.run(settings, once=False)
    assert sleeps == [1800, 10, 150]
    assert (tmp_path / "token").read_text() == "c"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((401, {"error": "invalid_client", "error_description": SECRET}), "HTTP 401, invalid_client"),
        ((502, "bad gateway"), "HTTP 502"),
        ((200, {"error": "none"}), "the answer has no access_token"),
        ((200, {"access_token": "two\nlines"}), "the answer has no access_token"),
        ((302, {}), "HTTP 302"),
    ],
)
def test_the_last_token_stays_while_the_issuer_gives_none(
    answer: tuple[int, object],
    told: str,
    issuer: Issuer,
    settings: Mapping[str, str],
    sleeps: list[float],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    issuer.answers = [(200, {"access_token": "a", "expires_in": 60}), answer]
    with pytest.raises(_SleptEnoughError):
        token_refresh.run(settings, once=False)
    assert sleeps == [30, 10, 10]
    assert (tmp_path / "token").read_text() == "a"
    output = capsys.readouterr().err
    assert told in output
    assert SECRET not in output


def test_the_first_token_is_waited_for(
    issuer: Issuer, settings: Mapping[str, str], sleeps: list[float], tmp_path: Path
) -> None:
    issuer.answers = [(503, {}), (503, {}), (200, {"access_token": "a"})]
    token_refresh.run(settings, once=True)
    assert sleeps == [10, 10]
    assert (tmp_path / "token").read_text() == "a"
