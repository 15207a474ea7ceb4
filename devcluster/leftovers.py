"""What a cluster leaves on the machine: how it is found, and how it is removed.

`sweep` does what a restart of the machine would do to a cluster, no more: etcd, images and certificates stay. It is
the first half of `down`, and what `up` does over a cluster that was killed.
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devcluster import cgroups, iptables, network, pids, sysctls
from devcluster.addresses import CLUSTER_NAME
from devcluster.files import remove_tree
from devcluster.node import CONTAINERD_STATE, POD_LOGS
from devcluster.paths import RUN, STATE

SHIM_ADDRESS_FILES = "io.containerd.runtime.v2.task/*/*/address"
"""Files of containerd that name each shim's socket, which is in /run/containerd/s whatever our configuration says."""

CNI_RESULTS = Path("/var/lib/cni/results")
"""Where containerd keeps what the CNI plugins answered, one file per pod and network."""

CONTAINER_LOG_LINKS = Path("/var/log/containers")
"""Where the kubelet links each container's log, whatever its own configuration says."""

DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
"""Where the kubelet's device manager keeps its socket and checkpoint, whatever its root folder is."""


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """Something of the cluster that is still on the machine.

    Args:
        kind: process, mount, cgroup, link, iptables chain, sysctl or file.
        name: which one, as the tool for that kind would name it.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def running() -> list[Leftover]:
    """All that a restart of the machine would take away; empty if the cluster neither runs nor was killed."""
    found = {
        "process": [f"{process.pid} ({process.command[:60]})" for process in pids.own_processes()],
        "mount": [str(path) for path in own_mounts()],
        "cgroup": [str(path) for path in cgroups.own_cgroups()],
        "link": network.own_links(),
        "iptables chain": iptables.own_chains(),
        "file": [str(path) for path in [RUN, *_strewn_files()] if path.exists() or path.is_symlink()],
    }
    return [Leftover(kind=kind, name=name) for kind, names in found.items() for name in names]


def everything() -> list[Leftover]:
    """What `running` finds, and what outlives a restart: the state folder and changed kernel settings."""
    kept = [Leftover(kind="file", name=str(STATE))] if STATE.exists() else []
    return [*running(), *(Leftover(kind="sysctl", name=name) for name in sysctls.changed()), *kept]


def sweep(waiting: Callable[[str], None]) -> None:
    """Remove all that `running` finds, but the folder of the sockets, which also holds the lock of this run.

    Raises:
        DevClusterError: a process does not end, or a cgroup stays busy.
    """
    pids.kill_own(waiting)
    cgroups.remove(waiting)
    unmount(waiting)
    network.remove_own_links()
    iptables.remove_own_chains()
    for path in _strewn_files():
        path.unlink(missing_ok=True)
    for directory in (CONTAINERD_STATE, RUN / "runc", RUN / "cni"):
        remove_tree(directory)


def own_mounts(mountinfo: str | None = None) -> list[Path]:
    """Mount points under our folders, the innermost first.

    Args:
        mountinfo: text of a `/proc/PID/mountinfo`; by default of this process.
    """
    lines = (mountinfo or Path("/proc/self/mountinfo").read_text()).splitlines()
    points = [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
    own = [point for point in points if point.is_relative_to(STATE) or point.is_relative_to(RUN)]
    return own[::-1]


def unmount(waiting: Callable[[str], None]) -> None:
    """Unmount all of `own_mounts`, also those that lie over one another."""
    while points := own_mounts():
        waiting(f"{len(points)} mounts to be released")
        for point in points:
            subprocess.run(["umount", "--lazy", point], check=True)


def _strewn_files() -> list[Path]:
    """Files that parts of the cluster put outside our folders, among files of others."""
    sockets = [Path(file.read_text().removeprefix("unix://")) for file in CONTAINERD_STATE.glob(SHIM_ADDRESS_FILES)]
    results = [path for path in _entries(CNI_RESULTS) if path.name.startswith(f"{CLUSTER_NAME}-")]
    links = [path for path in _entries(CONTAINER_LOG_LINKS) if path.is_symlink() and _leads_to_pod_logs(path)]
    return [*sockets, *results, *links]


def _leads_to_pod_logs(link: Path) -> bool:
    return link.readlink().is_relative_to(POD_LOGS)


def _entries(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


def remove_folders() -> None:
    """Remove the cluster's own folders with all they hold; the cache of builds is not among them."""
    remove_tree(RUN)
    remove_tree(STATE)
