"""The settings of the agent, from the file that `python -m stacks edge` writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pool:
    """A pool of a stack, whose servers are jobs of this cluster."""

    instance: str
    """Instance of the stack, such as `sonic-cms`: the label `app.kubernetes.io/instance` of its pods."""
    pool: str
    """Name of the pool."""
    namespace: str
    """Namespace of the stack."""
    flags: tuple[str, ...]
    """sbatch's flags of its jobs."""
    gpus: int
    """GPUs of a job."""
    deployment: str
    """Deployment of its virtual pods."""
    queue_wait_seconds: float
    """Usual wait of a job in the queue, where Slurm forecasts none."""
    start_seconds: float
    """Longest time from the start of a job until its pod is ready."""
    at_once: int
    """Servers that a restart of the Deployment replaces at the same time."""


@dataclass(frozen=True)
class Tls:
    """Certificates of the metrics' port."""

    certificate_file: str
    """The agent's certificate (PEM)."""
    key_file: str
    """Its private key."""
    authorities_file: str
    """Authorities of the certificates that may read the metrics (PEM). A self-signed one is its own authority."""


@dataclass(frozen=True)
class Settings:
    """The whole file."""

    node: str
    """Name of the virtual node."""
    data_folder: str
    """Folder of the jobs' scripts. A job with a script elsewhere is somebody else's."""
    commands_folder: str
    """Folder of sbatch, squeue and scancel."""
    api_server_file: str
    """File with the URL of the cluster's API server."""
    token_file: str
    """File with the token of a ServiceAccount, read again for each request."""
    authorities_file: str
    """Certificates of the authorities of the API server (PEM)."""
    pools: tuple[Pool, ...]
    """Pools on the node."""
    port: int = 9910
    """Port of the metrics."""
    tls: Tls | None = None
    """Certificates of the port, which is then open on every address. None: plain HTTP on the loopback address alone."""
    period_seconds: int = 60
    """From one look to the next."""
    grace_seconds: int = 600
    """Age from which on a disagreement is one: the virtual kubelet learns of a job's state minutes late."""
    actions_max: int = 5
    """Actions in one look."""
    act: bool = False
    """False: a dry run, which only logs and counts what it would do, restarts of servers included."""


def read(file: Path) -> Settings:
    """Return the settings of a file (JSON).

    Raises:
        OSError, ValueError, KeyError, TypeError: it cannot be read, or is not a file of settings.
    """
    written = json.loads(file.read_text())
    pools = tuple(Pool(**{**pool, "flags": tuple(pool["flags"])}) for pool in written.pop("pools"))
    tls = written.pop("tls", None)
    return Settings(pools=pools, tls=None if tls is None else Tls(**tls), **written)
