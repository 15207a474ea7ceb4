"""Free ports, HTTP requests and HTTP answers on 127.0.0.1."""

import socket
import urllib.error
import urllib.request
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler

LOOPBACK = "127.0.0.1"


class QuietHandler(BaseHTTPRequestHandler):
    """Handles requests of an HTTP server without a log."""

    def respond(self, body: bytes) -> None:
        """Answer 200 with a body."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing to the tests' output."""


def free_ports(count: int) -> list[int]:
    """Return TCP ports that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listening in sockets:
            listening.bind((LOOPBACK, 0))
        return [int(listening.getsockname()[1]) for listening in sockets]


def free_port() -> int:
    """Return one TCP port that nobody listens on now."""
    return free_ports(1)[0]


def http(port: int, path: str, method: str = "GET", *, address: str = LOOPBACK) -> tuple[int, str]:
    """Return status and body of one request; the body of an HTTP error is left out.

    Raises:
        OSError: nobody answers.
    """
    request = urllib.request.Request(f"http://{address}:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""
