"""Which processes of this machine belong to the cluster, found by what they are, never by a stored pid.

A pid file outlives its process and its number is given to another. So a daemon is known by a variable in the
environment that it was started with (containerd's shims inherit it), and a container by its cgroup.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from devcluster.addresses import CLUSTER_NAME
from devcluster.errors import DevClusterError

MARK = "SONIC_DEVCLUSTER"
"""The environment variable that every daemon of the cluster carries."""

PROC = Path("/proc")
KILL_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class OwnProcess:
    """A process that belongs to the cluster."""

    pid: int
    command: str


def own_processes(proc: Path = PROC) -> list[OwnProcess]:
    """Daemons, shims and containers of the cluster that are alive, by ascending pid."""
    pids = sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdigit())
    return [OwnProcess(pid=pid, command=command_of(pid, proc)) for pid in pids if is_own(pid, proc)]


def is_own(pid: int, proc: Path = PROC) -> bool:
    """Whether this process is alive and carries our mark or runs in our cgroup."""
    entry = proc / str(pid)
    try:
        state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        environment = (entry / "environ").read_bytes().split(b"\0")
        cgroups = (entry / "cgroup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError, IndexError):
        return False
    marked = any(variable.startswith(f"{MARK}=".encode()) for variable in environment)
    contained = any(line.split(":", 2)[2].startswith(f"/{CLUSTER_NAME}/") for line in cgroups)
    return state != "Z" and (marked or contained)


def command_of(pid: int, proc: Path = PROC) -> str:
    """The command line of a process on one line; of one that has none (a kernel thread, a zombie) its short name."""
    with suppress(FileNotFoundError, ProcessLookupError):
        arguments = (proc / str(pid) / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        command = " ".join(b" ".join(arguments).decode(errors="replace").split())
        return command or (proc / str(pid) / "comm").read_text().strip()
    return "(ended)"


def kill_own(waiting: Callable[[str], None]) -> None:
    """End every process of the cluster at once, and return when none is left.

    Raises:
        DevClusterError: one does not end, as happens to a process that hangs in the kernel.
    """
    deadline = time.monotonic() + KILL_PATIENCE_SECONDS
    while alive := own_processes():
        for process in alive:
            _kill_if_own(process.pid)
        if time.monotonic() > deadline:
            first = alive[0]
            msg = (
                f"process {first.pid} ({first.command[:60]}) did not end {KILL_PATIENCE_SECONDS:.0f} s after SIGKILL; "
                f"it hangs in the kernel: look at /proc/{first.pid}/stack, or restart the machine"
            )
            raise DevClusterError(msg)
        waiting(f"{len(alive)} processes to end")
        time.sleep(0.05)


def _kill_if_own(pid: int) -> None:
    # The pidfd pins the process: between the look and the signal the number cannot pass to another one.
    with suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        try:
            if is_own(pid):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        finally:
            os.close(pidfd)
