"""B6: limits of one Envoy: requests in progress, large bodies when a server crashes, connections, streams."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import grpc

from benchmarks.loopback import grpc_messages
from benchmarks.loopback.fleet import Work
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.load import Load
from benchmarks.loopback.sides import Side, ours, supersonic
from benchmarks.result_table import Row
from benchmarks.suite import Scenario
from benchmarks.traffic.outcome import KEY, Outcome

_MIB = 1024 * 1024
_BURST_RATE_PER_SECOND = 1000.0
"""A rate that the client can always send."""
_HOLD_MARGIN_SECONDS = 3.0
_load = partial(Load, targets=(), seed=0, process="fixed")
"""Evenly spaced requests; the target is known when Envoy has started."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """Requests of one kind, tried on one side after the other."""

    name: str
    """As files are named."""
    title: str
    """As tables show it."""
    servers: tuple[int, ...]
    load: Load
    """Requests without their target."""
    hold_seconds: float = 0
    """Time for which the servers answer nothing at first, so that requests queue."""
    crash: int | None = None
    """Server that is killed as the first request is sent; DNS keeps it."""

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return 2

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return 2 * (15 + max(self.load.duration_seconds, self.hold_seconds) * 1.5)

    def run(self, lab: Lab) -> list[Row]:
        """Measure it."""
        theirs, own = (self._attempt(lab, side) for side in (supersonic(), ours()))
        return [
            Row(
                benchmark=KEY,
                measure=self.title,
                theirs=f"{theirs}, {theirs.size}",
                ours=f"{own}, {own.size}",
                aim="0 failed",
                reached=own.failed == 0,
                rejected=_crashes((*theirs.ended_by_itself, *own.ended_by_itself)),
            )
        ]

    def _attempt(self, lab: Lab, side: Side) -> Outcome:
        with lab.progress.step(f"{self.name}: {side.name}"), ExitStack() as stack:
            lab.serve(dict.fromkeys(self.servers, Work()))
            envoy = stack.enter_context(lab.envoy(side, len(self.servers)))
            load = self.load.to(envoy.target)
            client = stack.enter_context(lab.client(load, f"{self.name}-{side.slug}"))
            if self.hold_seconds:
                stack.enter_context(_held(lab, self.servers, self.hold_seconds))
            client.sleep_until(0)
            if self.crash is not None:
                lab.fleet.crash(self.crash)
            samples = client.samples()
            return Outcome(
                samples=samples,
                peak_memory_mib=envoy.process.usage().peak_memory_mib,
                ended_by_itself=lab.fleet.addresses(index for index in lab.fleet.ended() if index != self.crash),
            )


def scenarios(quick: bool) -> list[Scenario[Lab]]:
    """All edges but the longest wait, which runs beside all other experiments; quick, without the largest."""
    return [
        _in_flight(1_600 if quick else 10_000),
        *(_bodies(size_mib) for size_mib in ((17,) if quick else (64,))),
        _connections(1_000),
        _streams(200),
    ]


def _crashes(addresses: Sequence[str]) -> str:
    return f"Triton on {', '.join(addresses)} crashed by itself; its log says why" if addresses else ""


def _in_flight(count: int) -> Edge:
    """Requests in flight at one time: the servers answer nothing until all have been sent."""
    sending_seconds = count / _BURST_RATE_PER_SECOND
    load = _load(
        rate_per_second=_BURST_RATE_PER_SECOND, duration_seconds=sending_seconds, connections=100, deadline_seconds=120
    )
    return Edge(
        name=f"in-flight-{count}",
        title=f"{count:,} requests in flight",
        servers=(1, 2, 3),
        load=load,
        hold_seconds=sending_seconds + _HOLD_MARGIN_SECONDS,
    )


def _bodies(size_mib: int) -> Edge:
    """Six large bodies while one of two servers is down: a failed request is retried with its whole body."""
    return Edge(
        name=f"body-{size_mib}mib",
        title=f"bodies of {size_mib} MiB as 1 of 2 servers crashes",
        servers=(1, 2),
        load=_load(
            rate_per_second=3, duration_seconds=2, connections=1, deadline_seconds=60, body_bytes=size_mib * _MIB
        ),
        crash=2,
    )


def _connections(count: int) -> Edge:
    return Edge(
        name=f"connections-{count}",
        title=f"{count:,} connections",
        servers=(1, 2, 3),
        load=_load(rate_per_second=500, duration_seconds=6, connections=count, deadline_seconds=30),
    )


def _streams(count: int) -> Edge:
    """Streams of ten messages each, slow enough that all are open at once."""
    return Edge(
        name=f"streams-{count}",
        title=f"{count} streams of 10 messages",
        servers=(1, 2, 3),
        load=_load(
            rate_per_second=count / 4,
            duration_seconds=4,
            connections=20,
            deadline_seconds=60,
            sleep_ms=50,
            stream_messages=10,
        ),
    )


@contextmanager
def _held(lab: Lab, servers: tuple[int, ...], seconds: float) -> Iterator[None]:
    """Send each server one request of this duration without a proxy; later requests wait in its queue."""
    with ExitStack() as stack:
        channels = [stack.enter_context(grpc.insecure_channel(lab.fleet[index].target)) for index in servers]
        body = grpc_messages.sleep_identity(seconds * 1000, 4)
        holds = [
            grpc_messages.unary(channel, grpc_messages.INFER).future(body, timeout=seconds + 30) for channel in channels
        ]
        yield
        for hold in holds:
            hold.result()
