"""What a cluster leaves on the machine: how it is found, and how it is removed.

`sweep` does what a restart of the machine would do to a cluster, no more: etcd, images and certificates stay. It is
the first half of `down`, and what `up` does over a cluster that was killed.
"""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devcluster import cgroups, iptables, network, pids, strewn, sysctls
from devcluster.errors import DevClusterError
from devcluster.files import remove_tree
from devcluster.node import CONTAINERD_STATE
from devcluster.paths import RUN, STATE

MOUNTINFO = Path("/proc/self/mountinfo")


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """Something of the cluster that is still on the machine.

    Args:
        kind: process, mount, cgroup, link, iptables chain, file or kernel setting.
        name: which one, as the tool for that kind would name it.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def find(original_sysctls: Mapping[str, str]) -> list[Leftover]:
    """All that is on the machine because of the cluster; of one that runs, too.

    Args:
        original_sysctls: kernel settings as they were before the cluster.
    """
    found = {
        "process": [f"{process.pid} ({process.command[:60]})" for process in pids.own_processes()],
        "mount": [str(path) for path in own_mounts(MOUNTINFO.read_text())],
        "cgroup": [str(path) for path in cgroups.own_cgroups()],
        "link": network.own_links(),
        "iptables chain": iptables.own_chains(),
        "file": [str(path) for path in [RUN, STATE, *strewn.own_files()] if path.exists() or path.is_symlink()],
        "kernel setting": [f"{name} (was {value})" for name, value in sysctls.changed(original_sysctls).items()],
    }
    return [Leftover(kind=kind, name=name) for kind, names in found.items() for name in names]


def sweep(waiting: Callable[[str], None]) -> None:
    """Remove what a restart of the machine would: processes, cgroups, mounts, links, packet filter, strewn files.

    Raises:
        DevClusterError: a process does not end, a cgroup stays busy, or a mount cannot be released.
    """
    pids.kill_own(waiting)
    cgroups.remove(waiting)
    unmount()
    network.remove_own_links()
    iptables.remove_own_chains()
    strewn.remove()
    for directory in (CONTAINERD_STATE, RUN / "runc", RUN / "cni"):
        remove_tree(directory)


def own_mounts(mountinfo: str) -> list[Path]:
    """Mount points under our folders in the text of a `/proc/PID/mountinfo`, the innermost first."""
    points = [Path(line.split()[4].encode().decode("unicode_escape")) for line in mountinfo.splitlines()]
    own = [point for point in points if point.is_relative_to(STATE) or point.is_relative_to(RUN)]
    return own[::-1]


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
    remove_tree(RUN)
    remove_tree(STATE)
