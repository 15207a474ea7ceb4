"""Writes the configuration of Slurm, of interLink's API and plugin, and the keys of the tunnels."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from devcluster.addresses import EDGE_PORT, LOOPBACK, NODE_ADDRESS, SLURM_NODES, SLURMCTLD_PORT, SLURMD_PORTS
from devcluster.credentials import CLUSTER_AUTHORITY
from devcluster.credentials import EDGE as EDGE_IDENTITY
from devcluster.files import write
from devcluster.slurm import apptainer, keys
from devcluster.slurm.folders import APPTAINER, COMMANDS, CONFIGURATION, EDGE, JOBS, JOBS_UID, SLURM

PARTITION = "hammer-nodes"
KILL_WAIT_SECONDS = 30


def write_configuration(program: Callable[[str], Path]) -> None:
    """Write every file that Slurm, the edge and the jobs read, each only if it differs.

    Args:
        program: returns the path of a program by its name.
    """
    for folder in (SLURM / "state", SLURM / "spool", JOBS):
        folder.mkdir(parents=True, exist_ok=True)
    write(CONFIGURATION, slurm_configuration(socket.gethostname().partition(".")[0]))
    write(SLURM / "gres.conf", f"NodeName={','.join(SLURM_NODES)} Name=gpu Type=t4 File=/dev/null\n")
    write(SLURM / "cgroup.conf", "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nCgroupAutomount=no\n")
    write(EDGE / "InterLinkConfig.yaml", yaml.safe_dump(api_configuration()))
    write(EDGE / "SlurmConfig.yaml", yaml.safe_dump(plugin_configuration()))
    # Without a group of its own a job that root submits has root's, and charliecloud refuses to run.
    write(COMMANDS / "sbatch", f'#!/bin/sh\nexec {program("sbatch")} --gid={JOBS_UID} "$@"\n', mode=0o755)
    for name in ("squeue", "scancel", "sinfo"):
        (COMMANDS / name).unlink(missing_ok=True)
        (COMMANDS / name).symlink_to(program(name))
    write(APPTAINER, Path(apptainer.__file__).read_text(), mode=0o755)
    keys.write_jobs_key()


def slurm_configuration(host: str) -> str:
    """Return slurm.conf: two nodes on this machine, and processes tracked by cgroups as sites do.

    `proctrack/cgroup` decides what `scancel` does: SIGTERM reaches the batch shell alone.

    Args:
        host: name of this machine without its domain.
    """
    nodes = "\n".join(
        f"NodeName={node} NodeHostname={host} NodeAddr={LOOPBACK} Port={port} CPUs=64 RealMemory=64000 Gres=gpu:t4:1"
        for node, port in zip(SLURM_NODES, SLURMD_PORTS, strict=True)
    )
    return f"""\
ClusterName=sonic-dev
SlurmctldHost={host}({LOOPBACK})
SlurmctldPort={SLURMCTLD_PORT}
AuthType=auth/none
CredType=cred/none
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmctldPidFile={SLURM}/slurmctld.pid
SlurmdPidFile={SLURM}/slurmd.%n.pid
SlurmdSpoolDir={SLURM}/spool/%n
StateSaveLocation={SLURM}/state
ProctrackType=proctrack/cgroup
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
ReturnToService=2
GresTypes=gpu
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,bf_interval=1
KillWait={KILL_WAIT_SECONDS}
MinJobAge=300
{nodes}
PartitionName={PARTITION} Nodes={",".join(SLURM_NODES)} Default=YES MaxTime=INFINITE State=UP
"""


def api_configuration() -> dict[str, Any]:
    """Return InterLinkConfig.yaml: the API listens on the node's address, and clients have a certificate."""
    return {
        "InterlinkAddress": f"https://{NODE_ADDRESS}",
        "InterlinkPort": str(EDGE_PORT),
        "TLS": {
            "Enabled": True,
            "CertFile": str(EDGE_IDENTITY.certificate),
            "KeyFile": str(EDGE_IDENTITY.key),
            "CACertFile": str(CLUSTER_AUTHORITY.certificate),
        },
    }


def plugin_configuration() -> dict[str, Any]:
    """Return SlurmConfig.yaml."""
    return {
        "SbatchPath": f"{COMMANDS}/sbatch",
        "ScancelPath": f"{COMMANDS}/scancel",
        "SqueuePath": f"{COMMANDS}/squeue",
        "SinfoPath": f"{COMMANDS}/sinfo",
        "BashPath": "/bin/bash",
        "DataRootFolder": f"{JOBS}/",
        "ContainerRuntime": "singularity",
        "SingularityPath": str(APPTAINER),
        "SingularityDefaultOptions": ["--nv", "--no-eval", "--containall"],
        "ImagePrefix": "docker://",
        "EnableProbes": True,
        # It owns the job's folder, which a `--uid` among the flags would not.
        "DefaultUID": JOBS_UID,
    }
