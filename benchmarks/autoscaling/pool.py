"""The servers of one pool: starts and stops."""

import math
from dataclasses import dataclass

from benchmarks.autoscaling.routing import Routing, next_wait, shortest_queue
from benchmarks.autoscaling.server import Server, ServerKind


@dataclass(frozen=True, kw_only=True)
class ServerTimes:
    """Probes and shutdown of a server, which belong to a deployment as its policy does."""

    startup_period_seconds: float
    """From one startup probe to the next."""
    route_seconds: float
    """From the ready pod until every Envoy sends it requests: DNS, and a health check."""
    stop_seconds: float
    """From the removal of a server without requests until its GPU is free."""
    grace_seconds: float
    """`terminationGracePeriodSeconds`: requests that are in its queue then are lost."""

    def start_seconds(self, kind: ServerKind) -> float:
        """Return the time from a pod until it gets requests."""
        probes = max(1, math.ceil(kind.load_seconds / self.startup_period_seconds))
        return kind.start_seconds + probes * self.startup_period_seconds + self.route_seconds


class Pool:
    """Servers that start, serve and drain."""

    def __init__(
        self, kind: ServerKind, times: ServerTimes, *, servers: int, routing: Routing = shortest_queue
    ) -> None:
        self._kind, self._times, self._routing = kind, times, routing
        self.starting: list[Server] = []
        self.serving = [Server(kind, created=0, ready_at=0) for _ in range(servers)]
        """Servers that Envoy knows."""
        self.draining: list[Server] = []
        """Servers that get no new request."""
        self.gpu_seconds = 0.0
        self.completed = 0.0
        self.lost = 0.0
        """Requests that a server had not completed when its grace period ended."""
        self._removed_wait_seconds = 0.0

    @property
    def servers(self) -> int:
        """Pods of the Deployment: those that start and those that serve."""
        return len(self.starting) + len(self.serving)

    @property
    def pods(self) -> int:
        """Pods that hold a GPU."""
        return self.servers + len(self.draining)

    @property
    def waiting(self) -> float:
        """Requests in all queues."""
        return sum(server.waiting for server in (*self.serving, *self.draining))

    @property
    def next_wait_seconds(self) -> float:
        """Mean wait of the next request."""
        queues = [server.waiting for server in self.serving]
        return next_wait(self._routing, queues, [server.queue_seconds for server in self.serving])

    @property
    def request_seconds(self) -> float:
        """Sum of the times that completed requests took, waits included."""
        waits = sum(server.wait_seconds for server in (*self.serving, *self.draining))
        return self._removed_wait_seconds + waits + self.completed * self._kind.service_seconds

    def scale(self, now: float, servers: int) -> None:
        """Create or remove pods.

        The ReplicaSet removes pods that are not ready first, and of the others those that became ready last.
        """
        for _ in range(servers - self.servers):
            ready_at = now + self._times.start_seconds(self._kind)
            self.starting.append(Server(self._kind, created=now, ready_at=ready_at))
        for _ in range(self.servers - servers):
            if self.starting:
                self.starting.pop()
            else:
                server = self.serving.pop()
                server.removed_at = now
                self.draining.append(server)

    def step(self, now: float, seconds: float, arriving: float) -> float:
        """Let requests arrive and servers work, and return the requests that were completed."""
        self.gpu_seconds += seconds * self.pods
        while self.starting and self.starting[0].ready_at <= now:
            self.serving.append(self.starting.pop(0))
        shares = self._routing([server.waiting for server in self.serving], arriving)
        served = sum(server.work(now, seconds, share) for server, share in zip(self.serving, shares, strict=True))
        if self.draining:
            served += sum(server.work(now, seconds, 0) for server in self.draining)
            self.draining = [server for server in self.draining if not self._stopped(now, server)]
        self.completed += served
        return served

    def _stopped(self, now: float, server: Server) -> bool:
        drained_seconds = now - server.removed_at if server.removed_at is not None else 0.0
        if drained_seconds >= self._times.grace_seconds:
            self.lost += server.waiting
        elif server.waiting > 0 or drained_seconds < self._times.stop_seconds:
            return False
        self._removed_wait_seconds += server.wait_seconds
        return True
