"""Slurm's needs of this machine, and the wait for its nodes."""

from pathlib import Path

from devcluster.addresses import SLURM_NODES
from devcluster.errors import DevClusterError
from devcluster.progress import Progress
from devcluster.slurm import commands
from devcluster.slurm.folders import CONFIGURATION
from devcluster.wait import wait_while

FREEZER = Path("/sys/fs/cgroup/freezer")
NODES_TIMEOUT_SECONDS = 60.0


def is_configured() -> bool:
    """Return whether an `up --slurm` came before, without a `down` since."""
    return CONFIGURATION.exists()


def check_machine() -> None:
    """Return if Slurm can track the processes of its jobs here.

    Raises:
        DevClusterError: cgroup v1's freezer is not mounted. Slurm's cgroup v2 needs systemd.
    """
    if not FREEZER.is_mount():
        msg = (
            f"{FREEZER} is not mounted: Slurm tracks its jobs by cgroup v1's freezer; mount it, boot with "
            "systemd.unified_cgroup_hierarchy=0, or leave --slurm out"
        )
        raise DevClusterError(msg)


def wait_for_nodes(progress: Progress) -> None:
    """Return when every node takes jobs.

    Raises:
        DevClusterError: one does not after a minute.
    """

    def missing() -> str:
        printed = commands.run("sinfo", "--noheader", "--Node", "--format=%N %T").stdout
        states = dict(line.split() for line in printed.splitlines())
        return next(
            (f"Slurm's node {name}: {states.get(name)}" for name in SLURM_NODES if not _takes_jobs(states, name)), ""
        )

    hint = "`python -m devcluster logs slurmctld` may tell more"
    wait_while(missing, timeout_seconds=NODES_TIMEOUT_SECONDS, waiting=progress.waiting, hint=hint)


def _takes_jobs(states: dict[str, str], name: str) -> bool:
    return states.get(name) in {"idle", "mixed", "allocated", "completing"}
