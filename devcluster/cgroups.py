"""The cgroup that holds every pod of the cluster: `/sonic-dev` in each hierarchy of cgroup v1, or in v2's one.

Slurm makes one for each of its nodes, in cgroup v1's freezer alone.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from devcluster.addresses import CLUSTER_NAME, SLURM_NODES
from devcluster.wait import wait_while

NEEDED_CONTROLLERS = frozenset({"cpu", "cpuset", "memory", "pids"})
"""Without these the kubelet does not start."""

MOUNTS = Path("/proc/self/mounts")
REMOVE_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Hierarchy:
    """One mounted tree of cgroups.

    Args:
        path: its mount point.
        version: 1 or 2.
        controllers: those of `NEEDED_CONTROLLERS` that this tree can hand to a cgroup below its root.
    """

    path: Path
    version: int
    controllers: frozenset[str]


def hierarchies(mounts: str) -> list[Hierarchy]:
    """Return the cgroup trees in the text of `/proc/self/mounts`, which lists a v1 tree's controllers as options."""
    found: list[Hierarchy] = []
    for line in mounts.splitlines():
        _, path, kind, options, *_ = line.split()
        if kind == "cgroup":
            controllers = NEEDED_CONTROLLERS.intersection(options.split(","))
            found.append(Hierarchy(path=Path(path), version=1, controllers=controllers))
        elif kind == "cgroup2":
            found.append(Hierarchy(path=Path(path), version=2, controllers=_delegable(Path(path))))
    return found


def usable_controllers() -> frozenset[str]:
    """Return all needed controllers of this machine under which a cgroup can be made."""
    return frozenset[str]().union(*(hierarchy.controllers for hierarchy in hierarchies(MOUNTS.read_text())))


def _delegable(root: Path) -> frozenset[str]:
    # Only the machine's own root may hold processes and hand controllers down at once; it alone has no cgroup.type.
    is_machine_root = not (root / "cgroup.type").exists()
    is_empty = not (root / "cgroup.procs").read_text().split()
    offered = "cgroup.controllers" if is_machine_root or is_empty else "cgroup.subtree_control"
    return NEEDED_CONTROLLERS.intersection((root / offered).read_text().split())


def create() -> None:
    """Make the cluster's cgroup in every hierarchy where it is missing, ready to have children."""
    for hierarchy in hierarchies(MOUNTS.read_text()):
        if hierarchy.version == 2:
            wanted = [f"+{name}" for name in sorted(hierarchy.controllers)]
            (hierarchy.path / "cgroup.subtree_control").write_text(" ".join(wanted))
        own = hierarchy.path / CLUSTER_NAME
        own.mkdir(exist_ok=True)
        if hierarchy.version == 1 and "cpuset" in hierarchy.controllers:
            for setting in ("cpuset.cpus", "cpuset.mems"):  # empty in a new v1 cgroup, and then nothing may enter
                (own / setting).write_text((hierarchy.path / setting).read_text())


def slurm_cgroup(node: str) -> str:
    """Return the name of the cgroup that slurmd makes for its node's jobs."""
    return f"slurm_{node}"


def have_held_pods() -> bool:
    """Return whether a kubelet has run since our cgroups were made: it makes `kubepods` in them when it starts."""
    return any(cgroup.name == "kubepods" for cgroup in own_cgroups())


def own_cgroups() -> list[Path]:
    """Return the cluster's cgroups with all below them, children before parents."""
    names = (CLUSTER_NAME, *map(slurm_cgroup, SLURM_NODES))
    roots = [hierarchy.path / name for hierarchy in hierarchies(MOUNTS.read_text()) for name in names]
    return [Path(folder) for root in roots for folder, _, _ in os.walk(root, topdown=False)]


def remove(waiting: Callable[[str], None]) -> None:
    """Remove the cluster's cgroups; their processes must have ended.

    Raises:
        DevClusterError: one stays busy, which means that a process in it is still alive.
    """

    def busy() -> str:
        for cgroup in own_cgroups():
            with suppress(OSError):  # the kernel forgets the last process a moment after it ended
                cgroup.rmdir()
        return next((f"the kernel to free cgroup {cgroup}" for cgroup in own_cgroups()), "")

    hint = "a process in its cgroup.procs is alive: end it and run `python -m devcluster down` again"
    wait_while(busy, timeout_seconds=REMOVE_TIMEOUT_SECONDS, interval_seconds=0.05, waiting=waiting, hint=hint)
