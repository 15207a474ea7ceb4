"""One side as it is at a moment: pods, queues, and servers that its Envoys know."""

import re
import threading
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

import psutil

from benchmarks.cluster.deployed_sides import Side
from benchmarks.cluster.release import Release
from benchmarks.live_scaling.watch import Object, Watch
from components.triton.server import HTTP_PORT, METRICS_PATH, METRICS_PORT
from devcluster.kubectl import Kubectl
from devcluster.wait import wait_until
from testbed.pods import is_ready

_CALL_SECONDS = 2.0
_LOOK_SECONDS = 1.0
_FIRST_SECONDS = 30.0
_PENDING = re.compile(r"^nv_inference_pending_request_count\{[^}]*\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class SeenServer:
    """A pod of the servers' Deployment."""

    name: str
    ready_since: str
    """Time at which it became ready, in ISO 8601; empty: it is not."""
    leaving: bool
    """True once it is to end."""
    waiting: float
    """Requests in its queue, by Triton."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """A side at a moment."""

    seconds: float
    """By the monotonic clock."""
    wanted: int
    """`spec.replicas` of the servers' Deployment."""
    servers: Sequence[SeenServer]
    serving: int
    """Servers that every Envoy sends requests to."""
    cpu_percent: float
    """Use of all CPUs of the machine since the look before."""


class Observer:
    """Looks at a side while it is entered.

    Args:
        kubectl: as the cluster's administrator.
        side: whose servers.
        release: its Deployments.
    """

    def __init__(self, kubectl: Kubectl, side: Side, release: Release) -> None:
        place = f"--namespace={side.namespace}"
        self._pods = Watch(kubectl, "pods", f"--selector={release.selector(side.servers)}", place)
        self._deployment = Watch(kubectl, "deployment", side.servers, place)
        self._envoys = [str(pod["status"]["podIP"]) for pod in release.pods(side.envoys)]
        self._release = release
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._pods)
        self._stack.enter_context(self._deployment)
        wait_until(
            lambda: bool(self._deployment.objects() and self._pods.objects()),
            "kubectl to tell of the servers",
            timeout_seconds=_FIRST_SECONDS,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def pods(self) -> list[Object]:
        """Return the pods of the servers."""
        return self._pods.objects()

    def serving(self) -> int:
        """Return the servers that every Envoy sends requests to."""
        return min(self._release.members(address) for address in self._envoys)

    def look(self) -> Look:
        """Return the side as it is."""
        (deployment,) = self._deployment.objects()
        return Look(
            seconds=time.monotonic(),
            wanted=deployment["spec"]["replicas"],
            servers=[_seen(pod) for pod in self.pods()],
            serving=self.serving(),
            cpu_percent=psutil.cpu_percent(),
        )


class Recorder:
    """Looks at a side once a second while it is entered."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._record)
        self._error: Exception | None = None
        self.looks: list[Look] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _record(self) -> None:
        psutil.cpu_percent()
        try:
            while not self._ended.wait(_LOOK_SECONDS):
                self.looks.append(self._observer.look())
        except Exception as error:  # told where the recorder ends
            self._error = error


def is_loaded(pod: Object) -> bool:
    """Return True if the Triton of a pod says that its models are loaded."""
    try:
        url = f"http://{_address(pod)}:{HTTP_PORT}/v2/health/ready"
        with urllib.request.urlopen(url, timeout=_CALL_SECONDS) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def runs(pod: Object) -> bool:
    """Return True if all containers of a pod run."""
    containers = pod["status"].get("containerStatuses", [])
    return bool(containers) and all("running" in container["state"] for container in containers)


def pending(metrics: str) -> float:
    """Return the requests that wait in a Triton, from its metrics in Prometheus' format."""
    return sum(float(value) for value in _PENDING.findall(metrics))


def _seen(pod: Object) -> SeenServer:
    ready, leaving = is_ready(pod), "deletionTimestamp" in pod["metadata"]
    return SeenServer(
        name=pod["metadata"]["name"],
        ready_since=_ready_since(pod) if ready else "",
        leaving=leaving,
        waiting=_waiting(pod) if (ready or leaving) and runs(pod) else 0.0,
    )


def _ready_since(pod: Object) -> str:
    return next(str(each["lastTransitionTime"]) for each in pod["status"]["conditions"] if each["type"] == "Ready")


def _waiting(pod: Object) -> float:
    try:
        url = f"http://{_address(pod)}:{METRICS_PORT}{METRICS_PATH}"
        with urllib.request.urlopen(url, timeout=_CALL_SECONDS) as answer:
            return pending(answer.read().decode())
    except OSError:  # it has just ended
        return 0.0


def _address(pod: Object) -> str:
    return str(pod["status"].get("podIP", ""))
