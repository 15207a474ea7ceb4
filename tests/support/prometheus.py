"""Answers of Prometheus, and bodies that are no answer."""

import time
from collections.abc import Mapping

from testbed.prometheus_stub import vector


def answers() -> Mapping[str, tuple[bytes, bool]]:
    """Return name -> (body as of now, True if the body says that a wait of 100 ms is exceeded)."""
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
"""Bodies that are no answer of Prometheus."""
