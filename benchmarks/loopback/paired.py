"""The same request through several legs in turn, from a process of its own: `python -m benchmarks.loopback.paired`.

Paired, so that other load of the machine affects all legs alike; in random order, so that none always follows
another.
"""

import csv
import gzip
import json
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc

from benchmarks.loopback.grpc_messages import INFER, Unary, unary
from benchmarks.loopback.load import CHANNEL_OPTIONS, request_body

_WARM_UP_REQUESTS = 10
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class PairedPlan:
    """Input of the process."""

    legs: Mapping[str, str]
    """Name of a leg -> `host:port`."""
    model: str
    body_bytes: int = 4
    batch: int = 1
    """Jets of a request, for `particlenet_AK4_PT_numpy`."""
    rounds: int
    """In each, every leg has one turn: one request."""
    seed: int


def run_turns(plan: PairedPlan, output: Path) -> None:
    """Send all rounds, and write each turn as CSV: its round, leg and seconds."""
    body = request_body(plan.model, body_bytes=plan.body_bytes, batch=plan.batch)
    channels = {leg: grpc.insecure_channel(target, options=CHANNEL_OPTIONS) for leg, target in plan.legs.items()}
    calls = {leg: unary(channel, INFER) for leg, channel in channels.items()}
    draw = random.Random(plan.seed)  # noqa: S311  no secret
    for call in calls.values():
        for _ in range(_WARM_UP_REQUESTS):
            _turn(call, body)
    with gzip.open(output, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["round", "leg", "seconds"])
        for number in range(plan.rounds):
            for leg in draw.sample(sorted(calls), k=len(calls)):
                writer.writerow([number, leg, f"{_turn(calls[leg], body):.7f}"])
    for channel in channels.values():
        channel.close()


def read_turns(path: Path) -> dict[str, list[float]]:
    """Return leg -> seconds of each turn."""
    turns: dict[str, list[float]] = {}
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            turns.setdefault(row["leg"], []).append(float(row["seconds"]))
    return turns


def _turn(call: Unary, body: bytes) -> float:
    start = time.perf_counter()
    call(body, timeout=_TIMEOUT_SECONDS)
    return time.perf_counter() - start


def main() -> None:
    """Send the plan's requests, and write the turns."""
    written = json.loads(Path(sys.argv[1]).read_text())
    output = Path(written.pop("output"))
    run_turns(PairedPlan(**written), output)


if __name__ == "__main__":
    main()
