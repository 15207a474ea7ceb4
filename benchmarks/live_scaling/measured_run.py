"""A run in the cluster as a run of the simulator, so that both get the same scores."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from benchmarks.autoscaling.routing import Routing, next_wait
from benchmarks.autoscaling.server import ServerKind
from benchmarks.autoscaling.simulation import Run, Timeline
from benchmarks.autoscaling.traces import Trace
from benchmarks.live_scaling.observer import Look, SeenServer
from benchmarks.loopback.samples import Sample, failed

STEP_SECONDS = 1.0
"""From one point of the timeline to the next: about that of the looks."""


def measured_run(
    looks: Sequence[Look],
    samples: Sequence[Sample],
    *,
    trace: Trace,
    kind: ServerKind,
    routing: Routing,
    origin_seconds: float,
) -> Run:
    """Return the run.

    Args:
        looks: in the order of time; the first is before the origin.
        samples: the requests of all clients.
        trace: the load; its time step is replaced.
        kind: the servers.
        routing: choice of the servers by the side's Envoys.
        origin_seconds: beginning of the trace by the clock of the looks.
    """
    timeline = Timeline()
    current, rest = looks[0], list(looks[1:])
    for number in range(round(trace.seconds / STEP_SECONDS)):
        now = number * STEP_SECONDS
        while rest and rest[0].seconds <= origin_seconds + now:
            current = rest.pop(0)
        _record(timeline, now, current, trace, kind, routing)
    lost = failed(samples)
    return Run(
        trace=replace(trace, step_seconds=STEP_SECONDS),
        kind=kind,
        timeline=timeline,
        arrived=len(samples),
        completed=len(samples) - lost,
        lost=lost,
        gpu_seconds=sum(timeline.pods) * STEP_SECONDS,
    )


def _record(timeline: Timeline, now: float, look: Look, trace: Trace, kind: ServerKind, routing: Routing) -> None:
    timeline.seconds.append(now)
    timeline.load.append(trace.load(now))
    timeline.waiting.append(sum(server.waiting for server in look.servers))
    timeline.longest_seconds.append(_wait(max((server.waiting for server in look.servers), default=0.0), kind))
    queues = [server.waiting for server in _known(look)]
    waits = [_wait(waiting, kind) for waiting in queues]
    timeline.next_seconds.append(next_wait(routing, queues, waits) if queues else 0.0)
    timeline.serving.append(look.serving)
    timeline.pods.append(len(look.servers))
    timeline.wanted.append(look.wanted)


def _known(look: Look) -> list[SeenServer]:
    """Return the servers that get requests: of those that are ready, the ones that have been so for longest."""
    ready = [server for server in look.servers if server.ready_since and not server.leaving]
    return sorted(ready, key=lambda server: server.ready_since)[: look.serving]


def _wait(waiting: float, kind: ServerKind) -> float:
    return waiting / kind.requests_per_second


def first_change_seconds(run: Run) -> float | None:
    """Return the time at which the autoscaler first set another number; None if it never did."""
    timeline = run.timeline
    changes = zip(timeline.seconds[1:], pairwise(timeline.wanted), strict=True)
    return next((now for now, (before, after) in changes if before != after), None)


def write_timeline(run: Run, file: Path) -> None:
    """Write the timeline as CSV."""
    timeline = run.timeline
    columns = {
        "seconds": timeline.seconds,
        "load": timeline.load,
        "waiting": timeline.waiting,
        "longest_seconds": timeline.longest_seconds,
        "next_seconds": timeline.next_seconds,
        "serving": timeline.serving,
        "pods": timeline.pods,
        "wanted": timeline.wanted,
    }
    with file.open("w", newline="") as output:
        writer = csv.writer(output)
        writer.writerow(columns)
        writer.writerows([f"{value:g}" for value in row] for row in zip(*columns.values(), strict=True))
