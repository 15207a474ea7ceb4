"""Finds and removes all that a cluster leaves on the machine.

`sweep` does what a restart of the machine would do to a cluster, no more: etcd, images and certificates stay. It is
the first half of `down`, and `up` runs it over a cluster that was killed.
"""

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from devcluster import cgroups, iptables, network, pids, stray_files, sysctls
from devcluster.errors import DevClusterError
from devcluster.node import CONTAINERD_STATE
from devcluster.paths import RUN, STATE

MOUNTINFO = Path("/proc/self/mountinfo")


def leftovers(original_sysctls: Mapping[str, str]) -> list[str]:
    """Name everything that the cluster has put on the machine; of a running cluster, too.

    Args:
        original_sysctls: kernel settings as they were before the cluster.
    """
    return [
        *(pids.describe(process.pid) for process in pids.own_processes()),
        *(f"mount {path}" for path in own_mounts(MOUNTINFO.read_text())),
        *(f"cgroup {path}" for path in cgroups.own_cgroups()),
        *(f"link {name}" for name in network.own_links()),
        *(f"iptables chain {name}" for name in iptables.own_chains()),
        *(f"file {path}" for path in [RUN, STATE, *stray_files.own_files()] if path.exists() or path.is_symlink()),
        *(f"kernel setting {name} (was {value})" for name, value in sysctls.changed(original_sysctls).items()),
    ]


def sweep(waiting: Callable[[str], None]) -> None:
    """Remove processes, cgroups, mounts, links, packet filter rules and stray files.

    Raises:
        DevClusterError: a process does not end, a cgroup stays busy, or a mount cannot be released.
    """
    pids.kill_own(waiting)
    cgroups.remove(waiting)
    unmount()
    network.remove_own_links()
    iptables.remove_own_chains()
    stray_files.remove()
    _remove(CONTAINERD_STATE, RUN / "runc", RUN / "cni")


def own_mounts(mountinfo: str) -> list[Path]:
    """Return the mount points under our folders in the text of a `/proc/PID/mountinfo`, the innermost first."""
    points = [Path(line.split()[4].encode().decode("unicode_escape")) for line in mountinfo.splitlines()]
    return [point for point in reversed(points) if point.is_relative_to(STATE) or point.is_relative_to(RUN)]


def unmount() -> None:
    """Release all of `own_mounts`, also those that lie over one another.

    Raises:
        DevClusterError: one cannot be released.
    """
    while points := own_mounts(MOUNTINFO.read_text()):
        result = subprocess.run(["umount", "--lazy", points[0]], capture_output=True, text=True, check=False)
        if result.returncode != 0 and points[0] in own_mounts(MOUNTINFO.read_text()):
            msg = f"{points[0]} cannot be unmounted: {result.stderr.strip()}; unmount it and run again"
            raise DevClusterError(msg)


def remove_folders() -> None:
    """Remove the cluster's own folders with all they hold; the cache of builds is not among them."""
    _remove(RUN, STATE)


def _remove(*folders: Path) -> None:
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)
