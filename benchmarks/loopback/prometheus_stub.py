"""A Prometheus that says what an experiment wants, in the HTTP API's own words; a stand-in, named as such."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


def vector(*samples: str, time: str = "1763800000.123") -> str:
    """The body of an instant query's answer, with one series for each sample."""
    series = ",".join(
        f'{{"metric":{{"release":"r{number}"}},"value":[{time},"{sample}"]}}' for number, sample in enumerate(samples)
    )
    return f'{{"status":"success","data":{{"resultType":"vector","result":[{series}]}}}}'


class PrometheusStub:
    """Answers every query with `body` on a free port of loopback until closed; use as a context manager.

    `body` None is a Prometheus that is down: connections are closed without an answer.
    """

    def __init__(self) -> None:
        self.body: str | None = vector("0")
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if stub.body is None:
                    self.close_connection = True
                    return
                content = stub.body.encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="prometheus-stub", daemon=True)

    @property
    def port(self) -> int:
        """TCP port on 127.0.0.1."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
