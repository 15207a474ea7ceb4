"""The wait in the servers' queues, as Prometheus knows it."""

import http.client
import json
import math
import ssl
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

from .policy import PERIOD_SECONDS, Policy

PROMETHEUS_TIMEOUT_SECONDS = 2.0
STALE_SECONDS = 30.0
"""Age from which on a sample of Prometheus does not count."""
ANSWER_BYTES_MAX = 1 << 20


def queue_ms_of(answer: bytes, *, now_seconds: float) -> float | None:
    """Return the longest wait in an answer of Prometheus; None without a fresh and finite sample.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: the answer is not one of Prometheus' HTTP API.
    """
    reply = json.loads(answer)
    if reply["status"] != "success":
        return None
    samples = [(float(at), float(value)) for at, value in (series["value"] for series in reply["data"]["result"])]
    fresh = [value for at, value in samples if abs(now_seconds - at) <= STALE_SECONDS and math.isfinite(value)]
    return max(fresh, default=None)


class Prometheus(threading.Thread):
    """Queries Prometheus once a second in a thread of its own, so that a slow answer delays no round."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(daemon=True)
        words = urllib.parse.urlencode({"query": policy.query})
        url = f"{policy.prometheus_url.rstrip('/')}/api/v1/query?{words}"
        self._request = urllib.request.Request(url)  # noqa: S310
        authorities: Path | None = None
        if policy.credentials_folder is not None:
            folder = Path(policy.credentials_folder)
            # A server that Prometheus redirects to does not get the header.
            self._request.add_unredirected_header((folder / "header").read_text(), (folder / "value").read_text())
            authorities = folder / "ca.crt" if (folder / "ca.crt").exists() else None
        self._trusted = ssl.create_default_context(cafile=authorities)
        self._last: tuple[float, float | None] = (-math.inf, None)

    def queue_ms(self) -> float | None:
        """Return the last known wait in milliseconds; None if it is stale."""
        at_seconds, queue_ms = self._last
        return queue_ms if time.monotonic() - at_seconds <= STALE_SECONDS else None

    def run(self) -> None:
        """Query for ever."""
        while True:
            try:
                with urllib.request.urlopen(  # noqa: S310
                    self._request, timeout=PROMETHEUS_TIMEOUT_SECONDS, context=self._trusted
                ) as answer:
                    queue_ms = queue_ms_of(answer.read(ANSWER_BYTES_MAX), now_seconds=time.time())
            except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError, AttributeError):
                queue_ms = None
            self._last = (time.monotonic(), queue_ms)
            time.sleep(PERIOD_SECONDS)
