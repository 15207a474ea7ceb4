"""Slurm's queue by its commands."""

from __future__ import annotations

import re
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .settings import Settings

COMMAND_SECONDS = 30
"""Time that a command may take: slurmctld answers late while it schedules."""
_COLUMNS = ("id=%i", "name=%j", "state=%T", "submitted=%V", "started=%S", "ends=%e", "script=%o")
_SEPARATOR = "\x1f"
ACTIVE = frozenset({"PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD", "RESIZING"})
"""States of a job that has, or waits for, its resources (`man squeue`, JOB STATE CODES)."""
PLANNED_ENDS = frozenset({"COMPLETED", "CANCELLED"})
"""States of a job that ended by itself, after its drain too, or that somebody cancelled."""
_FORECAST = re.compile(r"Job \d+ to start at (\S+)")


class SlurmError(Exception):
    """A command of Slurm failed; the text has its last words."""


class Job(NamedTuple):
    """A job of this virtual node."""

    id: str
    """Slurm's number."""
    pod_uid: str
    """Uid of its pod, which the plugin makes the job's name."""
    state: str
    """Slurm's long state, such as `RUNNING`."""
    submitted: float | None
    """Time in seconds since 1970."""
    started: float | None
    """Time in seconds since 1970; in the future for a waiting job with a forecast."""
    ends: float | None
    """Time of the limit, or of the end, in seconds since 1970."""

    @property
    def active(self) -> bool:
        """True while it has, or waits for, its resources."""
        return self.state in ACTIVE


def jobs(settings: Settings) -> list[Job]:
    """Return the jobs whose script is in the data folder, those that ended lately too.

    Raises:
        SlurmError: squeue failed.
    """
    columns = _SEPARATOR.join(column.partition("=")[2] for column in _COLUMNS)
    text = _run(settings, "squeue", "--noheader", "--all", "--states=all", f"--format={columns}")
    return [job for line in text.splitlines() if (job := parsed(line, settings.data_folder)) is not None]


def parsed(line: str, data_folder: str) -> Job | None:
    """Return the job of a line of squeue; None if it is somebody else's."""
    names = [column.partition("=")[0] for column in _COLUMNS]
    values = line.split(_SEPARATOR)
    if len(values) != len(names):
        return None
    row: Mapping[str, str] = dict(zip(names, values))
    if not row["script"].startswith(f"{data_folder.rstrip('/')}/"):
        return None
    times = (_seconds(row[name]) for name in ("submitted", "started", "ends"))
    return Job(row["id"], row["name"], row["state"], *times)


def wait_seconds(settings: Settings, flags: Sequence[str]) -> float:
    """Return the time until a job with these flags would start, as `sbatch --test-only` forecasts it.

    Raises:
        SlurmError: Slurm would refuse the job, or does not answer.
    """
    run = _process(settings, "sbatch", "--test-only", *flags, "--wrap=true")
    found = _FORECAST.search(run.stderr)
    start = _seconds(found[1]) if found else None
    if start is None:
        raise SlurmError(_last_line(run.stderr))
    return max(0.0, start - time.time())


def cancel(settings: Settings, job: str) -> None:
    """Cancel a job.

    Raises:
        SlurmError: scancel failed.
    """
    _run(settings, "scancel", job)


def _run(settings: Settings, *command: str) -> str:
    run = _process(settings, *command)
    if run.returncode != 0:
        raise SlurmError(f"{command[0]}: {_last_line(run.stderr)}")
    return run.stdout


def _process(settings: Settings, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [f"{settings.commands_folder}/{program}", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SlurmError(f"{program}: {error}") from error


def _seconds(written: str) -> float | None:
    """Return a time that Slurm writes in the zone of this machine; None for `N/A` and `Unknown`."""
    try:
        return time.mktime(time.strptime(written, "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return None


def _last_line(text: str) -> str:
    return (text.strip() or "no reason given").splitlines()[-1]
