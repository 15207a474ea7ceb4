"""Open-loop load from a process of its own: `python -m benchmarks.loopback.load PLAN.json`.

Open loop means that the plan sets the time of each request, also when earlier requests have no answer yet: a slow
system gets the same load, and its whole delay is measured. It is a separate process, so that neither the stubs nor the
experiment delay it.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeAlias

import grpc

from benchmarks.loopback import grpc_messages
from benchmarks.loopback.arrivals import Process, arrivals
from benchmarks.loopback.samples import Sample, write_samples

Unary: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"
Stream: TypeAlias = "grpc.aio.StreamStreamMultiCallable[bytes, bytes]"

_CONNECT_TIMEOUT_SECONDS = 30
_DETAIL_CHARACTERS = 80
_LEAD_SECONDS = 0.5
"""From the announcement of the start to the start, so that the experiment can read it."""
CHANNEL_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),  # or channels to one address would share one connection
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)


@dataclass(frozen=True, kw_only=True)
class Load:
    """Requests of one client."""

    targets: tuple[str, ...]
    """`host:port` of each; requests go to them in turn."""
    rate_per_second: float
    duration_seconds: float
    seed: int
    process: Process = "poisson"
    model: str = "sleep_identity"
    sleep_ms: float = 0
    """For `sleep_identity`."""
    body_bytes: int = 4
    batch: int = 1
    """Entries of each request, for `sleep_identity`: Triton puts a request of the largest batch with no other."""
    deadline_seconds: float = 30
    """Of each request, from its sending on."""
    connections: int = 8
    """To each target; requests take them in turn."""
    stream_messages: int = 0
    """Messages of each request, if it is to be a stream; each waits for the answer to the one before."""
    token: str = ""
    """Goes with each request as `authorization: Bearer …`, unless it is empty."""

    def to(self, target: str) -> "Load":
        """The same load to one target."""
        return replace(self, targets=(target,))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Input of the load process."""

    load: Load
    start_file: str
    """Gets the time of the start once every connection is open, by the monotonic clock that all processes share."""
    samples_file: str
    """Gets the samples in the end."""

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """Read what `write` wrote."""
        fields = json.loads(path.read_text())
        load = Load(**{**fields["load"], "targets": tuple(fields["load"]["targets"])})
        return cls(**{**fields, "load": load})


def request_body(model: str, *, body_bytes: int, sleep_ms: float = 0, batch: int = 1) -> bytes:
    """Return the body of every request.

    Args:
        model: `sleep_identity`, `paced` or `particlenet_AK4_PT_numpy`.
        body_bytes: size of the tensor of the first two.
        sleep_ms: for `sleep_identity`.
        batch: entries, for `sleep_identity`; jets, for `particlenet_AK4_PT_numpy`.
    """
    match model:
        case grpc_messages.PARTICLENET:
            return grpc_messages.particlenet(batch)
        case "paced":
            return grpc_messages.paced(body_bytes)
    return grpc_messages.sleep_identity(sleep_ms, body_bytes, batch)


def _exchange(channel: grpc.aio.Channel, body: bytes, load: Load) -> Callable[[], Awaitable[object]]:
    """Return a function that makes one request on a connection."""
    metadata = (("authorization", f"Bearer {load.token}"),) if load.token else ()
    if not load.stream_messages:
        unary: Unary = channel.unary_unary(grpc_messages.INFER)
        return lambda: unary(body, timeout=load.deadline_seconds, metadata=metadata)
    stream: Stream = channel.stream_stream(grpc_messages.STREAM_INFER)

    async def converse() -> None:
        call = stream(timeout=load.deadline_seconds, metadata=metadata)
        for _ in range(load.stream_messages):
            await call.write(body)
            await call.read()
        await call.done_writing()
        while await call.read() is not grpc.aio.EOF:
            pass

    return converse


async def _send(plan: Plan) -> list[Sample]:
    load = plan.load
    body = request_body(load.model, body_bytes=load.body_bytes, sleep_ms=load.sleep_ms, batch=load.batch)
    channels = [
        grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
        for _ in range(load.connections)
        for target in load.targets
    ]
    await asyncio.wait_for(asyncio.gather(*(channel.channel_ready() for channel in channels)), _CONNECT_TIMEOUT_SECONDS)
    exchanges = [_exchange(channel, body, load) for channel in channels]
    start = time.monotonic() + _LEAD_SECONDS
    _announce(Path(plan.start_file), start)
    samples: list[Sample] = []

    async def call(number: int, intended: float) -> None:
        sent = time.monotonic() - start
        status, detail = "OK", ""
        try:
            await exchanges[number % len(exchanges)]()
        except grpc.aio.AioRpcError as error:
            status, detail = error.code().name, (error.details() or "")[:_DETAIL_CHARACTERS]
        samples.append(Sample(intended, sent, time.monotonic() - start, status, detail))

    running: set[asyncio.Task[None]] = set()
    for number, intended in enumerate(arrivals(load.process, load.rate_per_second, load.duration_seconds, load.seed)):
        wait = start + intended - time.monotonic()
        # Sleep even for 0 s: otherwise a client that is late would never read an answer.
        await asyncio.sleep(max(wait, 0))
        task = asyncio.create_task(call(number, intended))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    await asyncio.gather(*(channel.close() for channel in channels))
    return sorted(samples, key=lambda sample: sample.intended_seconds)


def _announce(path: Path, start: float) -> None:
    written = path.with_suffix(".part")
    written.write_text(repr(start))
    written.rename(path)


def main() -> None:
    """Send the plan's requests, and write the samples."""
    plan = Plan.read(Path(sys.argv[1]))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    write_samples(Path(plan.samples_file), asyncio.run(_send(plan)))


if __name__ == "__main__":
    main()
