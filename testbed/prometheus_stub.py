"""Stand-in for Prometheus: it answers every query of the HTTP API with a body that the test or experiment sets."""

import json
import ssl
import tempfile
import threading
import time
from collections.abc import Mapping
from http.server import ThreadingHTTPServer
from typing import Self

from testbed.authority import Credentials
from testbed.loopback import QuietHandler

CLOSED = b""
"""The connection is closed without an answer, as by a Prometheus that ends."""


def vector(*values: str, at_seconds: float | None = None) -> bytes:
    """The body of an instant query's answer, with one series for each value; by default of now."""
    at = time.time() if at_seconds is None else at_seconds
    result = [{"metric": {"release": f"r{n}"}, "value": [at, value]} for n, value in enumerate(values)]
    return json.dumps(
        {"status": "success", "data": {"resultType": "vector", "result": result}}, separators=(",", ":")
    ).encode()


class PrometheusStub:
    """Answers every query with `answer` on a free port of loopback until closed; use as a context manager.

    With credentials it speaks TLS. With `CLOSED` it hangs up, and with None it never answers.
    """

    def __init__(self, credentials: Credentials | None = None) -> None:
        self.answer: bytes | None = vector("0")
        self.asked = 0
        """Queries so far."""
        self.headers: Mapping[str, str] = {}
        """Headers of the last query, by their names in lower case."""
        self._ended = threading.Event()
        stub = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802  named by http.server
                stub.asked += 1
                stub.headers = {name.lower(): value for name, value in self.headers.items()}
                if stub.answer is None:
                    stub._ended.wait()
                elif stub.answer != CLOSED:
                    self.respond(stub.answer)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._scheme = "http"
        if credentials is not None:
            self._scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with tempfile.NamedTemporaryFile("w") as pem:
                pem.write(credentials.key + credentials.certificate)
                pem.flush()
                context.load_cert_chain(pem.name)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def port(self) -> int:
        """TCP port on 127.0.0.1."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="prometheus-stub", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the port."""
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
