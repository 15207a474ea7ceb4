"""Waits until an object works, or is gone.

The official plugin watches; this one looks four times a second, which is the same to whoever waits. Its Services settle
for 10 s after each change of endpoints; here 1 s will do, since no caller can rely on that length.
"""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from devcluster.provider import readiness
from devcluster.provider.api import Api, ApiError, NoMatchError, UnreachableError
from devcluster.provider.errors import ProviderError
from devcluster.provider.readiness import Surroundings, Verdict

Manifest = dict[str, Any]

_POLL_SECONDS = 0.25
_SETTLE_SECONDS = 1.0
_REPORT_PROBLEMS_SECONDS = 10.0
_DEFAULT_TIMEOUT_SECONDS = 600.0
_VOLUME_TIMEOUT_SECONDS = 300.0
_SKIP_ANNOTATION = "pulumi.com/skipAwait"
_TIMEOUT_ANNOTATION = "pulumi.com/timeoutSeconds"
_WAIT_FOR_ANNOTATION = "pulumi.com/waitFor"

_VERDICTS: dict[tuple[str, str], Callable[[Manifest, Surroundings], Verdict]] = {
    ("apps/v1", "DaemonSet"): readiness.daemon_set,
    ("apps/v1", "Deployment"): readiness.deployment,
    ("apps/v1", "StatefulSet"): readiness.stateful_set,
    ("batch/v1", "Job"): readiness.job,
    ("networking.k8s.io/v1", "Ingress"): readiness.ingress,
    ("v1", "PersistentVolume"): readiness.persistent_volume,
    ("v1", "PersistentVolumeClaim"): readiness.persistent_volume_claim,
    ("v1", "Pod"): readiness.pod,
    ("v1", "Service"): readiness.service,
}
_NOT_JUDGED_ON_READ = frozenset({"PersistentVolume", "PersistentVolumeClaim"})
_DELETED_WITHOUT_WAIT = frozenset({"Namespace", "Pod", "DaemonSet", "Deployment", "StatefulSet", "Job"})
"""Kinds whose deletion `skipAwait` does not wait for either."""


class NotReadyError(Exception):
    """The wait ended before the object worked. `live` is its last known state, `problems` what was wrong with it."""

    def __init__(self, message: str, live: Manifest, problems: tuple[str, ...]):
        super().__init__(message)
        self.live = live
        self.problems = problems


class Waiter:
    """Waits on one object at a time. `cancelled` ends every wait at once."""

    def __init__(
        self, api: Api, cancelled: threading.Event, status: Callable[[str], None], warning: Callable[[str], None]
    ):
        self._api = api
        self._cancelled = cancelled
        self._status = status
        self._said = ""
        self._warning = warning

    def until_ready(self, inputs: Manifest, live: Manifest, timeout_seconds: float) -> Manifest:
        """The live object once it works.

        Args:
            inputs: Whose annotations may skip the wait or set its timeout.
            live: The object as the server returned it.
            timeout_seconds: The resource's custom timeout; 0 for none.

        Raises:
            NotReadyError: The timeout passed, or the engine cancelled.
        """
        verdict_of = _verdict_for(inputs, live)
        if verdict_of is None:
            return live
        deadline = time.monotonic() + _timeout(inputs, timeout_seconds)
        settled = _Settling(live)
        next_report = time.monotonic() + _REPORT_PROBLEMS_SECONDS
        while True:
            live, verdict = self._judged(verdict_of, live, settled)
            if verdict.ready:
                self._say("")
                return live
            self._say(verdict.awaited)
            if time.monotonic() >= next_report:
                next_report += _REPORT_PROBLEMS_SECONDS
                for problem in verdict.problems:
                    self._warning(problem)
            self._pause(deadline, live, verdict.problems)

    def _judged(
        self, verdict_of: Callable[[Manifest, Surroundings], Verdict], last: Manifest, settled: "_Settling"
    ) -> tuple[Manifest, Verdict]:
        """The live object and what is to be said of it; a server that is away for a while is waited for, too."""
        try:
            live = self._api.get(last)
            around = self._surroundings(live)
        except UnreachableError as error:
            return last, Verdict(False, "waiting for the API server", (str(error),))
        except ApiError as error:
            if error.code >= 500:
                return last, Verdict(False, "waiting for the API server", (str(error),))
            raise NotReadyError(str(error), last, ()) from None
        verdict = verdict_of(live, around)
        if settled.seen(around) or not verdict.ready:
            return live, verdict
        return live, Verdict(False, "waiting for endpoints to settle")

    def check_health(self, inputs: Manifest, live: Manifest) -> None:
        """Look once. Raises `NotReadyError` when the object does not work."""
        verdict_of = None if live["kind"] in _NOT_JUDGED_ON_READ else _verdict_for(inputs, live)
        verdict = verdict_of(live, self._surroundings(live)) if verdict_of else Verdict(True)
        if not verdict.ready:
            msg = f"Resource '{live['metadata']['name']}' was created but failed to initialize"
            raise NotReadyError(msg, live, verdict.problems or (verdict.awaited,))

    def until_deleted(self, inputs: Manifest, live: Manifest, timeout_seconds: float) -> None:
        """Return once the server no longer has the object. Raises `NotReadyError` on timeout or cancellation."""
        if _annotation(inputs, _SKIP_ANNOTATION) == "true" and live["kind"] in _DELETED_WITHOUT_WAIT:
            return
        deadline = time.monotonic() + _timeout(inputs, timeout_seconds)
        while True:
            try:
                live = self._api.get(live)
            except (ApiError, NoMatchError) as error:
                if isinstance(error, NoMatchError) or error.code == 404:
                    self._say("")
                    return
                raise
            finalizers = ", ".join(live["metadata"].get("finalizers") or ())
            self._say(f"waiting for deletion (finalizers: {finalizers})" if finalizers else "waiting for deletion")
            self._pause(deadline, live, ())

    def _say(self, text: str) -> None:
        if text != self._said:
            self._status(text)
            self._said = text

    def _pause(self, deadline: float, live: Manifest, problems: tuple[str, ...]) -> None:
        name = live["metadata"]["name"]
        if self._cancelled.wait(_POLL_SECONDS):
            msg = f'Resource operation was cancelled for "{name}"'
            raise NotReadyError(msg, live, problems)
        if time.monotonic() >= deadline:
            msg = f"'{name}' timed out waiting to be Ready"
            raise NotReadyError(msg, live, problems)

    def _surroundings(self, live: Manifest) -> Surroundings:
        namespace, kind = live["metadata"].get("namespace", ""), live["kind"]
        listed = self._api.list
        if kind == "Deployment":
            return Surroundings(
                replica_sets=listed("apps/v1", "ReplicaSet", namespace), pods=listed("v1", "Pod", namespace)
            )
        if kind in ("StatefulSet", "DaemonSet", "Job"):
            return Surroundings(pods=listed("v1", "Pod", namespace))
        if kind == "Service":
            selector = f"kubernetes.io/service-name={live['metadata']['name']}"
            return Surroundings(endpoint_slices=listed("discovery.k8s.io/v1", "EndpointSlice", namespace, selector))
        if kind == "PersistentVolumeClaim" and (name := live["spec"].get("storageClassName")):
            return Surroundings(storage_class=self._storage_class(name))
        return Surroundings()

    def _storage_class(self, name: str) -> Manifest:
        try:
            return self._api.get(
                {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
            )
        except ApiError:
            return {}


class _Settling:
    """Whether the endpoints of a Service have stood still for long enough; always, for other objects."""

    def __init__(self, live: Manifest):
        self._applies = live["kind"] == "Service" and readiness.selects_endpoints(live)
        self._last: str | None = None
        self._since = time.monotonic()

    def seen(self, around: Surroundings) -> bool:
        """Take note of what stands now; say whether it has settled."""
        if not self._applies:
            return True
        now = json.dumps(around.endpoint_slices, sort_keys=True)
        if now != self._last:
            self._last, self._since = now, time.monotonic()
        return time.monotonic() - self._since >= _SETTLE_SECONDS


def _verdict_for(inputs: Manifest, live: Manifest) -> Callable[[Manifest, Surroundings], Verdict] | None:
    """The rule for the object; none for a kind without one, or when its annotation skips the wait."""
    if _annotation(inputs, _SKIP_ANNOTATION) == "true":
        return None
    if _annotation(inputs, _WAIT_FOR_ANNOTATION):
        msg = (
            f"{live['kind']} {live['metadata']['name']!r} has the annotation {_WAIT_FOR_ANNOTATION}, which this "
            "stand-in does not implement: leave it out, or install the official plugin"
        )
        raise ProviderError(msg)
    return _VERDICTS.get((live["apiVersion"], live["kind"]))


def _timeout(inputs: Manifest, custom_seconds: float) -> float:
    """The custom timeout, else the annotation's, else the default; volumes never get more than their own."""
    annotated = _annotation(inputs, _TIMEOUT_ANNOTATION)
    seconds = custom_seconds or (float(annotated) if annotated.isdigit() else _DEFAULT_TIMEOUT_SECONDS)
    return min(seconds, _VOLUME_TIMEOUT_SECONDS) if inputs.get("kind") in _NOT_JUDGED_ON_READ else seconds


def _annotation(manifest: Manifest, key: str) -> str:
    return str(((manifest.get("metadata") or {}).get("annotations") or {}).get(key, ""))
