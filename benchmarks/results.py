"""Files of one run: versions and hashes, each block's figures, the table; and each request, which git ignores."""

import csv
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path

from benchmarks.loopback.samples import Sample, failed
from benchmarks.result_table import Row, render
from benchmarks.statistics import percentile

RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True, kw_only=True)
class BlockResult:
    """The figures of one side in one block."""

    scenario: str
    block: int
    side: str
    sent: int
    failed: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_seconds_per_1000: float
    """CPU time of the side's Envoys per 1,000 requests."""
    peak_memory_mib: float
    """Largest resident set of one of them."""
    direct_p50_ms: float
    """The same request past all proxies, before the block."""


def block_result(
    samples: Sequence[Sample],
    *,
    scenario: str,
    block: int,
    side: str,
    cpu_seconds: float,
    peak_memory_mib: float,
    direct_p50_ms: float,
    deadline_seconds: float,
) -> BlockResult:
    """Sum up the requests of a block.

    A failed request counts with at least its deadline, so that a fast failure does not lower the latency.
    """
    milliseconds = [
        1000 * (sample.latency_seconds if sample.ok else max(sample.latency_seconds, deadline_seconds))
        for sample in samples
    ]
    return BlockResult(
        scenario=scenario,
        block=block,
        side=side,
        sent=len(samples),
        failed=failed(samples),
        p50_ms=percentile(milliseconds, 50),
        p99_ms=percentile(milliseconds, 99),
        max_ms=max(milliseconds),
        cpu_seconds_per_1000=cpu_seconds / len(samples) * 1000,
        peak_memory_mib=peak_memory_mib,
        direct_p50_ms=direct_p50_ms,
    )


class Results:
    """A folder of its own for each run: `<date>/<time>/`."""

    def __init__(self, started: datetime, root: Path = RESULTS) -> None:
        self.directory = root / started.strftime("%Y-%m-%d") / started.strftime("%H%M%S")
        self._requests = self.directory / "requests"
        self._requests.mkdir(parents=True)
        self._blocks = self.directory / "blocks.csv"
        self._facts: dict[str, object] = {}

    def requests_file(self, name: str) -> Path:
        """Path for the single requests of one client. `.gitignore` names its folder."""
        return self._requests / f"{name}.csv.gz"

    def file(self, name: str) -> Path:
        """Path for another file of the run, such as a plot."""
        return self.directory / name

    def add(self, block: BlockResult) -> None:
        """Keep a block's figures."""
        new = not self._blocks.exists()
        with self._blocks.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(field.name for field in fields(block))
            writer.writerow(f"{value:.6g}" if isinstance(value, float) else value for value in asdict(block).values())

    def describe(self, facts: Mapping[str, object]) -> None:
        """Add facts of the run to `run.json`: versions, hashes, arguments, machine."""
        self._facts.update(facts)
        machine = {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}
        (self.directory / "run.json").write_text(json.dumps({**self._facts, "machine": machine}, indent=2) + "\n")

    def finish(self, rows: Sequence[Row]) -> str:
        """Keep the table, and return it."""
        table = render(rows)
        (self.directory / "table.md").write_text(table + "\n")
        return table
