"""Starts a load process, and waits for its samples."""

import sys
import time
from pathlib import Path

from benchmarks.loopback.load import Load, Plan
from benchmarks.loopback.samples import Sample, read_samples
from testbed.child_process import Process

_START_TIMEOUT_SECONDS = 60
_MARGIN_SECONDS = 30


class Client:
    """One load process, from its connecting on.

    Args:
        load: its requests.
        samples_file: where its samples are kept.
        scratch: folder for plan and log.
        core: the one CPU that it may use; None: all.
    """

    def __init__(self, load: Load, *, samples_file: Path, scratch: Path, core: int | None) -> None:
        stem = samples_file.name.removesuffix(".csv.gz")
        self._load = load
        self._samples_file = samples_file
        plan_file = scratch / f"{stem}.plan.json"
        self._start_file = scratch / f"{stem}.start"
        Plan(load=load, start_file=str(self._start_file), samples_file=str(samples_file)).write(plan_file)
        self.process = Process(
            [sys.executable, "-m", "benchmarks.loopback.load", str(plan_file)],
            log=scratch / f"{stem}.log",
            core=core,
        )
        self.start_monotonic_seconds = 0.0

    def await_start(self) -> None:
        """Wait until every connection is open, then set `start_monotonic_seconds`, half a second ahead.

        Raises:
            ProcessError: it could not connect.
        """
        self.process.await_that(self._start_file.exists, "the client to connect", _START_TIMEOUT_SECONDS)
        self.start_monotonic_seconds = float(self._start_file.read_text())
        self._start_file.unlink()

    def sleep_until(self, offset_seconds: float) -> None:
        """Sleep until so long after the start."""
        time.sleep(max(0.0, self.start_monotonic_seconds + offset_seconds - time.monotonic()))

    def samples(self) -> list[Sample]:
        """Wait for the end, and read its samples.

        Raises:
            ProcessError: it failed, or takes longer than its last deadline.
        """
        limit = self._load.duration_seconds + self._load.deadline_seconds + _MARGIN_SECONDS
        self.process.await_success("the client", limit)
        return read_samples(self._samples_file)
