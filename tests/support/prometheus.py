"""A stand-in for Prometheus on loopback, and the answers that it can give."""

import json
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


def vector(*values: str, at_seconds: float | None = None) -> bytes:
    """An answer with one series for each value."""
    at = time.time() if at_seconds is None else at_seconds
    result = [{"metric": {"n": str(n)}, "value": [at, value]} for n, value in enumerate(values)]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


def answers() -> Mapping[str, tuple[bytes, bool]]:
    """What may be answered now -> whether a wait of 100 ms is then known to be exceeded."""
    return {
        "5, fractional time": (vector("5", at_seconds=int(time.time()) + 0.781), False),
        "500": (vector("500"), True),
        "5, integer time": (vector("5", at_seconds=int(time.time())), False),
        "500, integer time": (vector("500", at_seconds=int(time.time())), True),
        "no series": (vector(), False),
        "NaN": (vector("NaN"), False),
        "+Inf": (vector("+Inf"), False),
        "1e-05": (vector("1e-05"), False),
        "1e+03": (vector("1e+03"), True),
        "two series": (vector("5", "500"), True),
        "two series, one NaN": (vector("NaN", "500"), True),
        "stale": (vector("500", at_seconds=time.time() - 300), False),
        "of the future": (vector("500", at_seconds=time.time() + 300), False),
        "error": (b'{"status":"error","errorType":"bad_data","error":"unknown function"}', False),
    }


NO_ANSWERS = (b"", b"{", b"[]", b"null", b'{"status":"success"}', b"<html>bad gateway</html>", b"\xff\xfe")
"""What is no answer of Prometheus."""


class PrometheusStandIn:
    """Answers every query with `answer`; with None it never does."""

    def __init__(self) -> None:
        self.answer: bytes | None = vector("0")
        self.asked = 0
        """Queries that came."""
        self._ended = threading.Event()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stand_in.asked += 1
                if stand_in.answer is None:
                    stand_in._ended.wait()
                    return
                self.send_response(200)
                self.end_headers()
                self.wfile.write(stand_in.answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Nobody listens any more."""
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
