"""Whether a process is ready, asked the way its own health endpoint answers."""

import http.client
import socket
import ssl
import time
import urllib.request
from pathlib import Path

from devcluster.certificates import API_SERVER, CLUSTER_AUTHORITY, authority_certificate
from devcluster.errors import DevClusterError
from devcluster.processes import Process
from devcluster.progress import Progress
from devcluster.supervisor import Supervisor, log_of

READY_PATIENCE_SECONDS = 120.0
PROBE_TIMEOUT_SECONDS = 2.0


def is_ready(process: Process) -> bool:
    """Whether the process answers at its health URL, or accepts at its socket if it has none."""
    return answers(process.health) if process.health else _accepts(Path(process.address))


def answers(url: str) -> bool:
    """Whether a health URL of the cluster answers with 200."""
    if not API_SERVER.certificate.exists():
        return False
    # Asked with the API server's certificate, which every component trusts: etcd lets in nobody without one.
    context = ssl.create_default_context(cafile=str(authority_certificate(CLUSTER_AUTHORITY)))
    context.load_cert_chain(API_SERVER.certificate, API_SERVER.key)
    try:
        with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT_SECONDS, context=context) as answer:  # noqa: S310  ours
            return bool(answer.status == http.HTTPStatus.OK)
    except (OSError, http.client.HTTPException):
        return False


def wait_until_ready(process: Process, supervisor: Supervisor, progress: Progress) -> None:
    """Return when the process is ready.

    Raises:
        DevClusterError: it is not within two minutes; the text names its log.
    """
    deadline = time.monotonic() + READY_PATIENCE_SECONDS
    while not is_ready(process):
        if time.monotonic() > deadline:
            state = supervisor.states()[process.name]
            msg = (
                f"{process.name} is not ready at {process.health or process.address} after "
                f"{READY_PATIENCE_SECONDS:.0f} s ({state.state}): its log {log_of(process.name)} says why"
            )
            raise DevClusterError(msg)
        progress.waiting(f"{process.name} to be ready at {process.health or process.address}")
        time.sleep(0.1)


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0
