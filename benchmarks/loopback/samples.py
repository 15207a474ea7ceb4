"""Record of each request, kept as CSV."""

import csv
import gzip
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sample:
    """One request."""

    intended_seconds: float
    """Planned time of sending, from the start of the load."""
    sent_seconds: float
    """Time of sending; later than planned if the client was busy."""
    ended_seconds: float
    """Time of the answer or of the failure."""
    status: str
    """Name of its gRPC status, such as OK."""
    detail: str
    """The status' message, shortened."""

    @property
    def latency_seconds(self) -> float:
        """Latency from the planned time, so that a delayed client hides no wait."""
        return self.ended_seconds - self.intended_seconds

    @property
    def ok(self) -> bool:
        """True if the server answered."""
        return self.status == "OK"


COLUMNS = tuple(field.name for field in fields(Sample))


def write_samples(path: Path, samples: Iterable[Sample]) -> None:
    """Keep samples as gzipped CSV, with a header."""
    with gzip.open(path, "wt", newline="", compresslevel=3) as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for sample in samples:
            *seconds, status, detail = astuple(sample)
            writer.writerow([*(f"{value:.6f}" for value in seconds), status, detail])


def read_samples(path: Path) -> list[Sample]:
    """Read what `write_samples` wrote."""
    with gzip.open(path, "rt", newline="") as file:
        return [
            Sample(float(row[0]), float(row[1]), float(row[2]), row[3], row[4]) for row in list(csv.reader(file))[1:]
        ]


def failed(samples: Sequence[Sample]) -> int:
    """Requests that got no answer."""
    return sum(not sample.ok for sample in samples)


def in_flight_max(samples: Sequence[Sample]) -> int:
    """Return the most requests in progress at one time."""
    edges = sorted(
        [(sample.sent_seconds, 1) for sample in samples] + [(sample.ended_seconds, -1) for sample in samples]
    )
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


def causes(samples: Iterable[Sample]) -> dict[str, int]:
    """Failures by status, most frequent first."""
    counts: dict[str, int] = {}
    for sample in samples:
        if not sample.ok:
            counts[sample.status] = counts.get(sample.status, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
