"""A program in kubectl's place: `kubectl proxy` that gives recorded answers of an API server."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

_PROGRAM = f"""#!{sys.executable}
import http.server, json, os, socketserver, sys
folder = os.path.dirname(os.path.abspath(__file__))
json.dump(sys.argv[1:], open(os.path.join(folder, "arguments"), "w"))
answers = json.load(open(os.path.join(folder, "answers")))
if "error" in answers:
    sys.exit(answers["error"])

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body = answers.get(self.command + " " + self.path, [404, "404 page not found"])
        self.send_response(status)
        self.end_headers()
        self.wfile.write((body if isinstance(body, str) else json.dumps(body)).encode())
    do_GET = do_POST = answer
    def address_string(self):
        return ""
    def log_message(self, *arguments):
        pass

path = sys.argv[-1].partition("=")[2]
with socketserver.UnixStreamServer(path, Handler) as server:
    print("Starting to serve on", path, flush=True)
    server.serve_forever()
"""


class KubectlStandIn:
    """The program, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        program = folder / "kubectl"
        program.write_text(_PROGRAM)
        program.chmod(0o755)

    def answers(self, **found: Any) -> None:
        """Give these answers: `VERB /path` -> status and body. An `error` ends the program at its start."""
        (self._folder / "answers").write_text(json.dumps(found))

    @property
    def arguments(self) -> list[str]:
        """Arguments that the program was started with."""
        read: list[str] = json.loads((self._folder / "arguments").read_text())
        return read


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KubectlStandIn:
    """The program, alone on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return KubectlStandIn(tmp_path)
