"""Start: the time from a scale request to the first request that the new server answers."""

import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from threading import Event

import grpc

from benchmarks.errors import BenchmarkError
from benchmarks.loopback import grpc_messages
from benchmarks.loopback.fleet import SLEEP_IDENTITY
from benchmarks.loopback.load import CHANNEL_OPTIONS, Load
from benchmarks.offload.milestones import FIRST_ANSWER, PARTS, parts
from benchmarks.offload.offload_lab import OffloadLab, grpc_target
from benchmarks.offload.pod_watch import PodWatch
from benchmarks.offload.slurm_stack import TUNNEL_PREFIX, Job, SlurmStack, is_tunnel
from benchmarks.result_table import BASELINE, Row
from benchmarks.statistics import drift, ratio, significant
from components.triton.server import HTTP_PORT

KEY = "start"

_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 240.0
_CALL_SECONDS = 1.0
_CLIENTS = 4
"""Connections, so that both Envoys get requests."""
_PAUSE_SECONDS = 0.1
"""Of a client between two requests."""
_ONE_SECONDS = 120.0
"""About how long one start and the way back take."""


@dataclass(frozen=True, kw_only=True)
class ScaleUp:
    """From one server to two, several times."""

    times: int

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return self.times

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.times * _ONE_SECONDS

    def run(self, lab: OffloadLab) -> list[Row]:
        """Measure it."""
        lab.rest()
        busy = lab.busy()
        direct_ms, reached = [_direct_ms(lab, "start-before")], []
        for number in range(self.times):
            with lab.progress.step(f"start: {number + 1} of {self.times}"):
                lab.rest()
                reached.append(_start(lab))
        direct_ms.append(_direct_ms(lab, "start-after"))
        return rows(reached, rejected=busy or drift(*direct_ms))


def rows(reached: list[dict[str, float]], *, rejected: str) -> list[Row]:
    """Return the whole time beside the sum of its parts, and each part.

    Args:
        reached: seconds of each milestone, `FIRST_ANSWER` included, of each time.
        rejected: reason to reject the figures; empty if there is none.
    """
    each = [parts(seconds) for seconds in reached]
    sums = [sum(added.values()) for added in each]
    wholes = [seconds[FIRST_ANSWER] for seconds in reached]
    whole = Row(
        benchmark=KEY,
        measure=f"scale request to first answer, s, / sum of the parts, {len(reached)} times",
        compared=BASELINE,
        theirs=significant(median(sums)),
        ours=significant(median(wholes)),
        ratio=str(ratio(wholes, sums)),
        rejected=rejected,
    )
    found = [
        Row(
            benchmark=KEY,
            measure=f"part {name}, s: {milestone}",
            compared=BASELINE,
            ours=significant(median(added[name] for added in each)),
            rejected=rejected,
        )
        for name, milestone in PARTS.items()
    ]
    return [whole, *found]


def _direct_ms(lab: OffloadLab, name: str) -> float:
    load = Load(targets=(), rate_per_second=0, duration_seconds=0, seed=lab.seed, model=SLEEP_IDENTITY)
    return lab.alone_p50_ms(name, load, grpc_target(lab.server().job.address))


def _start(lab: OffloadLab) -> dict[str, float]:
    """Scale up, and return the seconds until each milestone.

    Raises:
        BenchmarkError: one is not reached in time, or a request fails.
    """
    old = {job.pod_uid for job in lab.stack.jobs()}
    with PodWatch(lab.stack) as watch, _requests(lab.stack.target):
        new = _NewServer(lab.stack, watch, old)
        began = time.monotonic()
        lab.stack.scale(2)
        reached: dict[str, float] = {}
        while missing := [name for name in new.milestones if name not in reached]:
            for name in missing:
                if new.milestones[name]():
                    reached[name] = time.monotonic() - began
            if time.monotonic() - began > _PATIENCE_SECONDS:
                msg = f"the new server has not reached `{missing[0]}` within {_PATIENCE_SECONDS:.0f} s"
                raise BenchmarkError(msg)
            lab.progress.waiting(f"the new server: {missing[0]}")
            time.sleep(_POLL_SECONDS)
    return reached


class _NewServer:
    """The server that is not one of the old ones, as far as it has come."""

    def __init__(self, stack: SlurmStack, watch: PodWatch, old: set[str]) -> None:
        self._stack = stack
        self._watch = watch
        self._old = old
        self._job: Job | None = None
        self.milestones: Mapping[str, Callable[[], bool]] = {
            "pod": lambda: self._pod_name() is not None,
            "submit": self._is_submitted,
            "queue": self._runs,
            "start": self._writes,
            "models": lambda: self._job is not None and _is_ready(self._job.address),
            "tunnel": lambda: self._tunnel()[0] != "" and _is_ready(self._tunnel()[0]),
            "probe": lambda: self._tunnel()[1],
            FIRST_ANSWER: self._has_answered,
        }
        """Name of a part, and `FIRST_ANSWER` -> whether its end is reached."""

    def _pod_name(self) -> str | None:
        pods = (pod for pod in self._watch.pods() if not is_tunnel(pod.name) and pod.uid not in self._old)
        return next((pod.name for pod in pods), None)

    def _is_submitted(self) -> bool:
        self._job = next((job for job in self._stack.jobs() if job.pod_uid not in self._old), None)
        return self._job is not None

    def _runs(self) -> bool:
        return any(job.state == "RUNNING" and job.pod_uid not in self._old for job in self._stack.jobs())

    def _writes(self) -> bool:
        if self._job is None:
            return False
        log = self._stack.log_of(self._job)
        return log.exists() and log.stat().st_size > 0

    def _tunnel(self) -> tuple[str, bool]:
        """Return the address of the tunnel pod, empty without one, and whether it is ready."""
        own = f"{TUNNEL_PREFIX}{self._pod_name()}-"
        found = (pod for pod in self._watch.pods() if pod.name.startswith(own))
        return next(((pod.address, pod.ready == "True") for pod in found), ("", False))

    def _has_answered(self) -> bool:
        if self._job is None:
            return False
        with grpc.insecure_channel(grpc_target(self._job.address)) as channel:
            ask = grpc_messages.unary(channel, grpc_messages.STATISTICS)
            try:
                answer = ask(grpc_messages.statistics_request(SLEEP_IDENTITY), timeout=_CALL_SECONDS)
            except grpc.RpcError:
                return False
        return grpc_messages.execution_seconds(answer)[0] > 0


def _is_ready(address: str) -> bool:
    url = f"http://{address}:{HTTP_PORT}/v2/health/ready"
    try:
        with urllib.request.urlopen(url, timeout=_CALL_SECONDS) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def _requests(target: str) -> Iterator[None]:
    """Clients that call the stack without an end.

    Raises:
        BenchmarkError: a request failed.
    """
    ended = Event()
    request = grpc_messages.sleep_identity(0, 4)

    def call() -> None:
        with grpc.insecure_channel(target, options=CHANNEL_OPTIONS) as channel:
            infer = grpc_messages.unary(channel, grpc_messages.INFER)
            while not ended.wait(_PAUSE_SECONDS):
                infer(request, timeout=30)

    with ThreadPoolExecutor(_CLIENTS) as pool:
        clients = [pool.submit(call) for _ in range(_CLIENTS)]
        try:
            yield
        finally:
            ended.set()
    failed = [error for client in clients if (error := client.exception())]
    if failed:
        msg = f"a request failed while a server was added: {failed[0]}"
        raise BenchmarkError(msg)


def scenarios(quick: bool) -> list[ScaleUp]:
    """Five starts; quick, one."""
    return [ScaleUp(times=1 if quick else 5)]
