"""The cluster's processes on this machine, found by what they are, never by a stored pid.

A pid file outlives its process, and another process gets the number. So a daemon is known by a variable in the
environment that it was started with (containerd's shims inherit it), and a container by its cgroup.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from devcluster.addresses import CLUSTER_NAME, SLURM_NODES
from devcluster.cgroups import slurm_cgroup
from devcluster.wait import wait_while

MARK = "SONIC_DEVCLUSTER"
"""Environment variable of every daemon of the cluster."""

KILL_TIMEOUT_SECONDS = 20.0
SHOWN_CHARACTERS = 60


def own_processes() -> list[psutil.Process]:
    """Return the living daemons, shims and containers of the cluster, by ascending pid."""
    return [process for process in psutil.process_iter() if is_own(process.pid)]


def is_own(pid: int) -> bool:
    """Return whether a process is alive and carries our mark or runs in our cgroup."""
    with suppress(psutil.Error, OSError):  # it ended meanwhile, or only its owner may look
        process = psutil.Process(pid)
        is_marked = MARK in process.environ()
        cgroups = Path(f"/proc/{pid}/cgroup").read_text()
        return process.status() != psutil.STATUS_ZOMBIE and (is_marked or is_in_own_cgroup(cgroups))
    return False


def is_in_own_cgroup(cgroups: str) -> bool:
    """Return whether the text of a `/proc/PID/cgroup` names a cgroup below the cluster's."""
    names = "|".join(map(re.escape, (CLUSTER_NAME, *map(slurm_cgroup, SLURM_NODES))))
    return re.search(rf"^\d+:[^:]*:/({names})/", cgroups, re.MULTILINE) is not None


def describe(pid: int) -> str:
    """Return `process PID (COMMAND)` on one line; a kernel thread has only a name."""
    command = "ended"
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        command = " ".join(" ".join(process.cmdline()).split()) or process.name()
    return f"process {pid} ({command[:SHOWN_CHARACTERS]})"


def kill_own(waiting: Callable[[str], None]) -> None:
    """Kill every process of the cluster at once, and return when all have ended.

    Raises:
        DevClusterError: one does not end, as happens to a process that hangs in the kernel.
    """

    def alive() -> str:
        processes = own_processes()
        what = f"{describe(processes[0].pid)} to end after SIGKILL" if processes else ""
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()  # psutil compares the start time first: the number may be another's by now
        return what

    hint = "it hangs in the kernel: look at its /proc/PID/stack, or restart the machine"
    wait_while(alive, timeout_seconds=KILL_TIMEOUT_SECONDS, interval_seconds=0.05, waiting=waiting, hint=hint)
