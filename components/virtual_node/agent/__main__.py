"""`python3 -m agent SETTINGS_FILE`, in the folder of the package: look once a period, and serve the metrics."""

from __future__ import annotations

import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from .look import Agent, say
from .settings import read

if TYPE_CHECKING:
    import socket

    from .settings import Settings, Tls

LOOPBACK, EVERY_ADDRESS = "127.0.0.1", ""
CALL_SECONDS = 10


class Server(ThreadingHTTPServer):
    """A server of HTTP, or of HTTPS for callers with a certificate."""

    def __init__(self, port: int, tls: Tls | None, handler: type[BaseHTTPRequestHandler]) -> None:
        self._tls = tls
        if tls is not None:
            certified(tls)  # tells at the start what is missing
        super().__init__((LOOPBACK if tls is None else EVERY_ADDRESS, port), handler)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Take a connection. The certificates are read anew, so that a renewed one needs no restart."""
        connection, caller = super().get_request()
        if self._tls is not None:
            # The connection's thread shakes hands: a caller that sends nothing must not keep the others waiting.
            connection = certified(self._tls).wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, caller

    def handle_error(self, _: object, caller: tuple[str, int]) -> None:
        """Log in one line who got no answer."""
        say("refused a caller", caller=caller[0], reason=str(sys.exc_info()[1]))


def certified(tls: Tls) -> ssl.SSLContext:
    """Return a context that refuses whoever has no certificate of the authorities.

    Raises:
        OSError: a file cannot be read, or holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(tls.certificate_file, tls.key_file)
    context.load_verify_locations(tls.authorities_file)
    return context


def serve(agent: Agent, settings: Settings) -> Server:
    """Serve the metrics of an agent at /metrics.

    Raises:
        OSError: the port is taken, or the certificates cannot be used.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = CALL_SECONDS

        def do_GET(self) -> None:
            found = self.path == "/metrics"
            body = agent.metrics.text().encode() if found else b""
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log no scrape."""

    server = Server(settings.port, settings.tls, Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main(settings_file: str) -> None:
    """Run the agent; a file of settings that cannot be read is told in a sentence."""
    try:
        settings = read(Path(settings_file))
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"{settings_file}: {error}: write it again by `python -m stacks edge`")
    agent = Agent(settings)
    try:
        serve(agent, settings)
    except OSError as error:
        sys.exit(f"port {settings.port} cannot be served: {error}: free it, or see step 9 of docs/install-edge.md")
    while True:
        agent.look()
        time.sleep(settings.period_seconds)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 -m agent SETTINGS_FILE")
    main(sys.argv[1])
