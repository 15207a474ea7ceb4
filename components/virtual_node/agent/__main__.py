"""`python3 -m agent SETTINGS_FILE`, in the folder of the package: look once a period, and serve the metrics."""

from __future__ import annotations

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .look import Agent
from .settings import read


def serve(agent: Agent, port: int) -> ThreadingHTTPServer:
    """Serve the metrics of an agent at /metrics, on every address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = agent.metrics.text().encode() if self.path == "/metrics" else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log no scrape."""

    server = ThreadingHTTPServer(("", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main(settings_file: str) -> None:
    """Run the agent; a file of settings that cannot be read is told in a sentence."""
    try:
        settings = read(Path(settings_file))
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"{settings_file}: {error}: write it again by `python -m stacks edge`")
    agent = Agent(settings)
    serve(agent, settings.port)
    while True:
        agent.look()
        time.sleep(settings.period_seconds)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 -m agent SETTINGS_FILE")
    main(sys.argv[1])
