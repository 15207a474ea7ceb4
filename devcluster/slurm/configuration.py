"""Writes the configuration of Slurm, of interLink's API and plugin, and the keys of the tunnels."""

import socket
from collections.abc import Callable
from pathlib import Path

import yaml

from components.virtual_node.slurm_side import INTERLINK_FILE, SLURM_FILE, interlink_config, scripts, slurm_config
from devcluster.addresses import LOOPBACK, NODE_ADDRESS, SLURM_NODES, SLURMCTLD_PORT, SLURMD_PORTS
from devcluster.credentials import CLUSTER_AUTHORITY
from devcluster.credentials import EDGE as EDGE_IDENTITY
from devcluster.files import write
from devcluster.slurm import apptainer, keys
from devcluster.slurm.folders import (
    APPTAINER,
    COMMANDS,
    CONFIGURATION,
    EDGE,
    JOBS,
    JOBS_UID,
    SLURM,
    TASK_PROLOG,
    TEMPORARY,
)
from stacks.resolve import resolve
from stacks.schema.virtual_nodes import VirtualNode

STACK = "dev-slurm"
"""Stack whose site has the virtual node of this cluster."""

_SBATCH = """\
#!/bin/sh
# A job that root submits would have root's group, and charliecloud refuses to run then.
[ "$(id -u)" != 0 ] || set -- --gid={group} "$@"
exec {program} "$@"
"""

PARTITION = "hammer-nodes"
KILL_WAIT_SECONDS = 30


def write_configuration(program: Callable[[str], Path]) -> None:
    """Write every file that Slurm, the edge and the jobs read, each only if it differs.

    Args:
        program: returns the path of a program by its name.
    """
    for folder in (SLURM / "state", SLURM / "spool", JOBS):
        folder.mkdir(parents=True, exist_ok=True)
    TEMPORARY.mkdir(exist_ok=True)
    TEMPORARY.chmod(0o1777)
    write(TASK_PROLOG, f"#!/bin/sh\necho export TMPDIR={TEMPORARY}\n", mode=0o755)
    write(CONFIGURATION, slurm_configuration(socket.gethostname().partition(".")[0]))
    write(SLURM / "gres.conf", f"NodeName={','.join(SLURM_NODES)} Name=gpu Type=t4 File=/dev/null\n")
    write(SLURM / "cgroup.conf", "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nCgroupAutomount=no\n")
    (node,) = resolve(STACK).config.site.virtual_nodes
    for name, text in edge_files(node).items():
        write(EDGE / name, text, mode=0o755)
    write(COMMANDS / "sbatch", _SBATCH.format(program=program("sbatch"), group=JOBS_UID), mode=0o755)
    for name in ("squeue", "scancel", "scontrol", "sinfo"):
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
TaskProlog={TASK_PROLOG}
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


def edge_files(node: VirtualNode) -> dict[str, str]:
    """Return the files of interLink's API and plugin, as `python -m stacks edge` writes them for a site.

    Args:
        node: the virtual node of the site.
    """
    api = {
        **interlink_config(node),
        "InterlinkAddress": f"https://{NODE_ADDRESS}",
        "TLS": {
            "Enabled": True,
            "CertFile": str(EDGE_IDENTITY.certificate),
            "KeyFile": str(EDGE_IDENTITY.key),
            "CACertFile": str(CLUSTER_AUTHORITY.certificate),
        },
    }
    plugin = slurm_config(node, folder=str(EDGE))
    return {INTERLINK_FILE: yaml.safe_dump(api), SLURM_FILE: yaml.safe_dump(plugin), **scripts(node)}
