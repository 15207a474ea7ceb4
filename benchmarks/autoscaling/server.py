"""One Triton server as a fluid queue: requests are amounts, served in the order in which they came."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ServerKind:
    """Properties of every server of a run."""

    service_seconds: float = 0.010
    """Time of one request in one instance of the model."""
    instances: int = 1
    """Requests that are executed at the same time, each as fast as alone."""
    gpu_fraction: float | None = 1.0
    """Part of an execution during which the GPU computes; None: Triton reports no utilisation of a GPU."""
    start_seconds: float = 5.0
    """From the pod to its container: scheduling, volumes, an image that the node has."""
    load_seconds: float = 30.0
    """From the container until the models are loaded."""

    @property
    def requests_per_second(self) -> float:
        """Requests that one server completes at full load."""
        return self.instances / self.service_seconds


class Server:
    """A pod with its queue, its counters, and its gauges."""

    __slots__ = ("_kind", "_queue", "busy", "completed", "created", "ready_at", "removed_at", "wait_seconds", "waiting")

    def __init__(self, kind: ServerKind, *, created: float, ready_at: float) -> None:
        self._kind = kind
        self._queue: deque[tuple[float, float]] = deque()
        self.created = created
        self.ready_at = ready_at
        """Time from which Envoy sends it requests."""
        self.removed_at: float | None = None
        """Time at which it began to drain."""
        self.waiting = 0.0
        """Requests in the queue: `nv_inference_pending_request_count`."""
        self.busy = 0.0
        """Part of its capacity that was in use in the last step."""
        self.completed = 0.0
        """Requests: `nv_inference_request_success`."""
        self.wait_seconds = 0.0
        """Sum of the completed requests' waits: `nv_inference_queue_duration_us`."""

    @property
    def gpu_utilization(self) -> float | None:
        """Part of the time in which at least one execution computes on the GPU: `nv_gpu_utilization`."""
        if self._kind.gpu_fraction is None:
            return None
        return 1 - (1 - self.busy * self._kind.gpu_fraction) ** self._kind.instances

    @property
    def queue_seconds(self) -> float:
        """Wait of a request that joins the queue now."""
        return self.waiting / self._kind.requests_per_second

    def work(self, now: float, seconds: float, arriving: float) -> float:
        """Take requests, serve for a while, and return the requests that were completed.

        The counters move when a request is complete, with its whole wait.
        """
        capacity = seconds * self._kind.requests_per_second
        if not self._queue and arriving <= capacity:
            served = arriving
        else:
            if arriving > 0:
                self._queue.append((now, arriving))
            served = min(capacity, self.waiting + arriving)
            self._leave(now, served)
            self.waiting = max(0.0, self.waiting + arriving - served) if self._queue else 0.0
        self.completed += served
        self.busy = served / capacity
        return served

    def _leave(self, now: float, served: float) -> None:
        """Take the oldest requests out of the queue."""
        left = served
        while self._queue and left > 0:
            arrived, amount = self._queue[0]
            if amount <= left:
                self._queue.popleft()
                left -= amount
                self.wait_seconds += amount * (now - arrived)
            else:
                self._queue[0] = (arrived, amount - left)
                self.wait_seconds += left * (now - arrived)
                left = 0.0
