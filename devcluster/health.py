"""Asks the health endpoints of our processes."""

import http.client
import socket
import ssl
import urllib.request
from pathlib import Path

from devcluster.credentials import API_SERVER, CLUSTER_AUTHORITY
from devcluster.processes import Process
from devcluster.progress import Progress
from devcluster.supervisor import log_of
from devcluster.wait import wait_until

READY_TIMEOUT_SECONDS = 120.0
PROBE_TIMEOUT_SECONDS = 2.0


def is_ready(process: Process) -> bool:
    """Return whether the process answers at its health URL, or accepts at its socket or port if it has none."""
    if process.health:
        return answers(process.health)
    if process.address.startswith("tcp://"):
        host, _, port = process.address.removeprefix("tcp://").partition(":")
        with socket.socket() as client:
            return client.connect_ex((host, int(port))) == 0
    return _accepts(Path(process.address))


def answers(url: str) -> bool:
    """Return whether a health URL of the cluster answers with 200."""
    if not API_SERVER.certificate.exists():
        return False
    # etcd demands a client certificate; every component trusts the API server's.
    context = ssl.create_default_context(cafile=str(CLUSTER_AUTHORITY.certificate))
    context.load_cert_chain(API_SERVER.certificate, API_SERVER.key)
    try:
        with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT_SECONDS, context=context) as answer:  # noqa: S310  ours
            return bool(answer.status == http.HTTPStatus.OK)
    except (OSError, http.client.HTTPException):
        return False


def wait_until_ready(process: Process, progress: Progress) -> None:
    """Return when the process is ready.

    Raises:
        DevClusterError: it is not after two minutes; the text names its log.
    """
    wait_until(
        lambda: is_ready(process),
        f"{process.name} to be ready at {process.health or process.address}",
        timeout_seconds=READY_TIMEOUT_SECONDS,
        waiting=progress.waiting,
        hint=f"its log is {log_of(process.name)}",
    )


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0
