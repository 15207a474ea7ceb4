"""Speed of one server without a proxy."""

from dataclasses import dataclass

import grpc

from benchmarks.loopback import grpc_messages
from benchmarks.loopback.fleet import PACED
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.load import Load
from benchmarks.statistics import percentile

_WARM_UP_REQUESTS = 5
_PROBE_RATE_PER_SECOND, _PROBE_SECONDS = 5.0, 5.0


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server's speed, as measured."""

    busy_seconds: float
    """For one request: Triton's own count of input, compute and output."""
    latency_seconds: float
    """Of one request without any wait, directly."""


def measure_speed(lab: Lab, name: str, index: int) -> Server:
    """Return a server's speed, from requests without a queue."""
    target = lab.fleet[index].target
    with grpc.insecure_channel(target) as channel:
        statistics_of = grpc_messages.unary(channel, grpc_messages.STATISTICS)
        for _ in range(_WARM_UP_REQUESTS):
            grpc_messages.unary(channel, grpc_messages.INFER)(grpc_messages.paced(1))
        count_before, busy_before = grpc_messages.execution_seconds(
            statistics_of(grpc_messages.statistics_request(PACED))
        )
        samples = lab.send(
            Load(
                targets=(target,),
                rate_per_second=_PROBE_RATE_PER_SECOND,
                duration_seconds=_PROBE_SECONDS,
                process="fixed",
                seed=lab.seed,
                model=PACED,
                connections=1,
            ),
            name,
        )
        count, busy = grpc_messages.execution_seconds(statistics_of(grpc_messages.statistics_request(PACED)))
    return Server(
        busy_seconds=(busy - busy_before) / (count - count_before),
        latency_seconds=percentile([sample.latency_seconds for sample in samples], 50),
    )
